"""What a build has finished so far, in files beside its output: an interrupted build goes on from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vlmdata.blocks import BLOCK_BYTES, BLOCK_ROWS, BlockId, BlockResult, ShardEnd
from vlmdata.contract import CONTRACT
from vlmdata.errors import OutputError
from vlmdata.plugins import identity
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe, portable, recipe_from
from vlmdata.version import __version__

Read = TypeVar("Read")
BEGUN = "journal.json"
NOT_OF_THE_SCAN = ("dataset", "split", "duplicates", "max_rejected")
"""Parts of a recipe that change nothing in what a scan finds out."""


def scan_key(recipe: Recipe, source: Source) -> str:
    """What a scan depends on, as one word: the recipe, the source's files by name, size and time, and this program."""
    written = {key: value for key, value in portable(recipe).items() if key not in NOT_OF_THE_SCAN}
    states = []
    for file in source.files:
        found = file.stat()
        states.append([file.name, found.st_size, found.st_mtime_ns])
    said = [CONTRACT, __version__, BLOCK_ROWS, BLOCK_BYTES, written, str(recipe.folder.resolve()), states]
    said.append(getattr(source, "fingerprint", ""))
    said.append(_written_for(recipe))
    if recipe.plugins:
        said.append([identity(name) for name in recipe.plugins])
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def _written_for(recipe: Recipe) -> list[list[Any]]:
    """The state of the files in which written descriptions stand."""
    if recipe.describe is None:
        return []
    files = [path for path in (recipe.describe.journal, recipe.describe.path) if path is not None and path.is_file()]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]


@dataclass(frozen=True, slots=True)
class Journal:
    """The work folder of a build."""

    folder: Path

    @property
    def blocks(self) -> Path:
        """Where the results of finished blocks are."""
        return self.folder / "blocks"

    @property
    def spool(self) -> Path:
        """Where images are put aside that can't be read again as they are stored."""
        return self.folder / "spool"

    @property
    def written(self) -> Path:
        """Where finished output files are noted."""
        return self.folder / "written"

    def key(self) -> str | None:
        """The key of the scan that was begun here, or None; also where the folder stood elsewhere then, since what was
        put aside is known by its place."""
        try:
            said = json.loads((self.folder / BEGUN).read_text(encoding="utf-8"))
            found: str | None = said.get("key") if Path(said.get("work", "")).samefile(self.folder) else None
        except (OSError, ValueError):
            return None
        return found

    def begin(self, key: str, recipe: Recipe) -> None:
        """Make the folder ready for a scan, or for the rest of one. The recipe is kept for whoever joins its shards."""
        for folder in (self.blocks, self.spool, self.written):
            folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{BEGUN}.part"
        said = {"key": key, "recipe": recipe.settings.data, "folder": str(recipe.folder.resolve())}
        said["work"] = str(self.folder)
        unfinished.write_text(json.dumps(said, default=str), encoding="utf-8")
        unfinished.replace(self.folder / BEGUN)

    def recipe(self, *, allow_plugins: bool = False) -> Recipe:
        """The recipe of the scan that was begun here. Raises OutputError where none was."""
        try:
            said = json.loads((self.folder / BEGUN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise OutputError(f"{self.folder}: no shard was built here; vlmdata build RECIPE --shard 1/N") from None
        return recipe_from(said["recipe"], said["folder"], allow_plugins=allow_plugins)

    def worth_keeping(self) -> bool:
        """Whether a block is finished."""
        return self.blocks.is_dir() and any(file.suffix == ".arrow" for file in self.blocks.iterdir())

    def has(self, block: BlockId) -> bool:
        """Whether a block is finished."""
        return (self.blocks / block.file).is_file()

    def images_failed(self, block: BlockId) -> bool:
        """Whether a finished block had images that were no good, and is to be done again. Raises OutputError."""
        return self._read(block, BlockResult.load_images_failed)

    def load(self, block: BlockId) -> BlockResult:
        """A finished block. Raises OutputError where its file is not what was written."""
        return self._read(block, BlockResult.load)

    def _read(self, block: BlockId, how: Callable[[Path], Read]) -> Read:
        path = self.blocks / block.file
        try:
            return how(path)
        except (OSError, ValueError, StopIteration) as error:
            path.unlink(missing_ok=True)
            raise OutputError(f"{path}: is damaged ({error}); run the same command again") from None

    def end(self, shard: int) -> ShardEnd | None:
        """What is known of a shard that was read to its end."""
        return ShardEnd.load(self.blocks, shard)

    def missing(self, shards: int) -> list[str]:
        """The shards and blocks that are not finished, in words."""
        found = []
        for shard in range(shards):
            end = self.end(shard)
            if end is None:
                found.append(f"{_part(shard, shards)} has not been read to its end")
                continue
            blocks = [number for number in range(end.blocks) if not self.has(BlockId(shard, number))]
            if blocks:
                found.append(f"{len(blocks):,} of {end.blocks:,} blocks of {_part(shard, shards)}")
        return found

    def results(self, shards: int) -> Iterator[BlockResult | ShardEnd]:
        """Every block in order, and behind those of a shard its end."""
        for shard in range(shards):
            end = self.end(shard)
            if end is None:
                raise OutputError(f"{self.folder}: shard {shard} has no end; run the same command again")
            for number in range(end.blocks):
                yield self.load(BlockId(shard, number))
            yield end

    def note(self, name: str, data: dict[str, Any]) -> None:
        """Note that an output file is finished."""
        place = self.written / f"{name.replace('/', '-')}.json"
        unfinished = place.with_name(f"{place.name}.part")
        unfinished.write_text(json.dumps(data), encoding="utf-8")
        unfinished.replace(place)

    def noted(self, name: str) -> dict[str, Any] | None:
        """What was noted of an output file, or None."""
        try:
            found: dict[str, Any] = json.loads((self.written / f"{name.replace('/', '-')}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found


def _part(shard: int, shards: int) -> str:
    """A part of the source in words that nobody takes for a `--shard`."""
    return "the source" if shards == 1 else f"file {shard + 1} of the source's {shards:,}"
