"""A build in shards, on as many machines as share a file system, and the joining of what they made.

Each shard does its part of the scan; `join` gathers, assigns, writes and publishes. Where writing should be shared too,
`join(plan_only=True)` puts down the plan, and the same shards, run once more, write their part of the files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmdata.errors import ConfigError, OutputError
from vlmdata.image.names import ImageReferenceError
from vlmdata.journal import Journal, scan_key
from vlmdata.opening import check_columns, refuse_missing_roots, refuse_odd_names
from vlmdata.pipeline import BuildResult, begin, finish, planned, report, resumable
from vlmdata.progress import Watch, nobody
from vlmdata.recipe import Recipe
from vlmdata.source import open_source
from vlmdata.tasks import Job, Share, scan_share, write_share
from vlmdata.write.plan import PLAN
from vlmdata.write.staging import Stage, shared_stage, staged

SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardResult:
    """What a shard did, and what is missing until the shards can be joined, in words."""

    phase: Literal["scan", "write"]
    missing: tuple[str, ...]


def share_named(text: str) -> Share:
    """`3/8` as the third of eight shares. Raises ConfigError."""
    found = SHARD.fullmatch(text)
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of:
        raise ConfigError(f"--shard {text}: I/N was expected, with I from 1 to N, such as 1/8 and 8/8")
    return Share(number=number - 1, of=of)


def build_shard(  # noqa: PLR0913  (what a person may ask of a shard, each by its name)
    recipe: Recipe,
    out: str | Path,
    shard: str,
    *,
    replace: bool = False,
    workers: int | None = None,
    on_progress: Watch | None = None,
) -> ShardResult:
    """Do one shard (`3/8`) of a build into `out`: of its scan, or of its writing once a plan has been put down.

    Shards may run in any order, at once, and again: what is finished is not done twice. Raises what `build` raises
    before it reads anything, and OutputError where this shard is at work already.
    """
    share = share_named(shard)
    if not replace and os.path.exists(out):  # noqa: PTH110  (False for a name that no file can have)
        raise OutputError(f"{out}: exists already; --replace, here and for join, puts the new dataset in its place")
    source = open_source(recipe.source)
    check_columns(recipe, source)
    refuse_missing_roots(recipe)
    refuse_odd_names(source)
    key = scan_key(recipe, source)

    def fits(stage: Stage) -> bool:
        return Journal(stage.work).key() == key

    def begin_journal(stage: Stage) -> None:
        Journal(stage.work).begin(key, recipe)

    name = f"{share.number + 1}-of-{share.of}"
    with shared_stage(Path(out), name, fits=fits, begin=begin_journal) as stage:
        journal = Journal(stage.work)
        job = Job(recipe=recipe, work=stage.work, folder=stage.folder, workers=workers or os.cpu_count() or 1)
        watch = on_progress or nobody
        if (stage.work / PLAN).is_file():
            try:
                write_share(job, share, watch)
            except ImageReferenceError as error:
                raise OutputError(f"{error.message}: join, which will begin anew, or put the image back") from None
            return ShardResult(phase="write", missing=())
        scan_share(job, share, watch)
        return ShardResult(phase="scan", missing=tuple(journal.missing(len(source.shards()))))


def join(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    out: str | Path,
    *,
    replace: bool = False,
    plan_only: bool = False,
    allow_plugins: bool = True,
    workers: int | None = None,
    on_progress: Watch | None = None,
) -> BuildResult | None:
    """Join the shards that were built for `out`, write what none of them has written, and publish the dataset.

    `allow_plugins` says whether the shards' recipe may name code from outside, which is run again here.
    With `plan_only` nothing is written yet: the shards, run once more, write their part, and a second join publishes.
    Raises OutputError with what is missing where a shard has not finished, and BuildRefusedError.
    """
    out = Path(out)
    journal = Journal(Stage.of(out).work)
    recipe = journal.recipe(allow_plugins=allow_plugins)
    source = open_source(recipe.source)
    if journal.key() != scan_key(recipe, source):
        raise OutputError(f"{out}: the source has changed since the shards were built; build them again")
    with staged(out, replace=replace) as stage:
        work = begin(recipe, source, stage, workers or os.cpu_count() or 1, on_progress or nobody)
        with resumable(work):
            missing = journal.missing(len(source.shards()))
            if missing:
                raise OutputError(f"{out}: not every shard is done: {'; '.join(missing[:5])}")
            if not plan_only:
                return finish(work)
            if planned(work) is None:
                return report(work, [])
            stage.resumable = True
            return None
