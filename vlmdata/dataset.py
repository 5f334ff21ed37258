"""A built dataset, opened with its contract verified first."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.contract import CONTRACT, arrow_type
from vlmdata.errors import ContractError, NoDatasetError
from vlmdata.record import Problem

if TYPE_CHECKING:
    from datasets import DatasetDict, Features

MANIFEST = "manifest.json"
SPLIT_FILES = ("state.json", "dataset_info.json")
"""What datasets writes beside the Arrow files of a split."""
HINT = "build the dataset again with `vlmdata build`"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Arrow file of a split."""

    split: str
    path: Path

    def schema(self) -> pa.Schema:
        """The file's schema. Raises ContractError where it is no Arrow file."""
        with arrow_errors(self.path):
            return pa.ipc.open_stream(mapped(self.path)).schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's batches, memory-mapped. Raises ContractError where it is damaged."""
        with arrow_errors(self.path):
            yield from pa.ipc.open_stream(mapped(self.path))


def mapped(path: Path) -> pa.Buffer:
    """A file's bytes, mapped into memory. Raises OSError.

    `pyarrow.memory_map` asks the system for every page of a batch as soon as it comes to it, which takes five times as
    long as passing over the batch; here, pages are fetched where somebody looks.
    """
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return pa.py_buffer(b"")
        return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class arrow_errors:  # noqa: N801  (a context manager, used as a function is)
    """What pyarrow raises over a damaged file, as a ContractError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pa.ArrowInvalid | OSError):
            message = f"is missing, cut or damaged: {error}"
            raise ContractError(str(self._path), [_problem("contract.file", message, self._path.name)]) from None


def data_files(path: Path) -> list[DataFile]:
    """The Arrow files of a dataset folder, split by split.

    Raises NoDatasetError where the folder is none, and ContractError where the dataset's own files can't be read.
    """
    if not path.is_dir():
        reason = "is a file; the folder of a built dataset was expected" if path.exists() else "there is no such folder"
        raise NoDatasetError(f"{path}: {reason}")
    if not (path / "dataset_dict.json").is_file():
        raise _without_list(path)
    found = []
    for split in _list(path / "dataset_dict.json", "splits"):
        _refuse_name(path / "dataset_dict.json", split)
        for entry in _list(path / split / "state.json", "_data_files"):
            name = entry.get("filename") if isinstance(entry, dict) else entry
            _refuse_name(path / split / "state.json", name)
            found.append(DataFile(split, path / split / name))
    return found


def split_folders(path: Path) -> list[str]:
    """The names of the folders in a folder that are splits by what they hold, in order."""
    folders = sorted({file.parent for name in SPLIT_FILES for file in path.glob(f"*/{name}")})
    return [folder.name for folder in folders if any(folder.glob("*.arrow"))]


def _without_list(path: Path) -> ContractError:
    """What is said of a folder without a dataset_dict.json: it is none, or a file is missing that named its splits."""
    splits = split_folders(path)
    if not splits:
        return NoDatasetError(f"{path}: is no dataset that was built: it has no dataset_dict.json")
    message = f"is missing, and datasets does not open the folder without it; its splits seem to be {', '.join(splits)}"
    hint = f"copy the dataset again, or write {json.dumps({'splits': splits}, ensure_ascii=False)} into it"
    problem = _problem("contract.file", message, "dataset_dict.json", hint=hint)
    return ContractError(f"{path / 'dataset_dict.json'}: {message}", [problem])


def split_names(path: Path) -> list[str]:
    """The names of a dataset's splits, in order, those without rows too. Raises ContractError."""
    return [str(split) for split in _list(path / "dataset_dict.json", "splits")]


def _list(path: Path, key: str) -> list[Any]:
    found = _json(path).get(key)
    if not isinstance(found, list):
        raise _unreadable(path, f"a list was expected under {key!r}")
    return found


def _refuse_name(path: Path, name: Any) -> None:
    """A name in a dataset's JSON must be one plain name, so that no other folder of the reader's is opened."""
    if not isinstance(name, str) or name in {"", ".", ".."} or any(sign in name for sign in ("/", "\\", "\0")):
        raise _unreadable(path, f"{name!r} is no plain name of a split or file")


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, f"can't be read: {error}") from None
    if not isinstance(loaded, dict):
        raise _unreadable(path, "keys and values were expected")
    return loaded


def _unreadable(path: Path, message: str) -> ContractError:
    """A file of a dataset's own that is missing or says something else than it should."""
    return ContractError(f"{path}: {message}", [_problem("contract.file", message, path.name)])


def schema_problems(schema: pa.Schema, file: str) -> Iterator[Problem]:
    """How a file's columns differ from the contract's."""
    version = (schema.metadata or {}).get(b"vlmdata.contract", b"").decode("utf-8", "replace")
    if version and major(version) > major(CONTRACT):
        message = f"follows {version}, this vlmdata reads up to {CONTRACT}"
        yield _problem("contract.version", message, file, hint="upgrade vlmdata")
        return
    wanted = arrow_type()
    for column in wanted:
        index = schema.get_field_index(column.name)
        if index < 0:
            yield _problem("contract.column", f"the column {column.name!r} is missing", file)
        elif not same_type(schema.field(index).type, column.type):
            message = f"the column {column.name!r} is {schema.field(index).type}, expected {column.type}"
            yield _problem("contract.type", message, file)
    for name in schema.names:
        if name not in wanted.names:
            message = f"the column {name!r} is not in the contract; it is passed on as it is"
            yield _problem("contract.extra_column", message, file, severity="warning", hint="")


