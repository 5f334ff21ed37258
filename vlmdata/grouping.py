"""Where the rows that stay together go: new ones fill the shares, those of an earlier dataset stay where they were."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from vlmdata.dataset import data_files
from vlmdata.errors import ConfigError, ContractError
from vlmdata.linking import Linked, holders_words
from vlmdata.record import Problem
from vlmdata.rules import rule
from vlmdata.splits.filling import fill_groups

Numbers = npt.NDArray[np.int64]
NEW, BRIDGING = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of the splits: their shares in order, the seed, and where a row goes that joins several."""

    shares: Mapping[str, float]
    seed: int = 0
    bridge: str = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Each row's split, as a number in the order of the shares, or `BRIDGING`; and what was noticed.

    `between` holds, for rows that join groups of several splits, the numbers of these splits; `torn` counts what stood
    in several splits before, without any new row between.
    """

    splits: Numbers
    between: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    torn: int = 0


@dataclass(slots=True)
class Earlier:
    """The splits of an earlier dataset, by a 64-bit hash of each row's id: 9 bytes a row."""

    names: Sequence[str]
    _hashes: npt.NDArray[np.uint64]
    _splits: npt.NDArray[np.uint8]

    @classmethod
    def read(cls, path: Path, shares: Mapping[str, float]) -> Earlier:
        """Read a built dataset's folder, or a CSV file with the columns id and split. Raises ConfigError."""
        names, hashes, splits = list(shares), array("Q"), array("B")
        for name, split in _earlier_rows(path):
            if split not in shares:
                raise ConfigError(
                    f"{path}: has the split {split!r}, the shares have {', '.join(names)}; give it a share"
                )
            hashes.append(_hash(name))
            splits.append(names.index(split))
        found = np.array(hashes, np.uint64)
        order = np.argsort(found, kind="stable")
        return cls(names, found[order], np.array(splits, np.uint8)[order])

    def __len__(self) -> int:
        return len(self._hashes)

    def splits_of(self, ids: Iterable[str]) -> Numbers:
        """The number of each row's split; `NEW` for a row that was not there."""
        wanted = np.fromiter((_hash(name) for name in ids), np.uint64)
        place = np.searchsorted(self._hashes, wanted)
        place[place == len(self._hashes)] = 0
        if not len(self._hashes):
            return np.full(len(wanted), NEW, np.int64)
        return np.where(self._hashes[place] == wanted, self._splits[place].astype(np.int64), NEW)


