"""The journey of a dataset: scan, assign, write, report. Each stage is a module; values pass between them here."""

from __future__ import annotations

import os
import shutil
import time
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import xxhash

from vlmdata.assigning import Assignment
from vlmdata.confirming import Likeness, usual_distance
from vlmdata.dataset import data_files
from vlmdata.engine import Engine, engine_named
from vlmdata.errors import BuildRefusedError, OutputError, VlmError
from vlmdata.gathering import Gathered, Gathering
from vlmdata.generated import generated_in
from vlmdata.image.folder import ImageReferenceError
from vlmdata.index import CONVERSATIONS, Index
from vlmdata.index_rows import IndexRows, Look, find_likeness
from vlmdata.journal import Journal, scan_key
from vlmdata.ledger import Ledger
from vlmdata.linking import KnownLooks
from vlmdata.opening import check_columns, reader_of, refuse_missing_roots, refuse_odd_names
from vlmdata.progress import Progress, Watch, nobody
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe
from vlmdata.record import Change, Problem, Rejection, rejection_dict, rejection_from
from vlmdata.reports.build_report import Findings, build_report, size_words, source_name
from vlmdata.reports.html_report import write_page
from vlmdata.source import open_source
from vlmdata.tasks import Job, finished, original
from vlmdata.write.arrow_files import WrittenFile, file_hash, write_split_metadata, write_splits_file
from vlmdata.write.card import dataset_card
from vlmdata.write.manifest import build_log, manifest, write_json
from vlmdata.write.plan import Plan, plan_shards
from vlmdata.write.quarantine import Quarantine, read_quarantine
from vlmdata.write.staging import Stage, staged

INFO_BYTES = 200
"""What a dataset holds of each image beside its bytes: name, sha256, size, format, dhash."""

WORTH_SAYING = 100_000_000
"""From so many bytes on, it is said what is free on the disk."""

KEPT_SECONDS = 30
"""A refused build that took longer leaves its journal, so that the next one need not look at every image again."""


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
    job: Job
    engine: Engine
    stage: Stage
    journal: Journal
    watch: Watch
    ledger: Ledger = field(default_factory=Ledger)
    findings: Findings = field(default_factory=Findings)
    started: float = field(default_factory=time.monotonic)
    looks: KnownLooks | None = None


def build(  # noqa: PLR0913  (what a person may ask of a build, each by its name)
    recipe: Recipe,
    out: str | Path,
    *,
    replace: bool = False,
    workers: int | None = None,
    engine: str = "local",
    on_progress: Watch | None = None,
) -> BuildResult:
    """Build a dataset from a recipe into the folder `out`, whole or not at all.

    `workers` is the number of threads, or of Ray tasks at once (the machine's cores by default); the output does not
    depend on it, nor on the engine (`local` or `ray`). A build that was interrupted goes on where it stopped.
    Raises RecipeError and SourceError before anything is read, OutputError where `out` can't be written, and
    BuildRefusedError where more rows were rejected than the recipe allows.
    """
    source = open_source(recipe.source)
    check_columns(recipe, source)
    refuse_missing_roots(recipe)
    refuse_odd_names(source)
    chosen = engine_named(engine)
    if recipe.describe is not None:
        describe_first(recipe, on_progress or nobody)
    with staged(Path(out), replace=replace) as stage:
        work = begin(recipe, source, stage, workers or os.cpu_count() or 1, on_progress or nobody)
        work.engine = chosen
        with resumable(work):
            work.engine.scan(work.job, work.watch)
            return finish(work)


def describe_first(recipe: Recipe, watch: Watch) -> None:
    """Ask for the descriptions that are missing. Rows that the cap leaves without one are rejected by the scan.

    Raises DescribeStoppedError where the provider gives up, and KeyboardInterrupt where somebody does.
    """
    from vlmdata.describe_words import short_text
    from vlmdata.describing import DescribeStoppedError, describe

    result = describe(recipe, on_progress=watch)
    if result.requests or result.notice:
        watch(Progress(phase="describe", note=short_text(result)))
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    if result.stopped not in {None, "cost"}:
        raise DescribeStoppedError(
            f"descriptions stopped: {result.message}; answers so far are kept, nothing was built"
        )


def begin(recipe: Recipe, source: Source, stage: Stage, workers: int, watch: Watch) -> Build:
    """A build into a stage, on top of what an interrupted one of the same recipe and source has left there."""
    key = scan_key(recipe, source)
    journal = Journal(stage.work)
    if journal.key() != key:
        stage.clear()
    journal.begin(key, recipe)
    stage.resumable = False
    earlier = stage.out if stage.out.is_dir() else None
    job = Job(recipe=recipe, work=stage.work, folder=stage.folder, workers=workers, earlier=earlier)
    return Build(
        recipe=recipe,
        source=source,
        job=job,
        engine=engine_named("local"),
        stage=stage,
        journal=journal,
        watch=watch,
    )


