"""Phase two of a build, on the index alone: repeated ids, duplicates, groups, splits."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmdata.check.duplicates import repeats
from vlmdata.confirming import NOTHING, Likeness
from vlmdata.errors import OutputError
from vlmdata.gathering import Gathered, Place
from vlmdata.grouping import BRIDGING, NEW, Chosen, Earlier, Wish, choose, large_group, tag_value, whole_sizes
from vlmdata.index import Index
from vlmdata.index_rows import IndexRows
from vlmdata.ledger import Ledger
from vlmdata.linking import Linked, link
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe
from vlmdata.record import Problem, RawRecord, Rejection
from vlmdata.reports.build_report import Findings

SAMPLES = 20
"""Pairs of near-duplicates that a report shows."""

SHARED_SHOWN = 100
"""Widely shared pictures that are named one by one."""


@dataclass(slots=True, kw_only=True)
class Assignment:
    """What goes into which split. The rows of what is left out are read once more, to be put into the quarantine.

    `likeness` finds the near-duplicates among the images of rows of an index.
    """

    recipe: Recipe
    source: Source
    ledger: Ledger
    findings: Findings
    reject: Callable[[Rejection], None]
    likeness: Callable[[IndexRows, Index], Likeness]

    def splits(self, index: Index, gathered: Gathered) -> dict[str, array[int]]:
        """The positions of each split's conversations, in order."""
        split = self.recipe.split
        earlier = Earlier.read(split.earlier, split.shares) if split.earlier is not None else None
        left_out = set(gathered.positions_of_repeated)
        self._reject_repeated_ids(gathered)
        left_out |= self._duplicates(index, gathered, left_out)
        kept = [position for position in range(len(index)) if position not in left_out]
        rows = IndexRows.of(index, kept, by_group="group" in split.together)
        linked = link(
            rows.incidence, self._found_likeness(rows, index), together=split.together, max_shared=split.max_shared
        )
        old = earlier.splits_of(self._ids(index, kept)) if earlier is not None else None
        strata = _tag_values(index, kept, split.stratify) if split.stratify is not None else None
        wish = Wish(shares=split.shares, seed=split.seed, bridge=split.bridge)
        chosen = choose(linked, rows.units, wish, old=old, strata=strata)
        self._say_earlier(chosen, earlier, old)
        self._reject_bridging(index, gathered, kept, chosen, left_out)
        positions: dict[str, array[int]] = {name: array("q") for name in split.shares}
        names = list(split.shares)
        for position, number in zip(kept, chosen.splits.tolist(), strict=True):
            if number != BRIDGING:
                positions[names[number]].append(position)
        self.ledger.splits = {name: len(mine) for name, mine in positions.items()}
        self._say_groups(index, rows, linked, chosen)
        for name, mine in positions.items():
            if kept and not mine:
                self._warn_empty_split(name)
        return positions

    def _ids(self, index: Index, kept: Sequence[int]) -> Iterator[str]:
        ids = index.strings("id")
        return (ids[position] for position in kept)

    def _found_likeness(self, rows: IndexRows, index: Index) -> Likeness:
        """The near-duplicates, where they are asked for and can be looked for; the report's word on them.

        Where there is one split, nothing has to be kept out of another.
        """
        split = self.recipe.split
        asked = "near_duplicate" in split.together and len(split.shares) > 1
        known = rows.pictures.known[np.unique(rows.incidence.images)]
        if asked and len(known) and not known.any():
            asked = False
            message = (
                "near-duplicate images were not looked for: images.verify is header, which leaves their hashes out"
            )
            hint = "set images.verify: full, or take near_duplicate out of split.together"
            self._warn(Problem(rule="split.without_near_duplicates", message=message, hint=hint, severity="warning"))
        found = self.likeness(rows, index) if asked else NOTHING
        for note in found.notes:
            self._warn(Problem(rule="split.without_near_duplicates", message=note, severity="warning"))
        shown = np.linspace(0, len(found.pairs) - 1, min(SAMPLES, len(found.pairs))).astype(int)
        self.findings.likeness = {
            "looked": asked,
            "pairs": len(found.pairs),
            "images": found.images,
            "samples": [
                {
                    "a": rows.sample(index, int(found.pairs[number][0])),
                    "b": rows.sample(index, int(found.pairs[number][1])),
                    "distance": round(float(found.distances[number]), 1),
                }
                for number in shown
            ],
        }
        return found

    def _warn(self, problem: Problem) -> None:
        self.findings.add((problem,))
        self.ledger.warned_by_rule[problem.rule] += 1

    def _say_earlier(self, chosen: Chosen, earlier: Earlier | None, old: npt.NDArray[np.int64] | None) -> None:
        """What became of the earlier dataset's rows."""
        if earlier is None or old is None:
            return
        gone = len(earlier) - int((old != NEW).sum())
        if gone > 0:
            message = f"{gone:,} of the earlier dataset's {len(earlier):,} rows are not among these"
            hint = "fine where they were taken out; rows are known by their ids"
            self._warn(Problem(rule="split.earlier_gone", message=message, hint=hint, severity="warning"))
        if chosen.torn:
            groups = "group" if chosen.torn == 1 else "groups"
            message = f"{chosen.torn:,} {groups} of rows that belong together were in several splits, and stay there"
            hint = "split anew without split.earlier where nothing is to be compared with older results"
            self._warn(Problem(rule="split.earlier_leak", message=message, hint=hint, severity="warning"))

    def _reject_bridging(
        self, index: Index, gathered: Gathered, kept: Sequence[int], chosen: Chosen, left_out: set[int]
    ) -> None:
        """Reject new rows that would join groups of several splits."""
        names = list(self.recipe.split.shares)
        found: dict[int, Problem] = {}
        for row in np.flatnonzero(chosen.splits == BRIDGING).tolist():
            between = " and ".join(repr(names[number]) for number in chosen.between[row])
            found[kept[row]] = Problem(
                rule="split.bridge",
                message=f"belongs, by its group or images, to rows that were in {between}",
                hint="leave the row out, or say with split.bridge where such rows go",
            )
        if found:
            self._reject_rows(index, gathered, found, left_out)

    def _say_groups(self, index: Index, rows: IndexRows, linked: Linked, chosen: Chosen) -> None:
        """Count what stays together; warn of pictures that hold too much together, or nothing."""
        whole = linked.whole[chosen.splits != BRIDGING]
        self.ledger.groups, largest, self.ledger.largest_group = whole_sizes(whole)
        self.findings.likeness["held"] = int(len(rows.units) - len(np.unique(linked.whole)))
        for shared in linked.shared[:SHARED_SHOWN]:
            message = f"{rows.name(index, shared.image)!r} stands in {shared.groups:,} groups and holds none together"
            hint = "leave it out where it is a placeholder, or raise split.max_shared"
            self._warn(
                Problem(rule="split.shared_image", message=message, field="images", hint=hint, severity="warning")
            )
        if self.ledger.groups:
            holders = [[rows.name(index, i) for i in held] for held in linked.holders(rows.incidence, largest)]
            problem = large_group(self.ledger.largest_group, self.ledger.splits, holders, rows.units[largest])
            if problem is not None:
                self._warn(problem)

    def _warn_empty_split(self, split: str) -> None:
        message = f"the split {split!r} is empty: too few groups for its share"
        self._warn(Problem(rule="split.empty", message=message, severity="warning"))

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
        ids = index.strings("id")
        problems = {
            position: Problem(
                rule="dataset.duplicate",
                message=f"text and images equal those of {ids[earlier]!r}",
                hint="drop one, or set duplicates: drop",
            )
            for position, earlier in found.items()
        }
        self._reject_rows(index, gathered, problems, left_out)

    def _reject_rows(self, index: Index, gathered: Gathered, found: Mapping[int, Problem], left_out: set[int]) -> None:
        """Reject the conversations at these positions, each for its problem."""
        wanted: dict[Place, list[tuple[str, Problem]]] = {}
        kept: set[Place] = set()
        ids = index.strings("id")
        for position, origin in enumerate(index.conversations.column("origin")):
            place = Place(source=origin["source"], row=origin["row"])
            if position in found:
                wanted.setdefault(place, []).append((ids[position], found[position]))
            elif position not in left_out:
                kept.add(place)
        for raw in self._rows_again(wanted):
            for name, problem in wanted[Place(source=raw.origin.source, row=raw.origin.row)]:
                self.reject(self._rejection(raw, name, problem))
        ledger, emptied = self.ledger, sum(place not in kept for place in wanted)
        ledger.conversations_accepted -= len(found)
        ledger.conversations_rejected += len(found)
        ledger.rows_used -= emptied
        ledger.rows_rejected += emptied
        ledger.rows_with_rejection += len(wanted.keys() - gathered.rows_with_rejection)
        gathered.rows_with_rejection |= wanted.keys()
        left_out |= found.keys()

    def _rejection(self, raw: RawRecord, name: str, problem: Problem) -> Rejection:
        problem = replace(problem, source=raw.origin.source, line=raw.origin.line, id=name)
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


def _tag_values(index: Index, kept: Sequence[int], tag: str) -> list[str]:
    """The value of a tag of each row that is kept; nothing where a row has none."""
    values = [tag_value(tags, tag) for tags in index.conversations.column("tags")]
    return [values[position] for position in kept]
