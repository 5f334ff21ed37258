"""Whether each split has rows, enough of them, and rows of every kind that the others have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.rows import Rows
from vlmdata.check_settings import CheckSettings
from vlmdata.record import Problem

TAGS, EMPTY, SMALL = "dataset.tag_coverage", "split.empty", "dataset.small_split"
MOST_VALUES = 1_000
"""A tag with more values than this, such as a product's name, divides nothing and is left out."""


@dataclass(slots=True)
class SplitSizes:
    """How many rows each split has. `named` are the splits that there are, whether any row is in them or not."""

    settings: CheckSettings
    named: Sequence[str] = ()
    rules = (EMPTY, SMALL)
    _sizes: dict[str, int] = field(default_factory=dict)

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        """Count a batch."""
        self._sizes[split] = self._sizes.get(split, 0) + batch.num_rows

    def findings(self) -> Iterator[Problem]:
        """One for each split that is empty or small."""
        yield from split_findings(dict.fromkeys(self.named, 0) | self._sizes, self.settings)


def split_findings(sizes: Mapping[str, int], settings: CheckSettings) -> Iterator[Problem]:
    """The splits that are empty, or too small to measure anything by, of a dataset that has several."""
    total = sum(sizes.values())
    fewest = settings.threshold(SMALL, "rows")
    for split, size in sizes.items():
        if not size and total:
            message = f"the split {split!r} is empty"
            hint = "give it a larger share, or leave it out of `split`"
            yield Problem(rule=EMPTY, message=message, hint=hint, severity=settings.severity(EMPTY, "warning"))
        elif len(sizes) > 1 and size < fewest and total >= settings.threshold(SMALL, "of"):
            message = f"the split {split!r} has {size:,} of {total:,} rows, at least {fewest:,g} were expected"
            hint = "give it a larger share: one answer more or less moves what is measured on it by "
            hint += f"{1 / size:.0%}"
            yield Problem(rule=SMALL, message=message, hint=hint, severity=settings.severity(SMALL, "warning"))


@dataclass(slots=True)
class TagCoverage:
    """Values of tags that one split has often and another never."""

    rows: Rows
    rules = (TAGS,)
    _sizes: dict[str, int] = field(default_factory=dict)
    _counts: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    _first: dict[tuple[str, str], int] = field(default_factory=dict)
    _too_many: set[str] = field(default_factory=set)

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        """Count a batch's tags."""
        seen = self.rows.see(batch)
        self._sizes[split] = self._sizes.get(split, 0) + batch.num_rows
        tags = batch.column("tags")
        entries = tags.flatten()
        if not len(entries):
            return
        row_of = np.repeat(
            np.arange(batch.num_rows), pc.fill_null(pc.list_value_length(tags), 0).to_numpy(zero_copy_only=False)
        )
        names = pc.dictionary_encode(pc.fill_null(entries.field("name"), ""))
        values = pc.dictionary_encode(pc.fill_null(entries.field("value"), ""))
        pairs = names.indices.to_numpy().astype(np.int64) * len(values.dictionary) + values.indices.to_numpy()
        found, inverse, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        name_texts, value_texts = names.dictionary.to_pylist(), values.dictionary
        firsts = seen.firsts(inverse, row_of, len(found))
        for pair, row, count in zip(found.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            name = name_texts[pair // len(value_texts)]
            if name in self._too_many:
                continue
            value = value_texts[pair % len(value_texts)].as_py()
            self._first[name, value] = self.rows.first_by_id([row, self._first.get((name, value), row)])
            by_split = self._counts.setdefault(name, {}).setdefault(value, {})
            by_split[split] = by_split.get(split, 0) + count
            self._drop_if_too_many(name)

    def _drop_if_too_many(self, name: str) -> None:
        if len(self._counts[name]) > MOST_VALUES:
            self._too_many.add(name)
            for value in self._counts.pop(name):
                del self._first[name, value]

    def findings(self) -> Iterator[Problem]:
        """One for each value that a split lacks, the most frequent first."""
        sizes = {split: size for split, size in self._sizes.items() if size}
        total, fewest = sum(sizes.values()), self.rows.settings.threshold(TAGS, "expected")
        lacking = [
            (count, name, value, split)
            for name, values in self._counts.items()
            for value, by_split in values.items()
            for split, size in sizes.items()
            if split not in by_split and (count := sum(by_split.values())) * size >= fewest * total
        ]
        lacking.sort(key=lambda entry: (-entry[0], *entry[1:]))
        for entry in lacking:
            yield self._problem(*entry, sizes)

    def _problem(self, count: int, name: str, value: str, split: str, sizes: Mapping[str, int]) -> Problem:
        by_split = self._counts[name][value]
        held = " and ".join(f"{by_split[other]:,} rows of {other!r}" for other in sizes if other in by_split)
        expected = count * sizes[split] / sum(sizes.values())
        message = (
            f"{name} {value!r} stands in {held} and in none of {split!r}, where {expected:,.0f} were to be expected"
        )
        hint = f"set split.stratify: {name}, unless one group holds them all; if it is meant so, ignore this"
        return self.rows.problem(self._first[name, value], TAGS, message, hint, "tags")
