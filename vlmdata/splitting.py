"""Leak-proof splits for a dataset that has none, or bad ones: the same rows and pixels, divided anew."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from vlmdata.built_corpus import BuiltCorpus
from vlmdata.confirming import NOTHING, usual_distance
from vlmdata.contract import CONTRACT
from vlmdata.corpus_rows import CorpusRows, collect
from vlmdata.dataset import data_files, verify_contract
from vlmdata.errors import ConfigError, ContractError
from vlmdata.grouping import Earlier, Wish, choose, large_group, tag_value, whole_sizes
from vlmdata.leaks import confirmed
from vlmdata.linking import Incidence, Linked, link, numbered
from vlmdata.recipe_problems import SPLIT_KEYS
from vlmdata.record import Problem
from vlmdata.reports.html_report import write_page
from vlmdata.rewriting import Rewriting, rewrite
from vlmdata.settings import nearest
from vlmdata.split_names import odd_names
from vlmdata.write.staging import staged

Numbers = npt.NDArray[np.int64]
SAMPLES = 20
TOGETHER = ("group", "image", "near_duplicate")
MAX_SHARED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """How a dataset was divided. `path` is the new dataset, or None where nothing was written.

    `splits` holds the rows of each split, `groups` how many groups of rows stay together, `largest` the rows of the
    largest, `near_duplicates` how many images look like another; `moved` counts rows that were in a split of another
    name.
    """

    path: Path | None
    splits: Mapping[str, int]
    groups: int
    largest: int
    near_duplicates: int
    moved: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """What is asked of the splits, in the words of a recipe's `split`."""

    shares: Mapping[str, float]
    seed: int = 0
    together: Sequence[str] = TOGETHER
    max_shared: int = MAX_SHARED
    stratify: str | None = None
    earlier: Path | None = None
    bridge: str | None = None

    def check(self) -> None:
        """Raise ConfigError for what makes no sense."""
        total = sum(self.shares.values())
        if not self.shares or abs(total - 1) > 1e-6 or min(self.shares.values()) <= 0:
            said = ", ".join(f"{name}={share:g}" for name, share in self.shares.items())
            raise ConfigError(f"the shares {said} add up to {total:g}; expected shares above 0 that add up to 1")
        odd = [
            name for name in self.shares if not name.replace("-", "").replace("_", "").isalnum() or name in SPLIT_KEYS
        ]
        if odd:
            raise ConfigError(f"shares: no split can be called {odd[0]!r}")
        for name, why in odd_names(self.shares):
            raise ConfigError(f"shares: no split can be called {name!r}: {why}")
        unknown = [name for name in self.together if name not in TOGETHER]
        if unknown:
            raise ConfigError(f"together: {unknown[0]!r} is none of {', '.join(TOGETHER)}")
        if self.bridge is not None and self.bridge not in self.shares:
            raise ConfigError(f"bridge: there is no split {self.bridge!r}; they are {', '.join(self.shares)}")

    def asked(self) -> dict[str, Any]:
        """The same as a recipe's `split`."""
        said: dict[str, Any] = {**self.shares, "seed": self.seed, "together": list(self.together)}
        said["max_shared"] = self.max_shared
        return said | ({"stratify": self.stratify} if self.stratify is not None else {})


def split(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    path: str | Path,
    out: str | Path | None,
    shares: Mapping[str, float],
    *,
    seed: int = 0,
    together: Sequence[str] = TOGETHER,
    max_shared: int = MAX_SHARED,
    stratify: str | None = None,
    earlier: str | Path | None = None,
    bridge: str | None = None,
    replace: bool = False,
    workers: int | None = None,
) -> SplitResult:
    """Divide a built dataset anew, so that nothing stands in two splits, and write it to the folder `out`.

    Rows stay together that share a group, an image, or images that look the same. Every row and every byte of an image
    is kept. With `out=None` nothing is written. Rows of `earlier`, a built dataset or a CSV file of id and split, stay
    where they were; a new row that joins groups of several goes to the split `bridge`.

    Raises ConfigError, ContractError where `path` is no dataset of the contract, and OutputError.
    """
    options = SplitOptions(
        shares=shares,
        seed=seed,
        together=tuple(together),
        max_shared=max_shared,
        stratify=stratify,
        earlier=Path(earlier) if earlier is not None else None,
        bridge=bridge,
    )
    options.check()
    path = Path(path)
    errors = [problem for problem in verify_contract(path) if problem.severity == "error"]
    if errors:
        raise ContractError(f"{path}: does not follow the contract {CONTRACT}", errors)
    if out is None:
        return _divided(path, options, workers or os.cpu_count() or 1)[1]
    with staged(Path(out), replace=replace) as stage:
        stage.clear()
        rewriting, result = _divided(path, options, workers or os.cpu_count() or 1)
        rewrite(rewriting, stage.folder)
        write_page(stage.folder, rewriting.title)
        stage.publish()
    return dataclasses.replace(result, path=Path(out))


