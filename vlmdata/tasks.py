"""The work of a build that can be shared: scanning blocks of rows and writing output files, by threads or by machines.

Share i of N is a pure function of recipe, sources and N: whoever does it, and however often, leaves the same files.
"""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pyarrow.compute as pc

from vlmdata.blocks import BlockId, BlockResult, ShardEnd, blocks_of, image_key
from vlmdata.check import checks
from vlmdata.check_settings import STRUCTURE, CheckSettings
from vlmdata.convert import converter_for
from vlmdata.describe_lookup import Verdicts as VerdictsOfRow
from vlmdata.describe_lookup import lookup
from vlmdata.image.verifying import Reader, Verified, Verifier, verifying
from vlmdata.index import Index
from vlmdata.journal import Journal
from vlmdata.opening import reader_of
from vlmdata.progress import SHOWN_SECONDS, Pace, Progress, Watch
from vlmdata.protocols import Shard
from vlmdata.recipe import Recipe
from vlmdata.record import ImageReference, Location
from vlmdata.scan import Scan, Started
from vlmdata.source import open_source
from vlmdata.unread_images import UNREAD, PartialReader
from vlmdata.verdicts import Verdicts
from vlmdata.write.arrow_files import ReadOriginal, StoredImage, WrittenFile, write_shard
from vlmdata.write.plan import OutputShard, Plan

DOWNLOADS = 16
"""Threads that verify images where some are downloaded: these wait more than they compute."""

BLOCKS_AHEAD = 2
"""Blocks that are converted ahead of the one whose images are waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every share of a build needs to know. `work` holds the journal, `folder` the output on its way.

    A validation looks with `checks` of its own, may leave `images` unread, and stays `offline`; what it would have to
    download is counted in `unread`, by host.
    """

    recipe: Recipe
    work: Path
    folder: Path
    workers: int
    earlier: Path | None = None
    checks: CheckSettings | None = None
    images: bool = True
    offline: bool = False
    unread: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Share `number` of `of`, counted from 0."""

    number: int = 0
    of: int = 1

    def holds(self, block: BlockId, shards: int) -> bool:
        """Whether a block is of this share: by its shard, where there are as many as shares, else by its number."""
        return (block.shard if shards >= self.of else block.shard + block.number) % self.of == self.number

    def reads(self, shard: int, shards: int) -> bool:
        """Whether a shard has blocks of this share."""
        return shards < self.of or shard % self.of == self.number


@dataclass(slots=True, kw_only=True)
class ScanTask:
    """One share of a scan, under way."""

    job: Job
    share: Share
    journal: Journal
    scan: Scan
    watch: Watch
    rows: int = 0
    rejected: int = 0
    _waiting: deque[Started] = field(default_factory=deque)
    _pace: Pace = field(default_factory=lambda: Pace(SHOWN_SECONDS))

    def run(self) -> None:
        """Scan every block of the share that is not finished."""
        shards = open_source(self.job.recipe.source).shards()
        for number, shard in enumerate(shards):
            if self.share.reads(number, len(shards)) and not self._finished_before(number, len(shards)):
                self._read(shard, number, len(shards))
        while self._waiting:
            self._finish()
        self._report(1.0)

    def _finished_before(self, shard: int, shards: int) -> bool:
        """Whether an interrupted build has finished the shard's blocks of this share; they are taken over."""
        end = self.journal.end(shard)
        blocks = [BlockId(shard, number) for number in range(end.blocks)] if end is not None else []
        mine = [block for block in blocks if self.share.holds(block, shards)]
        if end is None or not all(self.journal.has(block) for block in mine):
            return False
        if any(self.journal.images_failed(block) for block in mine):
            return False
        for block in mine:
            self._take_over(self.journal.load(block))
        return True

    def _read(self, shard: Shard, number: int, shards: int) -> None:
        count = 0
        for block in blocks_of(shard, number):
            count += 1
            if not self.share.holds(block.id, shards):
                continue
            if self.journal.has(block.id):
                result = self.journal.load(block.id)
                self._take_over(result)
                if not result.images_failed:
                    continue
            self._waiting.append(self.scan.start(block))
            while len(self._waiting) > BLOCKS_AHEAD:
                self._finish()
            self._report((number + shard.share_read) / shards)
        ShardEnd(
            shard=number,
            blocks=count,
            lines_read=shard.lines_read,
            lines_of_header=shard.lines_of_header,
            changes=dict(getattr(shard, "changes", {})),
        ).save(self.journal.blocks)

    def _take_over(self, result: BlockResult) -> None:
        """Count a block that was finished before, and remember its images."""
        self.scan.verdicts.remember(result.images)
        if not result.images_failed:
            self.scan.count_passed(int(pc.sum(result.rows.column("passed")).as_py() or 0))
            self.rows += result.rows.num_rows

    def _finish(self) -> None:
        result = self.scan.finish(self._waiting.popleft(), lambda: self._report(None))
        result.save(self.journal.blocks)
        self.rows += result.rows.num_rows
        self.rejected += result.rows.num_rows - result.rows.column("rejections").null_count

    def _report(self, share: float | None) -> None:
        if self._pace.due() or share == 1.0:
            images = self.scan.verdicts.verified
            self.watch(
                Progress(phase="scan", rows=self.rows, images=images, rejected=self.rejected, share=share or None)
            )


