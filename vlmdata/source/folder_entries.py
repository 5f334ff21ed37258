"""What the listings of a folder of images hold, as rows, skips and rejections, numbered as they are made."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.record import Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.source.captions import LEFT_OUT, CaptionError, Captions
from vlmdata.source.folder_metadata import Named, path_key
from vlmdata.source.folder_walk import Listing, is_image_name, is_text

NOT_AN_IMAGE = "not an image by its name"


@dataclass(slots=True, kw_only=True)
class FolderEntries:
    """The entries of one folder's listings. `place` gives the values that an image's path says of it."""

    source: str
    place: Callable[[str], dict[str, Any]]
    changes: Counter[str]
    number: int = 0

    def unread(self, listing: Listing) -> Iterator[Rejection | Skip]:
        """What is not looked into, or can't be."""
        if listing.error:
            message = f"the folder {listing.path!r} can't be listed: {listing.error}"
            yield self._rejection("folder.unreadable", message, "give the reader access to it", raw=listing.path)
        for _ in listing.hidden:
            yield self._skip("hidden folder")
        for _ in listing.links:
            yield self._skip("symbolic link to a folder")
        for name in listing.files:
            if not is_text(name):
                message = f"the file name {os.fsencode(name)!r} is not UTF-8"
                yield self._rejection("folder.name", message, "rename the file", raw=os.fsencode(name))

    def images(self, listing: Listing) -> Iterator[RawRecord | Skip]:
        """A row for each image."""
        for name in _readable(listing):
            yield self._row(listing.below(name)) if is_image_name(name) else self._skip(_not_an_image(name))

    def not_in_metadata(self, listing: Listing, metadata: Collection[str], named: Named) -> Iterator[Skip]:
        """Files that no metadata row names; those that one names have had their row."""
        reason = f"in no row of {' or '.join(sorted({posixpath.basename(name) for name in metadata}))}"
        for name in _readable(listing):
            path = listing.below(name)
            if path not in metadata and not (is_image_name(name) and path_key(path) in named):
                yield self._skip(reason if is_image_name(name) else _not_an_image(name))

    def captioned(self, listing: Listing, captions: Captions) -> Iterator[RawRecord | Rejection | Skip]:
        """Images with the captions beside them, and what has no partner."""
        names = list(_readable(listing))
        texts = {Path(name).stem: name for name in reversed(names) if captions.is_one(name)}
        stems = {Path(name).stem for name in names if is_image_name(name)}
        for name in names:
            stem = Path(name).stem
            if is_image_name(name):
                yield self._captioned(listing.below(name), texts.get(stem), captions)
            elif not captions.is_one(name):
                yield self._skip(_not_an_image(name))
            elif stem not in stems or texts[stem] != name:
                path = listing.below(name)
                hint = "add the image, or move the file out of the folder"
                yield self._rejection(
                    "caption.no_image", f"{path!r} stands beside no image of that name", hint, raw=path
                )

    def _captioned(self, path: str, text: str | None, captions: Captions) -> RawRecord | Rejection:
        if text is None:
            wanted = Path(path).stem + captions.ending
            message = f"{path!r} has no caption: there is no {wanted!r} beside it"
            return self._rejection("caption.missing", message, "write one", row=self.place(path))
        try:
            caption = captions.read(posixpath.join(posixpath.dirname(path), text))
        except CaptionError as error:
            row = self.place(path) if error.raw is None else None
            return self._rejection(error.rule, error.message, error.hint, raw=error.raw, row=row)
        if caption.left_out:
            self.changes[LEFT_OUT] += caption.left_out
        return self._row(path, **captions.columns(caption))

    def _origin(self) -> Origin:
        self.number += 1
        return Origin(source=self.source, row=self.number, line=self.number)

    def _row(self, path: str, **more: Any) -> RawRecord:
        return RawRecord(origin=self._origin(), values={**self.place(path), **more})

    def _skip(self, reason: str) -> Skip:
        return Skip(origin=self._origin(), reason=reason)

    def _rejection(
        self,
        rule: str,
        message: str,
        hint: str,
        *,
        raw: str | bytes | None = None,
        row: Mapping[str, Any] | None = None,
    ) -> Rejection:
        origin = self._origin()
        problem = Problem(rule=rule, message=message, source=origin.source, line=origin.line, hint=hint)
        return Rejection(origin=origin, problems=(problem,), raw=raw, row=row)


def _readable(listing: Listing) -> Iterator[str]:
    """The names of files that are text; the others have been rejected."""
    return (name for name in listing.files if is_text(name))


def _not_an_image(name: str) -> str:
    """Why a file that is no image is left out."""
    return "a zip file, which is not looked into" if name.lower().endswith(".zip") else NOT_AN_IMAGE
