"""One case: a number, the project and the mutation that belong to it, its build, and what came of it."""

from __future__ import annotations

import gc
import os
import shutil
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from random import Random
from typing import Any

import yaml

from tests.vlmdata.fuzzing.archivewise import changed_tar, changed_zip
from tests.vlmdata.fuzzing.bytewise import changed_blindly
from tests.vlmdata.fuzzing.imagewise import changed_picture
from tests.vlmdata.fuzzing.judging import (
    Outcome,
    lost_by_pictures,
    lost_lines,
    physical_lines,
    published,
    refused,
    unsound,
)
from tests.vlmdata.fuzzing.projects import KINDS, Seed, picture, put
from tests.vlmdata.fuzzing.seeds import all_seeds
from tests.vlmdata.fuzzing.tablewise import changed_parquet
from tests.vlmdata.fuzzing.textwise import changed_text
from tests.vlmdata.fuzzing.watching import SECRET, HangError, innermost, watching
from vlmdata import build, load_recipe
from vlmdata.errors import BuildRefusedError, ConfigError, OutputError, VlmError

SECONDS = 20.0
"""How long a case may take, on a machine that does other things too."""

PEAK_BYTES = 400_000_000
"""By how much a build of these few kilobytes may grow: pictures are bounded in pixels, members in bytes."""

PIXEL_LIMIT = 4_000_000
PICTURES = frozenset(KINDS.values())
TEXTS = frozenset({"csv", "json", "jsonl", "yaml", "txt"})
MARK = b"what nobody may read"
SECRET_PICTURE = picture(77)[:-12] + b"\0\0\0\x1ctEXta\0" + MARK.ljust(26, b".") + b"\0\0\0\0" + picture(77)[-12:]
ROOTS = ("photos", "pictures", "data")

Kind = str
"""What came of a case: built, refused, source, config; or failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A case, what was done to which file, and what came of it. `failures` are what must not be."""

    number: int
    seed: str
    file: str
    change: str
    outcome: Kind
    message: str = ""
    failures: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = "".join(f"\n    {failure}" for failure in self.failures)
        return f"case {self.number}: {self.seed} {self.file} ({self.change}): {self.outcome} {self.message[:200]}{said}"


@dataclass
class Prepared:
    """A seed's project, written once, and what a build of it gives."""

    seed: Seed
    folder: Path
    before: Outcome

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files that can be damaged, in order."""
        paths = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and not path.is_symlink())
        found = (path for path in paths if not path.name.startswith(SECRET))
        return tuple(path.relative_to(self.folder).as_posix() for path in found)


@dataclass(slots=True)
class Fuzzer:
    """Runs cases below a folder of its own. The cases of one `seed` are the same on every machine."""

    folder: Path
    seed: int = 0
    seconds: float = SECONDS
    _seeds: list[Seed] = field(default_factory=all_seeds)
    _prepared: dict[str, Prepared] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self, number: int) -> Result:
        """One case, by its number."""
        random = Random(f"{self.seed}:{number}")
        prepared = self.prepared(random.choice(self._seeds))
        name = _chosen_file(random, prepared)
        case = self.folder / "case"
        shutil.rmtree(case, ignore_errors=True)
        project = case / "project"
        shutil.copytree(prepared.folder, project, symlinks=True)
        self._plant(case, project)
        old = (project / name).read_bytes()
        other = (project / random.choice(prepared.files)).read_bytes()
        new, change = mutated(random, old, other, name)
        new = new.replace(b"ABSOLUTE", os.fsencode(case / "secret.png"))
        (project / name).write_bytes(new)
        attempt = Attempt(prepared=prepared, case=case, name=name, old=old, new=new, seconds=self.seconds)
        outcome, message, failures = attempt.judged()
        return Result(
            number=number,
            seed=prepared.seed.name,
            file=name,
            change=change,
            outcome=outcome,
            message=message,
            failures=tuple(failures),
        )

    def prepared(self, seed: Seed) -> Prepared:
        """A seed's project, written and built undamaged; only where that is sound can a damaged one be judged."""
        if seed.name not in self._prepared:
            folder = self.folder / "seeds" / seed.name / "project"
            seed.write(folder)
            self._plant(folder.parent, folder)
            out = folder.parent / "out"
            build(load_recipe(folder / "recipe.yaml", {"max_rejected": "100%"}), out, workers=2)
            problems = list(unsound(out))
            assert not problems, (seed.name, problems)
            self._prepared[seed.name] = Prepared(seed, folder, published(out))
            gc.collect()
            gc.freeze()
        return self._prepared[seed.name]

    def _plant(self, case: Path, project: Path) -> None:
        """What must not be read: a picture and a table beside the project, and links to them among its pictures."""
        put(
            case,
            {
                "secret.png": SECRET_PICTURE,
                "secret.jsonl": b'{"sku": "' + MARK + b'"}\n',
                "outside/secret.png": SECRET_PICTURE,
            },
        )
        for name in ROOTS:
            root = project / name
            if root.is_dir():
                put(project, {"secret.png": SECRET_PICTURE})
                for link, target in (("link.png", "../../secret.png"), ("linked", "../../outside")):
                    if not (root / link).is_symlink():
                        (root / link).symlink_to(target)


def _chosen_file(random: Random, prepared: Prepared) -> str:
    """The file to be damaged: tables and archives more often than single pictures, the recipe now and then."""
    weights = [_weight(name) for name in prepared.files]
    return random.choices(prepared.files, weights)[0]