def scan_share(job: Job, share: Share, watch: Watch) -> None:
    """Scan the blocks of a share into the job's journal."""
    journal = Journal(job.work)
    settings = replace(job.checks or job.recipe.check, always=STRUCTURE)
    opened = reader_of(job.recipe, spool=journal.spool, earlier=job.earlier, offline=job.offline, settings=settings)
    threads = max(job.workers, DOWNLOADS) if job.recipe.network and not job.offline else job.workers
    with ExitStack() as stack:
        stack.enter_context(_set_aside())
        reader = stack.enter_context(opened)
        verdicts = Verdicts(stack.enter_context(verifying(_partial(reader, job), threads)))
        scan = Scan(
            converter=lambda tools: converter_for(job.recipe, tools),
            matching=reader.matching,
            verdicts=verdicts,
            checks=checks(settings),
            unique_ids=job.recipe.id is not None,
            allowance=job.recipe.source.limit,
            describe=stack.enter_context(lookup(job.recipe, reader, _of_rows(verdicts, reader))),
        )
        ScanTask(job=job, share=share, journal=journal, scan=scan, watch=watch).run()


@contextmanager
def _set_aside() -> Iterator[None]:
    """Leave what is in memory now out of Python's search for garbage. Packages are some 200,000 objects that a scan
    does not let go of, and while they are looked through, no thread that decodes gets the interpreter back."""
    if gc.get_freeze_count():  # the program, or another scan of it, has done so
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _of_rows(verdicts: Verdicts, reader: Reader) -> VerdictsOfRow:
    """What is known of a row's images. One that the job leaves unread is read, since a written text is found by it."""

    def found(images: tuple[ImageReference, ...]) -> list[Verified]:
        keys = [image_key(reference) for reference in images]
        for key, reference in zip(keys, images, strict=True):
            verdicts.ask(key, reference)
        verdicts.hand_on()
        answers = [verdicts.answer(key, reference) for key, reference in zip(keys, images, strict=True)]
        return [
            reader.verdict(reference) if answer.image is not None and answer.image.info.format == UNREAD else answer
            for answer, reference in zip(answers, images, strict=True)
        ]

    return found


def _partial(reader: Reader, job: Job) -> Verifier:
    """The reader, or one that leaves unread what the job does not ask for."""
    if job.images and not job.offline:
        return reader
    return PartialReader(reader=reader, images=job.images, hosts=job.unread)


def write_share(job: Job, share: Share, watch: Watch) -> None:
    """Write the output files of a share, each on its own thread; files that were finished before stay."""
    plan = Plan.load(job.work)
    index = Index.open(job.work)
    sizes = index.batch_sizes()
    journal = Journal(job.work)
    shards = [shard for number, shard in enumerate(plan.shards) if number % share.of == share.number]
    with reader_of(job.recipe, spool=journal.spool) as reader, _pool(job.workers) as pool:

        def write(shard: OutputShard) -> WrittenFile:
            file = write_shard(job.folder, shard, index, sizes, original(reader))
            journal.note(file.name, {**asdict(file), "plan": plan.digest})
            return file

        done = 0
        missing = [shard for shard in shards if not finished(job, journal, plan, shard)]
        for number, future in enumerate([pool.submit(write, shard) for shard in missing], start=1):
            done += future.result().bytes
            watch(Progress(phase="write", files=number, bytes=done, share=number / len(missing)))


def finished(job: Job, journal: Journal, plan: Plan, shard: OutputShard) -> WrittenFile | None:
    """The file of an output shard, where it was written by this plan and is still there."""
    name = f"{shard.split}/{shard.file}"
    noted = journal.noted(name)
    if noted is None or noted.pop("plan", None) != plan.digest or not (job.folder / name).is_file():
        return None
    file = WrittenFile(**noted)
    return file if (job.folder / name).stat().st_size == file.bytes else None


def original(reader: Reader) -> ReadOriginal:
    """What puts the stored bytes of an image of the index into their place, through a reader."""

    def read(image: StoredImage, into: memoryview) -> None:
        reference, place = image["reference"] or "", None
        if image["file"] is not None:
            place = Location(file=image["file"], offset=image["offset"], size=image["stored"])
        if place is None and reader.fill(reference, into, image["xxh3"]):
            return
        into[:] = reader.original(reference, place, size=image["size"], xxh3=image["xxh3"])

    return read


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that write; what has not begun when something fails is dropped."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="write")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
