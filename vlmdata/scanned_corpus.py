"""What a recipe would build, as a corpus: the index of a scan, split as a build would split it, nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from vlmdata.check_settings import CheckSettings
from vlmdata.corpus import corpus_schema
from vlmdata.image.names import ImageReferenceError
from vlmdata.index import Index
from vlmdata.ledger import Ledger
from vlmdata.linking import KnownLooks
from vlmdata.opening import check_columns, reader_of, refuse_missing_roots, refuse_odd_names
from vlmdata.pipeline import Build, assign, begin, gather
from vlmdata.progress import Watch, nobody
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe
from vlmdata.record import Problem
from vlmdata.tasks import original
from vlmdata.unread_images import UNREAD
from vlmdata.write.arrow_files import INFO
from vlmdata.write.quarantine import Quarantine
from vlmdata.write.staging import Stage

BATCH_ROWS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """How a recipe is scanned: with which checks, whether images are read, and whether the network is asked."""

    settings: CheckSettings
    images: bool = True
    network: bool = False
    workers: int = 1
    watch: Watch = nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedCorpus:
    """The would-be dataset of a recipe. `unread` counts images that would be downloaded, by host."""

    name: str
    work: Build
    index: Index
    positions: Mapping[str, Sequence[int]]
    unread: Mapping[str, int]

    @property
    def splits(self) -> Sequence[str]:
        """The names of the splits, in order."""
        return list(self.positions)

    @property
    def looks(self) -> KnownLooks | None:
        """The near-duplicates that splitting has found, where it looked for them."""
        return self.work.looks

    @property
    def ledger(self) -> Ledger:
        """The counts of the scan."""
        return self.work.ledger

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Each batch with its split. Images that were not read are left out of image_info."""
        for split, positions in self.positions.items():
            for start in range(0, len(positions), BATCH_ROWS):
                yield split, self._batch(positions[start : start + BATCH_ROWS])

    def _batch(self, positions: Sequence[int]) -> pa.RecordBatch:
        taken = self.index.conversations.rows(positions)
        numbers = taken.column("image_numbers").to_pylist()
        unique = sorted({number for row in numbers for number in row})
        rows = self.index.images.rows(unique).select(INFO).to_pylist() if unique else []
        known = dict(zip(unique, rows, strict=True))
        infos = [[known[number] for number in row if known[number]["format"] != UNREAD] for row in numbers]
        schema = corpus_schema()
        columns = [
            pa.array(infos, column.type) if column.name == "image_info" else taken.column(column.name)
            for column in schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def image_bytes(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of each wanted image, once each, as the dataset would hold them."""
        left = set(wanted)
        with reader_of(self.work.recipe, spool=self.work.journal.spool) as reader:
            read = original(reader)
            for batch in self.index.images.batches():
                for image in _wanted_images(batch, left):
                    data = bytearray(image["size"])
                    try:
                        read(image, memoryview(data))
                    except (ImageReferenceError, OSError):
                        continue
                    yield image["sha256"], bytes(data)


def _wanted_images(batch: pa.RecordBatch, left: set[str]) -> Iterator[dict[str, Any]]:
    for row, sha in enumerate(batch.column("sha256").to_pylist()):
        if sha in left and batch.column("format")[row].as_py() != UNREAD:
            left.discard(sha)
            (image,) = batch.slice(row, 1).to_pylist()
            yield image


@contextmanager
def scanned(
    recipe: Recipe, source: Source, options: ScanOptions, found: Callable[[Problem, bool], None]
) -> Iterator[ScannedCorpus]:
    """Everything that a build does short of writing, in a temporary folder that is gone afterwards.

    Every problem is handed to `found`, and whether a row is rejected for it. Raises what a build raises before
    anything is read.
    """
    check_columns(recipe, source)
    refuse_missing_roots(recipe)
    refuse_odd_names(source)
    with TemporaryDirectory(prefix="vlmdata-validate-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(folder) / "dataset", Path(folder) / "out")
        stage.begin()
        work = begin(recipe, source, stage, options.workers, options.watch)
        unread: Counter[str] = Counter()
        work.job = replace(
            work.job, checks=options.settings, images=options.images, offline=not options.network, unread=unread
        )
        work.findings.also = found
        work.engine.scan(work.job, work.watch)
        quarantine = Quarantine(stage.folder)
        try:
            index, gathered = gather(work, quarantine)
            positions = assign(work, index, gathered, quarantine)
        finally:
            quarantine.close()
        work.ledger.check()
        yield ScannedCorpus(name=recipe.dataset.name, work=work, index=index, positions=positions, unread=unread)
