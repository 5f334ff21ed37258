"""The journey of a dataset: scan, assign, write, report. Each stage is a module; values pass between them here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vlmdata.check.duplicates import repeats
from vlmdata.check.messages import CHECKS
from vlmdata.convert import converter_for
from vlmdata.convert.catalog import columns_read
from vlmdata.errors import BuildRefusedError, OutputError, RecipeError
from vlmdata.image.folder import ImageReferenceError
from vlmdata.image.verifying import Reader, open_reader, verifying
from vlmdata.index import ImageTable, Index, IndexWriter
from vlmdata.ledger import Ledger
from vlmdata.protocols import Source, Tools
from vlmdata.recipe import Recipe
from vlmdata.record import Problem, RawRecord, Rejection
from vlmdata.reports.build_report import Findings, build_report
from vlmdata.scan import Outcome, Scan
from vlmdata.settings import nearest, refuse
from vlmdata.source import open_source
from vlmdata.splits.filling import fill
from vlmdata.write.arrow_files import WrittenFile, write_shard, write_split_metadata, write_splits_file
from vlmdata.write.card import dataset_card
from vlmdata.write.manifest import build_log, manifest, write_json
from vlmdata.write.plan import plan_shards
from vlmdata.write.quarantine import Quarantine, read_quarantine
from vlmdata.write.staging import Stage, staged

Phase = Literal["scan", "write"]
Progress = Callable[[Phase, int, int | None], None]
"""Called with the phase, what is done, and the total where it is known: rows scanned, output files written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What a build made. `report` is report.json as plain data."""

    path: Path
    ledger: Ledger
    report: dict[str, Any]

    @property
    def rejections(self) -> Iterator[Rejection]:
        """Every rejection, read from the output one by one."""
        return read_quarantine(self.path)


@dataclass(slots=True, kw_only=True)
class Build:
    """One build under way."""

    recipe: Recipe
    source: Source
    reader: Reader
    stage: Stage
    workers: int
    progress: Progress
    ledger: Ledger = field(default_factory=Ledger)
    findings: Findings = field(default_factory=Findings)
    partly_rejected: set[tuple[str, int]] = field(default_factory=set)


def build(
    recipe: Recipe,
    out: str | Path,
    *,
    replace: bool = False,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> BuildResult:
    """Build a dataset from a recipe into the folder `out`, whole or not at all.

    `workers` is the number of threads (the machine's cores by default); the output does not depend on it.
    Raises RecipeError and SourceError before anything is read, OutputError where `out` can't be written, and
    BuildRefusedError where more rows were rejected than the recipe allows.
    """
    source = open_source(recipe.source)
    check_columns(recipe, source)
    reader = open_reader(recipe.images)
    started = time.monotonic()
    with staged(Path(out), replace=replace) as stage:
        work = Build(
            recipe=recipe,
            source=source,
            reader=reader,
            stage=stage,
            workers=workers or os.cpu_count() or 1,
            progress=on_progress or _no_progress,
        )
        with closing(Quarantine(stage.folder)) as quarantine:
            index = scan(work, quarantine)
            positions = assign(work, index, quarantine)
        files = [] if _too_many_rejected(work) else write(work, index, positions)
        return report(work, files, seconds=time.monotonic() - started)


def check_columns(recipe: Recipe, source: Source) -> None:
    """Raise RecipeError for every column that the recipe names and the source has not."""
    columns = list(source.columns)
    problems = [
        recipe.settings.problem(
            place,
            f"the source has no column {name!r}",
            rule="recipe.unknown_column",
            hint=nearest(name, columns) or f"its columns are {', '.join(columns[:20])}",
        )
        for place, name in columns_read(recipe)
        if name not in columns
    ]
    refuse(recipe.settings.source, problems, RecipeError)


def scan(work: Build, quarantine: Quarantine) -> Index:
    """Phase one: rows and images to the index."""
    images = ImageTable()

    def reject(rejection: Rejection) -> None:
        work.ledger.rejected_by_rule.update(rejection.rules)
        work.findings.add(rejection.problems)
        quarantine.write(rejection)
        if rejection.conversation is not None:
            work.partly_rejected.add((rejection.origin.source, rejection.origin.row))

    def warn(problem: Problem) -> None:
        work.ledger.warned_by_rule[problem.rule] += 1
        work.findings.add((problem,))

    tools = Tools(warn=warn, changed=lambda _: None, matching=work.reader.matching)
    with verifying(work.reader, work.workers) as submit, IndexWriter(work.stage.work) as index:
        outcome = Outcome(index=index, images=images, ledger=work.ledger, reject=reject, warn=warn)
        running = Scan(convert=converter_for(work.recipe, tools), submit=submit, checks=CHECKS, outcome=outcome)
        running.run(work.source.shards(), lambda rows: work.progress("scan", rows, None))
    return Index.open(work.stage.work, images)


def assign(work: Build, index: Index, quarantine: Quarantine) -> dict[str, list[int]]:
    """Phase two: duplicates, groups and splits, on the index. The positions of each split's conversations, in order."""
    dropped = _duplicates(work, index, quarantine)
    shares = work.recipe.split.shares
    groups = index.strings("group")
    kept = [position for position in range(len(index)) if position not in dropped]
    split_of = fill((groups[position] for position in kept), shares, work.recipe.split.seed)
    positions: dict[str, list[int]] = {split: [] for split in shares}
    for position in kept:
        positions[split_of[groups[position]]].append(position)
    work.findings.count_groups(work.ledger, (groups[position] for position in kept))
    work.ledger.splits = {split: len(rows) for split, rows in positions.items()}
    for split, rows in positions.items():
        if kept and not rows:
            _warn_empty_split(work, split)
    return positions


def _warn_empty_split(work: Build, split: str) -> None:
    message = f"the split {split!r} is empty: too few groups for its share"
    work.findings.add((Problem(rule="split.empty", message=message, severity="warning"),))
    work.ledger.warned_by_rule["split.empty"] += 1


def _duplicates(work: Build, index: Index, quarantine: Quarantine) -> dict[int, int]:
    """Positions of conversations that the recipe does not keep because an equal one stands before them."""
    policy = work.recipe.duplicates
    if policy == "keep":
        return {}
    found = repeats(index.digests())
    if not found:
        return {}
    ids, origins = index.strings("id"), index.table.column("origin")
    if policy == "drop":
        work.ledger.conversations_accepted -= len(found)
        work.ledger.conversations_deduplicated += len(found)
        return found
    at_row: dict[tuple[str, int], list[int]] = {}
    for position in found:
        origin = origins[position].as_py()
        at_row.setdefault((origin["source"], origin["row"]), []).append(position)
    for entry in _rows_again(work.source, at_row):
        for position in at_row[entry.origin.source, entry.origin.row]:
            _reject_duplicate(work, quarantine, entry, (ids[position], ids[found[position]]))
    _settle_rows(work, index, found)
    return found


def _rows_again(source: Source, wanted: Mapping[tuple[str, int], Any]) -> Iterator[RawRecord]:
    """Rows of a source, read once more, since the index does not keep them. Raises OutputError where one is gone."""
    missing = set(wanted)
    for shard in source.shards():
        for entry in shard:
            place = (entry.origin.source, entry.origin.row)
            if place in missing and isinstance(entry, RawRecord):
                missing.discard(place)
                yield entry
    if missing:
        raise OutputError(f"{min(missing)[0]}: changed while the dataset was being built; nothing was published")


def _reject_duplicate(work: Build, quarantine: Quarantine, raw: RawRecord, ids: tuple[str, str]) -> None:
    problem = Problem(
        rule="dataset.duplicate",
        message=f"text and images equal those of {ids[1]!r}",
        source=raw.origin.source,
        line=raw.origin.line,
        hint="drop one, or set duplicates: drop",
        id=ids[0],
    )
    number = int(ids[0].rpartition("/")[2]) if len(work.recipe.conversations) > 1 else 0
    work.ledger.rejected_by_rule["dataset.duplicate"] += 1
    work.findings.add((problem,))
    quarantine.write(Rejection(origin=raw.origin, problems=(problem,), row=raw.values, conversation=number, id=ids[0]))


def _settle_rows(work: Build, index: Index, rejected: dict[int, int]) -> None:
    """Count conversations that were accepted and are now rejected, and the rows that have none left."""
    rows: dict[tuple[str, int], list[bool]] = {}
    for position, origin in enumerate(index.table.column("origin").to_pylist()):
        rows.setdefault((origin["source"], origin["row"]), []).append(position in rejected)
    touched = {place: flags for place, flags in rows.items() if any(flags)}
    emptied = sum(all(flags) for flags in touched.values())
    ledger = work.ledger
    ledger.conversations_accepted -= len(rejected)
    ledger.conversations_rejected += len(rejected)
    ledger.rows_used -= emptied
    ledger.rows_rejected += emptied
    ledger.rows_with_rejection += len(touched.keys() - work.partly_rejected)


def write(work: Build, index: Index, positions: dict[str, list[int]]) -> list[WrittenFile]:
    """Phase three: every output file, on as many threads as the build has workers."""
    sizes = index.image_bytes()
    shards = plan_shards(positions, sizes)
    for split in positions:
        (work.stage.folder / split).mkdir()

    def read(number: int) -> bytes:
        image = index.images.images[number]
        return work.reader.original(
            str(index.images.references[number]), image.location, size=image.size, xxh3=image.xxh3
        )

    files: list[WrittenFile] = []
    with ThreadPoolExecutor(max_workers=work.workers, thread_name_prefix="write") as pool:
        futures = [pool.submit(write_shard, work.stage.folder, shard, index, sizes, read) for shard in shards]
        try:
            for future in futures:
                files.append(future.result())
                work.progress("write", len(files), len(shards))
        except ImageReferenceError as error:
            pool.shutdown(cancel_futures=True)
            raise OutputError(f"{error.message}: {error.hint or 'nothing was published; build again'}") from None
    for split in positions:
        write_split_metadata(work.stage.folder, split, [file for file in files if file.name.startswith(f"{split}/")])
    write_splits_file(work.stage.folder, list(positions))
    _count_images(work, index, positions)
    return files


def _count_images(work: Build, index: Index, positions: dict[str, list[int]]) -> None:
    """Count the images that the output holds: references, and unique bytes by sha256."""
    lists = index.table.column("image_numbers").to_pylist()
    numbers = [number for rows in positions.values() for position in rows for number in lists[position]]
    unique = {index.images.images[number].info.sha256: index.images.images[number].size for number in set(numbers)}
    work.ledger.images_references = len(numbers)
    work.ledger.images_unique = len(unique)
    work.ledger.images_bytes = sum(unique.values())


def report(work: Build, files: Sequence[WrittenFile], *, seconds: float) -> BuildResult:
    """Balance the ledger, write what goes beside the data, and publish, or refuse to."""
    work.ledger.check()
    refused = _too_many_rejected(work)
    folder = work.stage.folder
    made = build_report(work.recipe, work.ledger, work.findings, refused=refused)
    write_json(folder / "report.json", made)
    if refused:
        path = work.stage.publish_refusal()
        raise BuildRefusedError(
            f"nothing was published: {refused}; the report and the rejected rows are in {path}", work.findings.samples()
        )
    write_json(folder / "manifest.json", manifest(work.recipe, work.source.columns, files, work.ledger))
    (folder / "README.md").write_text(dataset_card(work.recipe, work.ledger), encoding="utf-8")
    write_json(folder / "build-log.json", build_log(work.ledger, workers=work.workers, seconds=seconds))
    work.stage.publish()
    return BuildResult(path=work.stage.out, ledger=work.ledger, report=made)


def _too_many_rejected(work: Build) -> str:
    """Why the build must not be published, or nothing."""
    ledger, limit = work.ledger, work.recipe.max_rejected
    share = float(limit.rstrip("%")) / 100 if isinstance(limit, str) else limit if isinstance(limit, float) else None
    most = ledger.rows_read * share if share is not None else float(limit)
    if ledger.rows_with_rejection > most:
        wanted = limit if share is None or isinstance(limit, str) else f"{share * 100:g}%"
        return f"{ledger.rows_with_rejection:,} of {ledger.rows_read:,} rows have a rejection, at most {wanted} may"
    if ledger.conversations_accepted == 0:
        return "not one conversation was accepted"
    return ""


def _no_progress(phase: Phase, done: int, total: int | None) -> None:
    """Nobody is watching."""