def _divided(path: Path, options: SplitOptions, workers: int) -> tuple[Rewriting, SplitResult]:
    """Choose the split of every row, in the order of the files."""
    earlier = Earlier.read(options.earlier, options.shares) if options.earlier is not None else None
    rows = collect([BuiltCorpus.open(path)])
    ids, groups, values = _columns(rows, options.stratify)
    units, unit = numbered(groups if "group" in options.together else ids)
    incidence = dataclasses.replace(rows.incidence, units=unit, unit_count=len(units))
    near = "near_duplicate" in options.together and bool(rows.pictures.known.any())
    likeness = confirmed(rows, usual_distance(), workers) if near else NOTHING
    linked = link(incidence, likeness, together=options.together, max_shared=options.max_shared)
    old = earlier.splits_of(ids) if earlier is not None else None
    wish = Wish(shares=options.shares, seed=options.seed, bridge=options.bridge or "reject")
    chosen = choose(linked, units, wish, old=old, strata=values)
    if options.bridge is None and chosen.between:
        row = min(chosen.between)
        raise ConfigError(
            f"{path}: {len(chosen.between):,} new rows, such as {ids[row]!r}, belong to rows that the earlier dataset "
            "has in different splits; say with --bridge SPLIT where such rows go [split.bridge]"
        )
    named = Named(rows=rows, incidence=incidence, linked=linked, ids=ids, units=units)
    rewriting = Rewriting(
        source=path,
        files=data_files(path),
        numbers=chosen.splits,
        names=list(options.shares),
        asked=options.asked(),
        whole=whole_sizes(linked.whole),
        images=_image_counts(rows, path),
        likeness=named.likeness(looked=near),
        problems=tuple(named.problems(chosen.splits, list(options.shares))),
    )
    return rewriting, _result(rewriting, rows, likeness.images)


def _columns(rows: CorpusRows, tag: str | None) -> tuple[list[str], list[str], list[str] | None]:
    """Of each row its id, its group (its id where it has none), and the value of a tag."""
    ids: list[str] = []
    groups: list[str] = []
    values: list[str] = []
    known: set[str] = set()
    for _, batch in rows.corpora[0].batches():
        names = [name or "" for name in batch.column("id").to_pylist()]
        ids += names
        groups += [group or name for group, name in zip(batch.column("group").to_pylist(), names, strict=True)]
        if tag is not None:
            of_rows = batch.column("tags").to_pylist()
            values += [tag_value(tags, tag) for tags in of_rows]
            known |= {each["name"] for tags in of_rows for each in tags or ()}
    if tag is not None and values and not any(values):
        found = nearest(tag, sorted(known)) or f"its tags are {', '.join(map(repr, sorted(known)[:20])) or 'none'}"
        raise ConfigError(f"no row has the tag {tag!r}, by which the splits were to be stratified; {found}")
    return ids, groups, values if tag is not None else None


def _image_counts(rows: CorpusRows, path: Path) -> tuple[int, int, int]:
    """Unique images, references to them, and the bytes of the unique ones."""
    _, first = np.unique(rows.incidence.images, return_index=True)
    wanted, sizes, start = np.zeros(len(rows.incidence.images), bool), 0, 0
    wanted[first] = True
    for file in data_files(path):
        for batch in file.batches():
            data = batch.column("images").flatten().field("bytes")
            lengths = pc.binary_length(data).to_numpy(zero_copy_only=False)
            sizes += int(lengths[wanted[start : start + len(lengths)]].sum())
            start += len(lengths)
    return len(rows.pictures.shas), len(rows.incidence.images), sizes


def _result(rewriting: Rewriting, rows: CorpusRows, near_duplicates: int) -> SplitResult:
    before = np.array([name for _, name in rows.splits], object)[rows.split]
    after = np.array(rewriting.names, object)[rewriting.numbers]
    groups, _, largest = rewriting.whole
    return SplitResult(
        path=None,
        splits=rewriting.splits,
        groups=groups,
        largest=largest,
        near_duplicates=near_duplicates,
        moved=int((before != after).sum()),
        problems=tuple(rewriting.problems),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What was found of a dataset's rows, with their ids."""

    rows: CorpusRows
    incidence: Incidence
    linked: Linked
    ids: Sequence[str]
    units: Sequence[str]

    def place(self, image: int) -> str:
        """An image as a message names it: `MUG-1 images[0]`, its place in the first row by id that has it."""
        references = np.flatnonzero(self.incidence.images == image)
        reference = min(references.tolist(), key=lambda each: self.ids[int(self.rows.row_of[each])])
        return f"{self.ids[int(self.rows.row_of[reference])]} images[{int(self.rows.places[reference])}]"

    def likeness(self, *, looked: bool) -> dict[str, Any]:
        """The report's word on near-duplicate images."""
        found = self.linked.likeness
        shown = np.linspace(0, len(found.pairs) - 1, min(SAMPLES, len(found.pairs))).astype(int)
        samples = [
            {
                "a": self._sample(int(found.pairs[number][0])),
                "b": self._sample(int(found.pairs[number][1])),
                "distance": round(float(found.distances[number]), 1),
            }
            for number in shown
        ]
        held = len(self.units) - len(np.unique(self.linked.whole))
        return {"looked": looked, "pairs": len(found.pairs), "images": found.images, "held": held, "samples": samples}

    def _sample(self, image: int) -> dict[str, str]:
        name, _, place = self.place(image).rpartition(" ")
        return {"id": name, "image": place, "sha256": self.rows.pictures.sha256(image)}

    def problems(self, numbers: Numbers, names: Sequence[str]) -> Iterator[Problem]:
        """What a person should know of the groups."""
        for note in self.linked.likeness.notes:
            yield Problem(rule="split.without_near_duplicates", message=note, severity="warning")
        for shared in self.linked.shared[:SAMPLES]:
            message = (
                f"the image of {self.place(shared.image)} stands in {shared.groups:,} groups and holds none together"
            )
            yield Problem(rule="split.shared_image", message=message, severity="warning")
        counts = dict(zip(names, np.bincount(numbers, minlength=len(names)).tolist(), strict=True))
        _, largest, size = whole_sizes(self.linked.whole)
        if size:
            holders = [[self.place(image) for image in held] for held in self.linked.holders(self.incidence, largest)]
            found = large_group(size, counts, holders, self.units[largest])
            if found is not None:
                yield found
        for name, count in counts.items():
            if not count:
                message = f"the split {name!r} is empty: too few groups for its share"
                yield Problem(rule="split.empty", message=message, severity="warning")
