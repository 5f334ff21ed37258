"""Images as files: each once, under the sha256 of its bytes, which are written as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlmdata.exports.row import Picture

NAME_DIGITS = 32


@dataclass(slots=True)
class ImageFiles:
    """The folder of an export's images. What has been written is known by the files alone, so that no memory is."""

    root: Path
    folder: str = "images"

    def put(self, picture: Picture) -> str:
        """Write an image, if it is not there yet, and give its path below the root, with forward slashes.

        Names are hexadecimal digits and the usual ending, which every platform takes; folders of two digits keep any
        one from growing too large.
        """
        digits = picture.sha256[:NAME_DIGITS]
        name = f"{self.folder}/{digits[:2]}/{digits}{picture.ending}"
        path = self.root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.data)
        return name
