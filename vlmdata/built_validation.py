"""A look at a built dataset: the contract first, then every record, its images, and the dataset as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.built_corpus import BuiltCorpus, Gathered, without_images
from vlmdata.built_images import DecodedImages, miscounted
from vlmdata.built_values import missing_values
from vlmdata.collecting import Collector
from vlmdata.dataset import MANIFEST, open_verified, read_manifest, verify_contract
from vlmdata.errors import ContractError
from vlmdata.image.verifying import quick_turns
from vlmdata.looking import Look
from vlmdata.pixels import QUIET
from vlmdata.protocols import Check
from vlmdata.record import Problem
from vlmdata.whole_checks import Whole, row_checks


def look_at_dataset(look: Look) -> None:
    """Look at a dataset's folder. Raises ContractError where a file of it can't be read."""
    problems = verify_contract(look.path)
    look.collector.add_all(problems)
    look.not_looked_at()
    if any(problem.severity == "error" for problem in problems):
        look.looked.not_checked.append("the records, since the dataset does not follow the contract")
        return
    _look_at_all(look)
    pa.default_memory_pool().release_unused()
    look.collector.add_all(_opening_problems(look))
    look.collector.add_all(_manifest_problems(look))


def _look_at_all(look: Look) -> None:
    """Look at every record, then at the dataset as a whole."""
    corpus = BuiltCorpus.open(look.path)
    whole = Whole.of(corpus, look)
    with ThreadPoolExecutor(max_workers=look.workers, thread_name_prefix="validate") as pool, QUIET, quick_turns():
        _look_at_records(look, corpus, whole, pool)
    whole.finish()


def _look_at_records(look: Look, corpus: BuiltCorpus, whole: Whole, pool: Executor) -> None:
    checks, collector, looked = row_checks(look.settings), look.collector, look.looked
    images = DecodedImages(look.settings, corpus.late_hashes) if look.reads_images else None
    looked.splits.update(dict.fromkeys(corpus.splits, 0))
    for file in corpus.files:
        gathered = Gathered()
        for batch in file.batches():
            looked.splits[file.split] += batch.num_rows
            looked.rows += batch.num_rows
            looked.images += int(pc.sum(pc.list_value_length(batch.column("images"))).as_py() or 0)
            for rows in gathered.taken(_counted(batch)):
                _look_at_rows(rows, file.split, checks, collector, whole)
            collector.add_all(miscounted(batch))
            collector.add_all(missing_values(batch))
            if images is not None:
                collector.add_all(images.problems(batch, pool))
        for rows in gathered.rest():
            _look_at_rows(rows, file.split, checks, collector, whole)


def _look_at_rows(
    rows: pa.RecordBatch, split: str, checks: Sequence[Check], collector: Collector, whole: Whole
) -> None:
    for check in checks:
        collector.add_all(check(rows))
    whole.see(split, rows)


def _counted(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch in a corpus' columns, and in place of its images as many nothings."""
    kept = without_images(batch)
    counts = pc.fill_null(pc.list_value_length(batch.column("images")), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    images = pa.ListArray.from_arrays(pa.array(offsets), pa.nulls(int(offsets[-1])))
    return pa.RecordBatch.from_arrays([*kept.columns, images], names=[*kept.schema.names, "images"])


def _opening_problems(look: Look) -> Iterator[Problem]:
    """What datasets itself says when it opens the folder."""
    try:
        open_verified(look.path)
    except ContractError as error:
        whole = Problem(rule="contract.file", message=f"datasets can't open it: {error.message}", source=look.path.name)
        yield from error.problems or (whole,)
    except (ValueError, OSError, KeyError) as error:
        yield Problem(rule="contract.file", message=f"datasets can't open it: {error}", source=look.path.name)


def _manifest_problems(look: Look) -> Iterator[Problem]:
    """A manifest that counts other rows than the files hold; a dataset from elsewhere has none, which is fine."""
    if not (look.path / MANIFEST).is_file():
        look.looked.not_checked.append("the counts of a manifest.json, since there is none")
        return
    named = read_manifest(look.path).get("splits")
    found: Mapping[str, int] = dict(look.looked.splits)
    if named != found:
        message = f"the manifest counts {named}, the files hold {found}"
        yield Problem(rule="contract.manifest", message=message, source=MANIFEST)