@contextmanager
def resumable(work: Build) -> Iterator[None]:
    """Keep what is finished where the build stops: interrupted, or for want of space, or refused after a long scan."""
    try:
        yield
    except ImageReferenceError as error:
        work.stage.resumable = error.rule == "images.unreadable"  # what changed is to be looked at again
        raise OutputError(f"{error.message}: {error.hint or 'nothing was published; build again'}") from None
    except BuildRefusedError:
        if time.monotonic() - work.started > KEPT_SECONDS:
            work.stage.resumable = True
            work.stage.begin()
        raise
    except (OSError, VlmError, MemoryError, KeyboardInterrupt):
        work.stage.resumable = work.journal.worth_keeping()
        raise


def finish(work: Build) -> BuildResult:
    """What follows the scan, whoever did it: gather, assign, write, report."""
    plan = planned(work)
    files = write(work, plan) if plan is not None else []
    return report(work, files)


def planned(work: Build) -> Plan | None:
    """Gather and assign, and put down the plan of the output files; None where the build is refused."""
    with closing(Quarantine(work.stage.folder)) as quarantine:
        index, gathered = gather(work, quarantine)
        positions = assign(work, index, gathered, quarantine)
    if _too_many_rejected(work):
        return None
    plan = make_plan(work, index, positions)
    _refuse_full_disk(work, plan, _count_images(work, index, positions))
    return plan


def gather(work: Build, quarantine: Quarantine) -> tuple[Index, Gathered]:
    """The scan's blocks to the index, every row counted."""

    def reject(rejection: Mapping[str, Any]) -> None:
        _count_rejection(work, rejection_from(rejection))
        quarantine.write(rejection)

    def warn(problem: Problem) -> None:
        work.ledger.warned_by_rule[problem.rule] += 1
        work.findings.add((problem,))

    def changed(change: Change) -> None:
        work.ledger.changed[change.rule] += 1
        work.findings.add_change(change)

    for problem in getattr(work.source, "warnings", ()):
        warn(problem)
    limit = work.recipe.source.limit
    gathering = Gathering(limit=limit, ledger=work.ledger, reject=reject, warn=warn, changed=changed)
    index = gathering.run(work.journal.results(len(work.source.shards())), work.stage.work)
    return index, gathering.gathered


def _count_rejection(work: Build, rejection: Rejection) -> None:
    work.ledger.rejected_by_rule.update(rejection.rules)
    named = (problem if problem.id else replace(problem, id=rejection.id) for problem in rejection.problems)
    work.findings.add(named, rejecting=True)


def assign(work: Build, index: Index, gathered: Gathered, quarantine: Quarantine) -> dict[str, array[int]]:
    """Phase two: duplicates, groups and splits, on the index. The positions of each split's conversations, in order."""

    def reject(rejection: Rejection) -> None:
        _count_rejection(work, rejection)
        quarantine.write(rejection_dict(rejection))

    def likeness(rows: IndexRows, index: Index) -> Likeness:
        opened = reader_of(work.recipe, spool=work.journal.spool, offline=work.job.offline)
        look = Look(workers=work.job.workers, folder=work.stage.work, pixel_limit=work.recipe.images.pixel_limit)
        found = find_likeness(rows, index, opened, original, look)
        work.looks = KnownLooks(shas=rows.pictures.shas, likeness=found, distance=usual_distance())
        return found

    assignment = Assignment(
        recipe=work.recipe,
        source=work.source,
        ledger=work.ledger,
        findings=work.findings,
        reject=reject,
        likeness=likeness,
    )
    positions = assignment.splits(index, gathered)
    if work.recipe.describe is not None:
        work.ledger.count_written(index.described(positions))
    return positions


def write(work: Build, plan: Plan) -> list[WrittenFile]:
    """Phase three: every output file, whoever writes it."""
    work.engine.write(work.job, work.watch)
    files = []
    for shard in plan.shards:
        file = finished(work.job, work.journal, plan, shard)
        if file is None:
            raise OutputError(f"{shard.split}/{shard.file}: was not written; run the same command again")
        files.append(file)
    splits = list(work.recipe.split.shares)
    for split in splits:
        write_split_metadata(work.stage.folder, split, [file for file in files if file.name.startswith(f"{split}/")])
    write_splits_file(work.stage.folder, splits)
    return files


