"""What is kept of each row of a corpus to find leaks: hashes of its group and text, its split, and its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.row_keys import row_keys
from vlmdata.corpus import Corpus
from vlmdata.late_hashes import LateHashes, has_dhash
from vlmdata.linking import Incidence, Pictures

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
TURN = np.uint64(0x9E3779B97F4A7C15)
SHA = r"^[0-9a-f]{64}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A row as a message names it."""

    id: str
    source: str
    line: int
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRows:
    """Rows of several corpora, one after the other, with their images numbered across all of them.

    `corpus` and `split` are numbers; splits are numbered across all corpora, by `splits`. `first_rows` has the number
    of each corpus' first row, and of the end.
    """

    corpora: Sequence[Corpus]
    splits: Sequence[tuple[int, str]]
    first_rows: Sequence[int]
    split: Numbers
    units: Hashes
    texts: Hashes
    incidence: Incidence
    pictures: Pictures
    places: Numbers = field(repr=False)
    """Of each reference to an image, its place in its row."""

    @property
    def corpus(self) -> Numbers:
        """The number of each row's corpus."""
        return np.array([number for number, _ in self.splits], np.int64)[self.split]

    @property
    def row_of(self) -> Numbers:
        """The row of each reference to an image."""
        return np.repeat(np.arange(len(self.split)), np.diff(self.incidence.offsets))

    def shown(self, rows: Iterable[int]) -> dict[int, Shown]:
        """The rows of these numbers, read once more."""
        wanted = np.unique(np.fromiter(rows, np.int64))
        found: dict[int, Shown] = {}
        for number, corpus in enumerate(self.corpora):
            start = self.first_rows[number]
            if not np.any((wanted >= start) & (wanted < self.first_rows[number + 1])):
                continue
            for split, batch in corpus.batches():
                end = start + batch.num_rows
                mine = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, end)]
                for row in mine.tolist():
                    found[row] = _shown(batch, row - start, split)
                start = end
        return found


def _shown(batch: pa.RecordBatch, row: int, split: str) -> Shown:
    origin: dict[str, Any] = batch.column("origin")[row].as_py() or {}
    return Shown(
        id=batch.column("id")[row].as_py() or "",
        source=origin.get("source") or "",
        line=origin.get("line") or 0,
        split=split,
    )


def collect(corpora: Sequence[Corpus]) -> CorpusRows:
    """Read every batch once. It keeps about 30 bytes a row and 80 an image."""
    splits: list[tuple[int, str]] = []
    parts: dict[str, list[Any]] = {
        name: [] for name in ("split", "units", "texts", "counts", "images", "shas", "hashes", "known")
    }
    first_rows = [0]
    for number, corpus in enumerate(corpora):
        splits += [(number, name) for name in corpus.splits]
        rows = without_hash = 0
        late: LateHashes | None = getattr(corpus, "late_hashes", None)
        for split, batch in corpus.batches():
            if (number, split) not in splits:
                splits.append((number, split))
            keys = row_keys(batch)
            shas, hashes, known = _images(batch)
            without_hash = late.fill(hashes, known, without_hash) if late is not None else 0
            rows += batch.num_rows
            parts["split"].append(np.full(batch.num_rows, splits.index((number, split)), np.int64))
            parts["units"].append(keys.groups)
            parts["texts"].append(keys.questions * TURN + keys.answers)
            parts["counts"].append(keys.image_counts)
            parts["images"].append(keys.images)
            parts["shas"].append(shas)
            parts["hashes"].append(hashes)
            parts["known"].append(known)
        first_rows.append(first_rows[-1] + rows)
    return _joined(corpora, splits, first_rows, parts)


def _joined(
    corpora: Sequence[Corpus], splits: Sequence[tuple[int, str]], first_rows: Sequence[int], parts: dict[str, list[Any]]
) -> CorpusRows:
    def whole(name: str, kind: Any) -> Any:
        return np.concatenate([np.zeros(0, kind), *parts.pop(name)]).astype(kind, copy=False)

    counts = whole("counts", np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    _, first, image = np.unique(whole("images", np.uint64), return_index=True, return_inverse=True)
    shas = whole("shas", "S64")[first]
    units = whole("units", np.uint64)
    names, unit = np.unique(units, return_inverse=True)
    image = image.reshape(-1)
    return CorpusRows(
        corpora=corpora,
        splits=splits,
        first_rows=first_rows,
        split=whole("split", np.int64),
        units=units,
        texts=whole("texts", np.uint64),
        incidence=Incidence(
            units=unit.reshape(-1),
            offsets=offsets,
            images=image,
            unit_count=len(names),
            image_count=len(shas),
        ),
        pictures=Pictures(shas=shas, hashes=whole("hashes", np.uint64)[first], known=whole("known", bool)[first]),
        places=np.arange(len(image)) - np.repeat(offsets[:-1], counts),
    )


def _images(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.bytes_], Hashes, npt.NDArray[np.bool_]]:
    """sha256, dhash and whether there is one, of each image of a batch, row after row."""
    infos = batch.column("image_info").flatten()
    shas = pc.fill_null(infos.field("sha256"), "")
    texts, known = pc.fill_null(infos.field("dhash"), ""), has_dhash(batch)
    plain = texts if known.all() else pc.if_else(pa.array(known, pa.bool_()), texts, "0" * 16)
    hashes = np.frombuffer(bytes.fromhex(_joined_bytes(plain).decode()), np.dtype(">u8")).astype(np.uint64)
    usual = bool(pc.all(pc.equal(pc.binary_length(shas), 64)).as_py())
    names = np.frombuffer(_joined_bytes(shas), "S64") if usual else np.array(shas.to_pylist(), "S64")
    return names, hashes, known


def _joined_bytes(texts: pa.StringArray) -> bytes:
    """The bytes of all texts, one behind the other."""
    joined: bytes = pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts.cast(pa.binary())), b"")[0].as_py()
    return joined