def same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether two Arrow types hold the same values, whatever their lists call their entries."""
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return same_type(found.value_type, wanted.value_type)
    if pa.types.is_struct(found) and pa.types.is_struct(wanted):
        names = [field.name for field in wanted]
        return [field.name for field in found] == names and all(
            same_type(found.field(i).type, wanted.field(i).type) for i in range(len(names))
        )
    return bool(found.equals(wanted))


def major(version: str) -> int:
    """2, from `record.v2`; 0 for what is no version."""
    digits = version.rpartition("v")[2]
    return int(digits) if digits.isdigit() else 0


def unsafe_images(batch: pa.RecordBatch, file: str) -> Iterator[Problem]:
    """Images without bytes, or with a path that is more than a name: datasets would open that path on this machine."""
    images = batch.column("images").flatten()
    without = pc.or_(pc.is_null(images), pc.is_null(images.field("bytes")))
    bare = np.flatnonzero(without.to_numpy(zero_copy_only=False))
    if len(bare):
        message = f"{len(bare):,} image{'s have' if len(bare) > 1 else ' has'} no bytes, only a path that would be "
        message += "opened on the reader's machine"
        yield _first_of(batch, int(bare[0]), len(bare), _problem("contract.null_bytes", message, file))
    paths = pc.fill_null(images.field("path"), "")
    odd = np.flatnonzero(pc.match_substring_regex(paths, r"[/\\]|^\.\.?$|::|\x00").to_numpy(zero_copy_only=False))
    if len(odd):
        shown = f"such as {paths[int(odd[0])].as_py()!r}"
        message = (
            f"{len(odd):,} image{'s have' if len(odd) > 1 else ' has'} a path that is more than a file name, {shown}"
        )
        yield _first_of(batch, int(odd[0]), len(odd), _problem("contract.path", message, file))


def _first_of(batch: pa.RecordBatch, image: int, count: int, problem: Problem) -> Problem:
    """The problem at the first image that has it, which the row's id and the place in the row name."""
    lengths = pc.fill_null(pc.list_value_length(batch.column("images")), 0).to_numpy(zero_copy_only=False)
    row = int(np.searchsorted(np.cumsum(lengths), image, side="right"))
    place = image - int(lengths[:row].sum())
    name = batch.column("id")[row].as_py() or ""
    message = problem.message if count == 1 else f"{problem.message}; the first of them is in this row"
    return replace(problem, id=name, field=f"images[{place}]", message=message)


def _problem(rule: str, message: str, file: str, *, severity: Any = "error", hint: str = HINT) -> Problem:
    return Problem(rule=rule, message=message, source=file, severity=severity, hint=hint)


def verify_contract(path: Path) -> list[Problem]:
    """What must hold before anything of a dataset is decoded: columns, types, version, bytes present. All problems."""
    problems = []
    for file in data_files(path):
        name = f"{file.split}/{file.path.name}"
        found = list(schema_problems(file.schema(), name))
        problems += found
        if not any(problem.severity == "error" for problem in found):
            for batch in file.batches():
                problems += unsafe_images(batch, name)
    return problems


def open_dataset(path: str | Path) -> DatasetDict:
    """Open a built dataset as a `datasets.DatasetDict`, its contract verified before anything is decoded.

    Raises ContractError with every problem.
    """
    path = Path(path)
    errors = [problem for problem in verify_contract(path) if problem.severity == "error"]
    if errors:
        raise ContractError(f"{path}: does not follow the contract {CONTRACT}", errors)
    return open_verified(path)


def open_verified(path: Path) -> DatasetDict:
    """Open a dataset whose contract was verified a moment ago. Raises ContractError."""
    from datasets import DatasetDict, load_from_disk

    loaded = load_from_disk(str(path))
    if not isinstance(loaded, DatasetDict):
        raise ContractError(f"{path}: holds one split without a name; build it with a recipe's split")
    unsafe = [problem for split, dataset in loaded.items() for problem in decoded_columns(dataset.features, str(split))]
    if unsafe:
        raise ContractError(f"{path}: does not follow the contract {CONTRACT}", unsafe)
    return loaded


def decoded_columns(features: Features, split: str) -> Iterator[Problem]:
    """Columns beside `images` that datasets would decode: their paths would be opened on the reader's machine."""
    from datasets.features.features import require_decoding

    for name, feature in features.items():
        if name != "images" and require_decoding(feature):
            message = (
                f"the column {name!r} is declared as {type(feature).__name__}, which datasets would open files for"
            )
            yield _problem("contract.decoded_column", message, split, hint="remove it from dataset_info.json")


def read_manifest(path: str | Path) -> dict[str, Any]:
    """A built dataset's manifest.json. Raises ContractError."""
    return _json(Path(path) / MANIFEST)
