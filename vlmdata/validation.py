"""A built dataset looked at whole: contract, messages, images, ids, groups. Every problem, none of it fixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlmdata.check.messages import CHECKS
from vlmdata.dataset import DataFile, data_files, open_dataset, read_manifest, verify_contract
from vlmdata.errors import ContractError
from vlmdata.image.inspecting import inspect
from vlmdata.image.verifying import RULES
from vlmdata.pixels import PIXEL_LIMIT, PixelError
from vlmdata.record import Problem, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """What a validation found. `splits` holds the number of records of each split."""

    path: Path
    problems: tuple[Problem, ...]
    splits: Mapping[str, int]
    images: int

    @property
    def records(self) -> int:
        """The number of records looked at."""
        return sum(self.splits.values())

    def by_rule(self) -> dict[str, int]:
        """How many problems each rule found."""
        return dict(sorted(Counter(problem.rule for problem in self.problems).items()))

    def failed(self, fail_on: Severity = "error") -> bool:
        """Whether there is a problem of that severity or worse."""
        return any(fail_on == "warning" or problem.severity == "error" for problem in self.problems)


@dataclass(slots=True)
class _Seen:
    """What must be unique, or stay together, across the whole dataset."""

    ids: dict[str, str]
    split_of_group: dict[str, str]


def validate(path: str | Path, *, workers: int | None = None) -> ValidationResult:
    """Look at every record of a built dataset, its images included. Raises ContractError where it can't be opened."""
    path = Path(path)
    files = data_files(path)
    problems = verify_contract(path)
    splits = dict.fromkeys((file.split for file in files), 0)
    images = 0
    if not any(problem.severity == "error" for problem in problems):
        seen = _Seen({}, {})
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="validate") as pool:
            for file in files:
                for batch in file.batches():
                    splits[file.split] += batch.num_rows
                    images += len(batch.column("images").flatten())
                    problems += _batch_problems(batch, file, seen, pool)
        problems += _opening_problems(path)
        problems += _manifest_problems(path, splits)
    return ValidationResult(path=path, problems=tuple(problems), splits=splits, images=images)


def _batch_problems(batch: pa.RecordBatch, file: DataFile, seen: _Seen, pool: ThreadPoolExecutor) -> Iterator[Problem]:
    for check in CHECKS:
        yield from check(batch)
    yield from _identity_problems(batch, file, seen)
    yield from _image_problems(batch, pool)


def _identity_problems(batch: pa.RecordBatch, file: DataFile, seen: _Seen) -> Iterator[Problem]:
    """Ids that are missing or stand twice, and groups that stand in two splits."""
    for row, (name, group) in enumerate(
        zip(batch.column("id").to_pylist(), batch.column("group").to_pylist(), strict=True)
    ):
        where = Where(batch, row)
        if not name:
            yield where.problem("contract.id", "the id is empty", "id")
        elif name in seen.ids:
            yield where.problem("contract.unique_id", f"the id {name!r} stands already in {seen.ids[name]}", "id")
        else:
            seen.ids[name] = file.split
        earlier = seen.split_of_group.setdefault(group, file.split)
        if earlier != file.split:
            message = f"the group {group!r} is in {earlier} and in {file.split}"
            yield where.problem("split.group_leak", message, "group")


def _image_problems(batch: pa.RecordBatch, pool: ThreadPoolExecutor) -> Iterator[Problem]:
    """Images whose bytes do not decode, or are not what image_info says."""
    lists, infos = batch.column("images"), batch.column("image_info")
    offsets = lists.offsets.to_pylist()
    data = lists.values.field("bytes")
    verdicts = pool.map(lambda position: _verdict(data[position]), range(offsets[0], offsets[-1]))
    for row in range(batch.num_rows):
        found = [next(verdicts) for _ in range(offsets[row + 1] - offsets[row])]
        stored = infos[row].as_py() or []
        if len(found) != len(stored):
            message = f"{len(found)} images, but image_info has {len(stored)} entries"
            yield Where(batch, row).problem("contract.image_info", message, "image_info")
            continue
        for place, (verdict, info) in enumerate(zip(found, stored, strict=True)):
            for rule, message in _disagreements(verdict, info):
                yield Where(batch, row).problem(rule, message, f"images[{place}]")


def _verdict(data: pa.Scalar) -> dict[str, Any] | PixelError:
    try:
        info = inspect(data.as_buffer().to_pybytes(), pixel_limit=2 * PIXEL_LIMIT).info
    except PixelError as error:
        return error
    return {name: getattr(info, name) for name in ("sha256", "width", "height", "format", "dhash")}


def _disagreements(verdict: dict[str, Any] | PixelError, info: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if isinstance(verdict, PixelError):
        yield RULES[verdict.kind], f"the image {verdict.message}"
        return
    for name, value in verdict.items():
        stored = (info or {}).get(name)
        if stored != value and not (name == "dhash" and stored is None):
            yield "contract.image_info", f"{name} is {value!r} in the bytes, {stored!r} in image_info"


def _opening_problems(path: Path) -> list[Problem]:
    """What datasets itself says when it opens the folder."""
    try:
        open_dataset(path)
    except (ContractError, ValueError, OSError, KeyError) as error:
        return [Problem(rule="contract.file", message=f"datasets can't open it: {error}", source=path.name)]
    return []


def _manifest_problems(path: Path, splits: Mapping[str, int]) -> list[Problem]:
    """A manifest that counts other rows than the files hold; a dataset from elsewhere has none, which is fine."""
    if not (path / "manifest.json").is_file():
        return []
    named = read_manifest(path).get("splits")
    if named == dict(splits):
        return []
    message = f"the manifest counts {named}, the files hold {dict(splits)}"
    return [Problem(rule="contract.manifest", message=message, source="manifest.json")]


@dataclass(frozen=True, slots=True)
class Where:
    """A record of a batch, to say where a problem is."""

    batch: pa.RecordBatch
    row: int

    def problem(self, rule: str, message: str, field: str) -> Problem:
        """A problem of this record, at the source line it came from."""
        origin = self.batch.column("origin")[self.row].as_py() or {}
        return Problem(
            rule=rule,
            message=message,
            id=self.batch.column("id")[self.row].as_py() or "",
            source=origin.get("source") or "",
            line=origin.get("line") or 0,
            field=field,
        )
