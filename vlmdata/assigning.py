"""Phase two of a build, on the index alone: repeated ids, duplicates, groups, splits."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlmdata.check.duplicates import repeats
from vlmdata.errors import OutputError
from vlmdata.gathering import Gathered, Place
from vlmdata.index import Index
from vlmdata.ledger import Ledger
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe
from vlmdata.record import Problem, RawRecord, Rejection
from vlmdata.reports.build_report import Findings
from vlmdata.splits.filling import fill


@dataclass(slots=True, kw_only=True)
class Assignment:
    """What goes into which split. The rows of what is left out are read once more, to be put into the quarantine."""

    recipe: Recipe
    source: Source
    ledger: Ledger
    findings: Findings
    reject: Callable[[Rejection], None]

    def splits(self, index: Index, gathered: Gathered) -> dict[str, array[int]]:
        """The positions of each split's conversations, in order."""
        left_out = set(gathered.positions_of_repeated)
        self._reject_repeated_ids(gathered)
        left_out |= self._duplicates(index, gathered, left_out)
        shares = self.recipe.split.shares
        groups = index.strings("group")
        kept = [position for position in range(len(index)) if position not in left_out]
        split_of = fill((groups[position] for position in kept), shares, self.recipe.split.seed)
        positions: dict[str, array[int]] = {split: array("q") for split in shares}
        for position in kept:
            positions[split_of[groups[position]]].append(position)
        self.findings.count_groups(self.ledger, (groups[position] for position in kept))
        self.ledger.splits = {split: len(rows) for split, rows in positions.items()}
        for split, rows in positions.items():
            if kept and not rows:
                self._warn_empty_split(split)
        return positions

    def _warn_empty_split(self, split: str) -> None:
        message = f"the split {split!r} is empty: too few groups for its share"
        self.findings.add((Problem(rule="split.empty", message=message, severity="warning"),))
        self.ledger.warned_by_rule["split.empty"] += 1

    def _reject_repeated_ids(self, gathered: Gathered) -> None:
        """Reject rows whose id an earlier row has."""
        for raw in self._rows_again(gathered.repeated_ids):
            place = Place(source=raw.origin.source, row=raw.origin.row)
            name, source, line = gathered.repeated_ids[place]
            where = f"line {line}" if source == place.source else f"{source}:{line}"
            problem = Problem(
                rule="id.duplicate",
                message=f"the id {name!r} stands already in {where}",
                source=raw.origin.source,
                line=raw.origin.line,
                field="id",
                hint="ids must be unique",
            )
            self.reject(Rejection(origin=raw.origin, problems=(problem,), row=raw.values, id=name))
        ledger, rows = self.ledger, set(gathered.repeated_ids)
        moved = len(gathered.positions_of_repeated)
        ledger.conversations_accepted -= moved
        ledger.conversations_rejected += moved
        ledger.rows_used -= len(rows)
        ledger.rows_rejected += len(rows)
        ledger.rows_with_rejection += len(rows - gathered.rows_with_rejection)

    def _duplicates(self, index: Index, gathered: Gathered, left_out: set[int]) -> set[int]:
        """Positions of conversations that the recipe does not keep because an equal one stands before them."""
        policy = self.recipe.duplicates
        if policy == "keep":
            return set()
        found = repeats(index.digests(), left_out)
        if policy == "drop":
            self.ledger.conversations_accepted -= len(found)
            self.ledger.conversations_deduplicated += len(found)
        elif found:
            self._reject_duplicates(index, gathered, found, left_out)
        return set(found)

    def _reject_duplicates(
        self, index: Index, gathered: Gathered, found: Mapping[int, int], left_out: set[int]
    ) -> None:
        wanted: dict[Place, list[tuple[str, str]]] = {}
        kept: set[Place] = set()
        ids = index.strings("id")
        for position, origin in enumerate(index.conversations.column("origin")):
            place = Place(source=origin["source"], row=origin["row"])
            if position in found:
                wanted.setdefault(place, []).append((ids[position], ids[found[position]]))
            elif position not in left_out:
                kept.add(place)
        for raw in self._rows_again(wanted):
            for name, earlier in wanted[Place(source=raw.origin.source, row=raw.origin.row)]:
                self.reject(self._duplicate(raw, name, earlier))
        ledger, emptied = self.ledger, sum(place not in kept for place in wanted)
        ledger.conversations_accepted -= len(found)
        ledger.conversations_rejected += len(found)
        ledger.rows_used -= emptied
        ledger.rows_rejected += emptied
        ledger.rows_with_rejection += len(wanted.keys() - gathered.rows_with_rejection)

    def _duplicate(self, raw: RawRecord, name: str, earlier: str) -> Rejection:
        problem = Problem(
            rule="dataset.duplicate",
            message=f"text and images equal those of {earlier!r}",
            source=raw.origin.source,
            line=raw.origin.line,
            hint="drop one, or set duplicates: drop",
            id=name,
        )
        number = int(name.rpartition("/")[2]) if len(self.recipe.conversations) > 1 else 0
        return Rejection(origin=raw.origin, problems=(problem,), row=raw.values, conversation=number, id=name)

    def _rows_again(self, wanted: Mapping[Place, Any]) -> Iterator[RawRecord]:
        """Rows of the source, read once more, since the index does not keep them. Raises OutputError if one is gone."""
        missing = set(wanted)
        for shard in self.source.shards() if missing else ():
            for entry in shard:
                place = Place(source=entry.origin.source, row=entry.origin.row)
                if place in missing and isinstance(entry, RawRecord):
                    missing.discard(place)
                    yield entry
                if not missing:
                    return
        if missing:
            name = next(iter(missing)).source
            raise OutputError(f"{name}: changed while the dataset was being built; nothing was published")
