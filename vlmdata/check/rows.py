"""The rows of a dataset as whole-dataset checks keep them: about 60 bytes each, whatever the rows hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.row_keys import Hashes, Places, RowKeys, row_keys
from vlmdata.check_settings import CheckSettings
from vlmdata.record import Problem


def id_order(name: str) -> tuple[int, str]:
    """By what ids are ordered: `P-9` comes before `P-10`."""
    return len(name.encode("utf-8", "surrogatepass")), name


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A batch under way: its keys, the number of its first row in the dataset, and its ids."""

    keys: RowKeys
    first_row: int
    ids: pa.StringArray

    @cached_property
    def by_id(self) -> Places:
        """The places of the rows in the order of their ids."""
        ids = pc.fill_null(self.ids, "")
        table = pa.table({"size": pc.binary_length(ids), "id": ids})
        order = pc.sort_indices(table, [("size", "ascending"), ("id", "ascending")])
        places: Places = order.to_numpy().astype(np.int64)
        return places

    def firsts(self, kinds: Places, rows: Places, count: int) -> Places:
        """Of each kind of entry the row whose id comes first, as its number in the dataset. `rows` has the place of
        each entry's row in the batch; every kind from 0 up to `count` has an entry."""
        ranks = np.empty(len(self.by_id), np.int64)
        ranks[self.by_id] = np.arange(len(ranks))
        first = np.full(count, len(ranks), np.int64)
        np.minimum.at(first, kinds, ranks[rows])
        return self.first_row + self.by_id[first]


@dataclass(frozen=True, slots=True)
class _Names:
    """What a batch's rows are called."""

    ids: pa.StringArray
    sources: pa.DictionaryArray
    lines: npt.NDArray[np.int32]


@dataclass(slots=True)
class Rows:
    """Every row seen so far. All checks of a dataset share one, and each batch is taken in once."""

    settings: CheckSettings
    count: int = 0
    _last: pa.RecordBatch | None = None
    _seen: Seen | None = None
    _starts: list[int] = field(default_factory=list)
    _names: list[_Names] = field(default_factory=list)
    _hashes: dict[str, list[Hashes]] = field(default_factory=dict)
    _image_counts: list[npt.NDArray[np.int32]] = field(default_factory=list)

    def see(self, batch: pa.RecordBatch) -> Seen:
        """Take in a batch, unless another check has just done so."""
        if self._seen is None or self._last is not batch:
            keys = row_keys(batch)
            self._seen, self._last = Seen(keys=keys, first_row=self.count, ids=batch.column("id")), batch
            self._keep(batch, keys)
            self.count += batch.num_rows
        return self._seen

    def _keep(self, batch: pa.RecordBatch, keys: RowKeys) -> None:
        for name in ("questions", "answers", "image_sets", "groups", "images"):
            self._hashes.setdefault(name, []).append(getattr(keys, name))
        self._image_counts.append(keys.image_counts.astype(np.int32))
        self._starts.append(self.count)
        origin = batch.column("origin")
        lines = pc.fill_null(pc.struct_field(origin, "line"), 0).to_numpy(zero_copy_only=False)
        everything = pa.array(np.arange(batch.num_rows))
        self._names.append(
            _Names(
                batch.column("id").take(everything),  # a copy, so that the batch itself can go
                pc.dictionary_encode(pc.fill_null(pc.struct_field(origin, "source"), "")),
                lines.astype(np.int32),
            )
        )

    def hashes(self, name: str) -> Hashes:
        """One of the keys, of all rows; `images` of all images, row after row."""
        found = self._hashes.get(name, [])
        if len(found) > 1:
            found[:] = [np.concatenate(found)]
        return found[0] if found else np.zeros(0, np.uint64)

    def image_counts(self) -> npt.NDArray[np.int32]:
        """The number of each row's images."""
        return np.concatenate(self._image_counts) if self._image_counts else np.zeros(0, np.int32)

    def named(self, row: int) -> tuple[str, str, int]:
        """A row's id, source and line."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        names, place = self._names[number], row - self._starts[number]
        return names.ids[place].as_py() or "", names.sources[place].as_py(), int(names.lines[place])

    def by_id(self, rows: Iterable[int]) -> list[int]:
        """Rows in the order of their ids, short ones first: nothing depends on the order of a source's lines."""
        return sorted(map(int, rows), key=lambda row: id_order(self.named(row)[0]))

    def first_by_id(self, rows: Iterable[int]) -> int:
        """Of some rows, the one whose id comes first."""
        several = set(map(int, rows))
        return min(several, key=lambda row: id_order(self.named(row)[0])) if len(several) > 1 else several.pop()

    def shown(self, row: int) -> str:
        """A row as a message names it: `'mug-7' (products.csv:12)`."""
        name, source, line = self.named(row)
        place = f"{source}:{line}" if line else source
        return f"{name!r} ({place})" if place else repr(name)

    def problem(self, row: int, rule: str, message: str, hint: str, where: str = "") -> Problem:
        """A finding, at one row."""
        name, source, line = self.named(row)
        severity = self.settings.severity(rule, "warning")
        return Problem(
            rule=rule, message=message, hint=hint, field=where, id=name, source=source, line=line, severity=severity
        )


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows put together by a key: `order` holds their numbers run by run, each run in the rows' order."""

    order: Places
    starts: Places
    counts: Places

    def rows(self, run: int) -> Places:
        """The rows of a run, in order."""
        return self.order[self.starts[run] : self.starts[run] + self.counts[run]]

    def distinct(self, values: Hashes) -> Places:
        """How many different values each run has."""
        several = self.counts > 1  # most have one row, and need no look
        members = np.repeat(several, self.counts)
        numbers = np.repeat(np.flatnonzero(several), self.counts[several])
        inside = values[self.order[members]]
        by_value = np.lexsort((inside, numbers))
        inside, numbers = inside[by_value], numbers[by_value]
        fresh = np.ones(len(inside), bool)
        fresh[1:] = (inside[1:] != inside[:-1]) | (numbers[1:] != numbers[:-1])
        found = np.bincount(numbers[fresh], minlength=len(self.starts)).astype(np.int64)
        found[~several] = 1
        return found

    def by_first_row(self, wanted: npt.NDArray[np.bool_]) -> list[int]:
        """The wanted runs, in the order of their first rows."""
        numbers = np.flatnonzero(wanted)
        return [int(number) for number in numbers[np.argsort(self.order[self.starts[numbers]], kind="stable")]]


def runs(keys: Hashes, rows: Places | None = None) -> Runs:
    """The runs of equal keys, of all rows or of some."""
    order = np.argsort(keys if rows is None else keys[rows], kind="stable")
    order = order if rows is None else rows[order]
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(ordered), 1), bool), ordered[1:] != ordered[:-1]]))
    return Runs(order, starts, np.diff(np.append(starts, len(ordered))))


def joined(*keys: Hashes) -> Hashes:
    """One key for rows that agree in several."""
    found = np.zeros(len(keys[0]), np.uint64)
    for key in keys:
        found = (found ^ (found >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + key
    return found