def make_plan(work: Build, index: Index, positions: Mapping[str, Sequence[int]]) -> Plan:
    """The plan of the output files, put down for whoever writes them; files of another plan are thrown away."""
    shards = plan_shards(positions, index.image_bytes())
    digest = xxhash.xxh3_128()
    for name in ("conversations.arrow", "images.arrow"):
        digest.update(file_hash(work.stage.work / name).encode())
    for shard in shards:
        digest.update(f"{shard.split}/{shard.file}".encode())
        digest.update(array("q", shard.positions).tobytes())
    plan = Plan(shards=shards, digest=digest.hexdigest())
    plan.save(work.stage.work)
    kept = {f"{shard.split}/{shard.file}" for shard in shards if finished(work.job, work.journal, plan, shard)}
    _keep_only(work, kept)
    for split in positions:
        (work.stage.folder / split).mkdir(exist_ok=True)
    return plan


def _keep_only(work: Build, kept: Collection[str]) -> None:
    """Delete the output files of another plan, and the folders of its splits."""
    for folder in [path for path in work.stage.folder.iterdir() if path.is_dir()]:
        for file in list(folder.iterdir()):
            if f"{folder.name}/{file.name}" not in kept:
                file.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def _refuse_full_disk(work: Build, plan: Plan, image_bytes: int) -> None:
    """Say how much will be written, and raise OutputError where the disk can't hold it."""
    text = (work.stage.work / CONVERSATIONS).stat().st_size + INFO_BYTES * work.ledger.images_references
    written = sum(file.bytes for shard in plan.shards if (file := finished(work.job, work.journal, plan, shard)))
    needed = max(image_bytes + text - written, 0)
    free = shutil.disk_usage(work.stage.folder).free
    if needed > free:
        raise OutputError(
            f"{work.stage.out}: about {size_words(needed)} are to be written, and {size_words(free)} are free on the "
            "disk; nothing was published"
        )
    room = f"; {size_words(free)} are free" if needed >= WORTH_SAYING else ""
    work.watch(Progress(phase="write", note=f"writing about {size_words(needed)}{room}"))


def _count_images(work: Build, index: Index, positions: Mapping[str, Sequence[int]]) -> int:
    """Count the images that the output holds: references, and unique bytes by sha256. The bytes of all references."""
    kept = bytearray(len(index))
    for rows in positions.values():
        for position in rows:
            kept[position] = 1
    used: set[int] = set()
    references = 0
    for flag, numbers in zip(kept, index.conversations.column("image_numbers"), strict=True):
        if flag:
            references += len(numbers)
            used.update(numbers)
    total, unique = 0, {}
    for number, (sha, size) in enumerate(zip(index.images.column("sha256"), index.images.column("size"), strict=True)):
        if number in used:
            unique[bytes.fromhex(sha)] = size
    sizes = index.image_bytes()
    for rows in positions.values():
        total += sum(int(sizes[position]) for position in rows)
    work.ledger.images_references = references
    work.ledger.images_unique = len(unique)
    work.ledger.images_bytes = sum(unique.values())
    return total


def report(work: Build, files: Sequence[WrittenFile]) -> BuildResult:
    """Balance the ledger, write what goes beside the data, and publish, or refuse to."""
    work.ledger.check()
    refused = _too_many_rejected(work)
    folder = work.stage.folder
    made = build_report(work.recipe, work.ledger, work.findings, refused=refused)
    write_json(folder / "report.json", made)
    if refused:
        _keep_only(work, ())
        write_page(folder, work.recipe.dataset.name)
        path = work.stage.publish_refusal()
        raise BuildRefusedError(
            f"nothing was published: {refused}; the report and the rejected rows are in {path}",
            [problem for problem in work.findings.samples() if problem.severity == "error"],
        )
    seconds = time.monotonic() - work.started
    write_json(folder / "manifest.json", manifest(work.recipe, work.source, files, work.ledger))
    card = dataset_card(work.recipe, work.ledger, files, generated_in(data_files(folder)))
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    write_page(folder, work.recipe.dataset.name)
    write_json(folder / "build-log.json", build_log(work.ledger, workers=work.job.workers, seconds=seconds))
    if work.journal.key() != scan_key(work.recipe, work.source):
        message = "the source changed while the dataset was being built; nothing was published; build again"
        raise OutputError(f"{source_name(work.recipe)}: {message}")
    work.stage.publish()
    return BuildResult(path=work.stage.out, ledger=work.ledger, report=made)


def _too_many_rejected(work: Build) -> str:
    """Why the build must not be published, or nothing."""
    ledger, limit = work.ledger, work.recipe.max_rejected
    if isinstance(limit, str):
        most = ledger.rows_read * Fraction(limit.rstrip("%")) / 100
    else:
        most = ledger.rows_read * Fraction(str(limit)) if isinstance(limit, float) else Fraction(limit)
    if ledger.rows_with_rejection > most:
        wanted = f"{limit * 100:g}%" if isinstance(limit, float) else limit
        return f"{ledger.rows_with_rejection:,} of {ledger.rows_read:,} rows have a rejection, at most {wanted} may"
    if ledger.conversations_accepted == 0:
        return "not one conversation was accepted"
    return ""