def _hash(name: str) -> int:
    return int(xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")))


def _earlier_rows(path: Path) -> Iterable[tuple[str, str]]:
    if path.is_dir():
        try:
            for file in data_files(path):
                for batch in file.batches():
                    yield from ((name, file.split) for name in batch.column("id").to_pylist() if name)
        except (ContractError, KeyError) as error:
            raise ConfigError(f"{path}: can't be read as an earlier dataset: {error}") from None
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            rows = csv.DictReader(table)
            if not {"id", "split"} <= set(rows.fieldnames or ()):
                raise ConfigError(f"{path}: the columns id and split were expected, found {rows.fieldnames}")
            yield from ((row["id"] or "", row["split"] or "") for row in rows)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file or folder; it was to say the earlier splits") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None


def choose(
    linked: Linked,
    units: Sequence[str],
    wish: Wish,
    *,
    old: Numbers | None = None,
    strata: Sequence[str] | None = None,
) -> Chosen:
    """Choose each row's split. `units` are the units' names in order, `old` the earlier splits of the rows."""
    wholes, whole = np.unique(linked.whole, return_inverse=True)
    whole = whole.reshape(-1)
    old = np.full(len(whole), NEW, np.int64) if old is None else old
    names, splits = list(wish.shares), old.copy()
    settled, several = _settled(whole, old, len(wholes), len(names))
    new = old == NEW
    splits[new] = settled[whole[new]]
    between = {}
    for row in np.flatnonzero(new & (settled[whole] == BRIDGING)).tolist():
        between[row] = several[int(whole[row])]
        if wish.bridge != "reject":
            splits[row] = names.index(wish.bridge)
    open_rows = new & (settled[whole] == NEW)
    sizes = np.bincount(whole[open_rows], minlength=len(wholes))
    asked = np.flatnonzero(sizes)
    name_of = {int(number): units[int(wholes[number])] for number in asked}
    stratum = _strata(whole, strata, name_of) if strata is not None else None
    taken = np.bincount(splits[splits >= 0], minlength=len(names))
    chosen = fill_groups(
        {name_of[int(number)]: int(sizes[number]) for number in asked},
        wish.shares,
        wish.seed,
        strata=stratum,
        settled=dict(zip(names, taken.tolist(), strict=True)),
    )
    code = np.full(len(wholes), NEW, np.int64)
    for number in asked.tolist():
        code[number] = names.index(chosen[name_of[number]])
    splits[open_rows] = code[whole[open_rows]]
    torn = len(several.keys() - {int(whole[row]) for row in between})
    return Chosen(splits=splits, between=between, torn=torn)


def _settled(whole: Numbers, old: Numbers, wholes: int, splits: int) -> tuple[Numbers, dict[int, tuple[int, ...]]]:
    """The split that the old rows of each whole are in: `NEW` for none, `BRIDGING` for several, which are named."""
    mine = np.unique(whole[old >= 0] * splits + old[old >= 0])
    settled = np.full(wholes, NEW, np.int64)
    several: dict[int, tuple[int, ...]] = {}
    settled[mine // splits] = mine % splits
    counts = np.bincount(mine // splits, minlength=wholes)
    for number in np.flatnonzero(counts > 1).tolist():
        settled[number] = BRIDGING
        several[number] = tuple((mine[mine // splits == number] % splits).tolist())
    return settled, several


def _strata(whole: Numbers, strata: Sequence[str], name_of: Mapping[int, str]) -> dict[str, str]:
    """The value that most rows of each whole have."""
    values, code = np.unique(np.array(strata, object), return_inverse=True)
    both, counts = np.unique(whole * len(values) + code.reshape(-1), return_counts=True)
    order = np.lexsort((both % len(values), -counts, both // len(values)))
    numbers, first = np.unique(both[order] // len(values), return_index=True)
    best = both[order][first] % len(values)
    return {name_of[n]: str(values[b]) for n, b in zip(numbers.tolist(), best.tolist(), strict=True) if n in name_of}


def whole_sizes(whole: Numbers) -> tuple[int, int, int]:
    """How many wholes there are, and the number and size of the largest; the first by number of equals."""
    numbers, sizes = np.unique(whole, return_counts=True)
    if not len(numbers):
        return 0, 0, 0
    largest = int(np.argmax(sizes))
    return len(numbers), int(numbers[largest]), int(sizes[largest])


def large_group(size: int, splits: Mapping[str, int], holders: Sequence[Sequence[str]], group: str) -> Problem | None:
    """The finding that a whole of so many rows is too large for such splits; None where it is not."""
    limits = rule("split.large_group").thresholds
    total, smallest = sum(splits.values()), min(splits, key=lambda name: splits[name], default="")
    if len(splits) < 2 or size < limits["rows"]:
        return None
    if size > limits["share"] * total:
        over = f"{size / total:.0%} of all"
    elif size > splits[smallest]:
        over = f"more than the {splits[smallest]:,} of {smallest!r}"
    else:
        return None
    held = holders_words(holders) if holders else f"the group {group!r}"
    return Problem(
        rule="split.large_group",
        message=f"{size:,} rows, {over}, are held together by {held}",
        severity="warning",
        hint="look at these images; lower split.max_shared, or leave a link out of split.together" if holders else "",
    )


def tag_value(tags: Sequence[Mapping[str, str]] | None, name: str) -> str:
    """The value of a row's tag; nothing where it has none."""
    return next((entry["value"] or "" for entry in tags or () if entry["name"] == name), "")
