"""The dhashes of images whose image_info has none, as a validation that decodes them anyway finds them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

HASH = r"^[0-9a-f]{16}$"
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]


def has_dhash(batch: pa.RecordBatch) -> Flags:
    """Of each entry of image_info, row after row, whether it has a dhash."""
    texts = pc.fill_null(batch.column("image_info").flatten().field("dhash"), "")
    found: Flags = pc.match_substring_regex(texts, HASH).to_numpy(zero_copy_only=False).astype(bool)
    return found


@dataclass(slots=True)
class LateHashes:
    """One for each entry of image_info that has none, in their order, in 9 bytes."""

    _hashes: array[int] = field(default_factory=lambda: array("Q"))
    _known: bytearray = field(default_factory=bytearray)

    def add(self, dhash: str | None) -> None:
        """That of the next entry; None where its image does not decode."""
        self._hashes.append(int(dhash or "0", 16))
        self._known.append(bool(dhash))

    def fill(self, hashes: Hashes, known: Flags, start: int) -> int:
        """Write those of the entries that have none into arrays; `start` is how many came before, and so is returned.

        What was not added, since nobody decoded so far, stays unknown.
        """
        places = np.flatnonzero(~known)
        end = start + len(places)
        found = np.array(self._hashes[start:end], np.uint64)
        hashes[places[: len(found)]] = found
        known[places[: len(found)]] = np.frombuffer(bytes(self._known[start:end]), bool)
        return end