def _weight(name: str) -> float:
    ending = name.rpartition(".")[2]
    return {"yaml": 1.0, "txt": 0.7, "tif": 1.0, "avif": 1.0}.get(ending, 0.5 if ending in PICTURES else 5.0)


def mutated(random: Random, data: bytes, other: bytes, name: str) -> tuple[bytes, str]:
    """A file's bytes after a mutation, which knows its structure or does not, and what it was."""
    ending = name.rpartition(".")[2].lower()
    if random.random() < 0.45 or not data:
        return changed_blindly(random, data, other) if data else (other, "other file")
    if ending in PICTURES | {"jpeg"}:
        return changed_picture(random, data)
    if ending in {"zip", "xlsx"}:
        return changed_zip(random, data)
    if ending == "tar":
        return changed_tar(random, data)
    if ending == "parquet":
        return changed_parquet(random, data)
    if ending in TEXTS:
        return changed_text(random, data, name)
    return changed_blindly(random, data, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The build of a damaged project."""

    prepared: Prepared
    case: Path
    name: str
    old: bytes
    new: bytes
    seconds: float

    def judged(self) -> tuple[Kind, str, list[str]]:
        """What came of it, its message, and all that must not be."""
        out, failures, error = self.case / "out", [], None
        with watching(self.case, seconds=self.seconds) as watched:
            try:
                kind, message = self._build(out)
            except (Exception, HangError) as found:  # noqa: BLE001  (any of them is what is looked for)
                kind, message, error = "failed", f"{type(found).__name__}: {found}", found
        if error is not None:
            failures.append(f"{message[:300]} at {innermost(error.__traceback__)}\n{_trace(error)}")
        failures += [each for each in dict.fromkeys(watched.seen) if not self._is_asked_for(each)]
        if watched.peak_bytes > PEAK_BYTES:
            failures.append(f"memory grew by {watched.peak_bytes / 1e6:.0f} MB")
        if kind in {"built", "refused"}:
            failures += list(self._wrong(kind, out))
        elif kind != "failed" and not self._names_a_file(message):
            failures.append(f"the message names no file: {message[:300]}")
        failures += [f"what nobody may read is in {path}" for path in self._leaks()]
        return ("failed" if failures else kind), message, failures

    def _build(self, out: Path) -> tuple[Kind, str]:
        try:
            settings: dict[str, Any] = {"max_rejected": "100%"}
            if not self._is_recipe:
                settings["images.pixel_limit"] = PIXEL_LIMIT
            build(load_recipe(self.case / "project/recipe.yaml", settings), out, workers=2)
        except BuildRefusedError as error:
            return "refused", str(error)
        except OutputError:
            raise
        except ConfigError as error:
            return "config", str(error)
        except VlmError as error:
            return "source", str(error)
        return "built", ""

    @property
    def _is_recipe(self) -> bool:
        return self.name == "recipe.yaml"

    def _is_asked_for(self, seen: str) -> bool:
        """Whether a damaged recipe itself asks for what was seen: another folder, or a host."""
        return self._is_recipe and seen.startswith(("read", "socket"))

    def _names_a_file(self, message: str) -> bool:
        project = self.case / "project"
        names = {path.name for path in project.rglob("*")} | {"recipe.yaml", project.name}
        return any(name in message for name in names | set(_path_of_source(project / "recipe.yaml")))

    def _wrong(self, kind: Kind, out: Path) -> Iterator[str]:
        if kind == "built":
            yield from unsound(out)
        after = published(out) if kind == "built" else refused(out.with_name("out.rejected"))
        before, table = self.prepared.before, self.prepared.seed.table
        if self._is_recipe:
            return
        ending = self.name.rpartition(".")[2].lower()
        if ending in PICTURES:
            yield from lost_by_pictures(before, after, PurePosixPath(self.name).name)
        elif ending == "zip":
            yield from lost_by_pictures(before, after, "")
        elif self.name == table:
            yield from self._lost_lines(before, after)

    def _lost_lines(self, before: Outcome, after: Outcome) -> Iterator[str]:
        recipe = yaml.safe_load((self.case / "project/recipe.yaml").read_text(encoding="utf-8"))
        if recipe["source"]["type"] == "conversations" and not self.new.lstrip().startswith(b"{"):
            return  # a file of conversations is known by how it begins: this one is a list now
        if recipe["source"].get("encoding", "utf-8") != "utf-8":
            return
        lines = len(physical_lines(self.new, csv=self.name.endswith(".csv")))
        if recipe["source"]["type"] != "image_folder" and lines != after.lines_read:
            yield f"{after.lines_read} lines read, the file has {lines}"
        if recipe["source"].get("limit") is None:
            yield from lost_lines(before, after, self.old, self.new, self.name)

    def _leaks(self) -> Iterator[str]:
        if self._is_recipe:
            return
        for folder in ("out", "out.rejected"):
            for path in (self.case / folder).rglob("*"):
                if path.is_file() and MARK in path.read_bytes():
                    yield path.relative_to(self.case).as_posix()


def _path_of_source(path: Path) -> Iterator[str]:
    """The last step of the path that a recipe names, where it can be read."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield PurePosixPath(found["source"]["path"]).name or "/"
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, yaml.YAMLError):
        return


def _trace(error: BaseException) -> str:
    shown = "".join(traceback.format_exception(error)[-4:])
    return shown[-1_500:]
