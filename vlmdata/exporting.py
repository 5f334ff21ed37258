"""The journey of an export: what the rows have, each one judged, those that fit written, the others listed.

Nothing is changed silently: what a format has no place for is counted by kind, a row whose words don't fit is not
exported, and `rows read == exported + not exported` is asserted.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vlmdata.contract import CONTRACT, arrow_type, stored_schema
from vlmdata.dataset import MANIFEST, DataFile, data_files, read_manifest, split_names, verify_contract
from vlmdata.errors import ConfigError, ContractError, LedgerError, OutputError
from vlmdata.exports import exporter_of, format_named
from vlmdata.exports.protocol import Exporter, Holds, Options, Survey
from vlmdata.exports.result import ExportResult, export_text
from vlmdata.exports.row import rows_of
from vlmdata.exports.tally import Tally
from vlmdata.push_photos import may_tell_place
from vlmdata.settings import nearest
from vlmdata.split_names import DEVICE, MOST_LETTERS
from vlmdata.write.staging import Stage, beside, hidden, repair

REPORT, TEXT = "export.json", "export-report.txt"
OWN_NAMES = ("export", "not_exported", "dataset_info")
"""Names of files that stand beside those of the splits."""

OF_DATASETS = re.compile(r"\w+(\.\w+)*")
"""The names of splits that `datasets` opens (datasets/splits.py, NamedSplit)."""

PLAIN = re.compile(r"\w[\w-]*(\.[\w-]+)*")
"""Names that may begin a file's on every platform, and stand in a command."""


def export(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    path: str | Path,
    to: str,
    out: str | Path,
    *,
    splits: Sequence[str] = (),
    image_uri_prefix: str = "",
    replace: bool = False,
) -> ExportResult:
    """Write a dataset in another format to the folder `out`, whole or not at all, with a report of what was lost.

    `to` is the format's name; `splits` are those to export, all where none is named; `image_uri_prefix`, for Gemini
    alone, says where the images will lie. Rows that the format can't hold are in `not_exported.jsonl`.

    Raises ConfigError, ContractError where `path` is no dataset of the contract, and OutputError.
    """
    path, name = Path(path), format_named(to)
    options = _options(name, image_uri_prefix)
    errors = [problem for problem in verify_contract(path) if problem.severity == "error"]
    if errors:
        raise ContractError(f"{path}: does not follow the contract {CONTRACT}", errors)
    chosen = _chosen(path, splits)
    _refuse_names(path, chosen, exporter_of(name).holds)
    files = [file for file in data_files(path) if file.split in chosen]
    with _staged(Path(out), replace=replace) as stage:
        exporter = exporter_of(name)(stage.folder, _survey(path, chosen, files), options)
        tells = _may_tell_place if exporter.holds.uploaded else _nothing
        with Tally.into(stage.folder, tells) as tally:
            names = [
                written
                for split in chosen
                for written in _write_split(exporter, split, [file for file in files if file.split == split], tally)
            ]
            result = tally.result(Path(out), name, exporter, names)
        _write_report(stage.folder, result)
        stage.publish()
    return result


def _may_tell_place(data: memoryview) -> bool:
    return may_tell_place(bytes(data))


def _nothing(data: memoryview) -> bool:  # noqa: ARG001
    """Nobody asks where a photo was taken that stays on this machine."""
    return False


def _options(name: str, image_uri_prefix: str) -> Options:
    prefix = image_uri_prefix.rstrip("/")
    if prefix and name != "gemini":
        raise ConfigError(f"--image-uri-prefix {image_uri_prefix}: only gemini names images by such addresses")
    if prefix and not prefix.startswith(("gs://", "https://")):
        raise ConfigError(f"--image-uri-prefix {image_uri_prefix}: an address was expected, such as gs://bucket/folder")
    return Options(image_uri_prefix=prefix)


def _chosen(path: Path, asked: Sequence[str]) -> tuple[str, ...]:
    """The splits to export, in the dataset's order. Raises ConfigError for one that it has not."""
    known = split_names(path)
    for name in asked:
        if name not in known:
            hint = nearest(name, known) or f"it has {', '.join(known)}"
            raise ConfigError(f"--split {name}: {path.name} has no such split; {hint}")
    chosen = tuple(name for name in known if not asked or name in asked)
    if taken := [name for name in chosen if name.lower() in OWN_NAMES]:
        found = f"{path.name}: a file for the split {taken[0]!r} would stand in the report's place"
        raise ConfigError(f"{found}; give the split another name, or name others with --split")
    return chosen


def _refuse_names(path: Path, splits: Sequence[str], holds: Holds) -> None:
    """Raise ConfigError for splits after which no file can be called, or which the format's reader does not open."""
    expected, sign = PLAIN, "letters, digits, '_', '-' and single dots"
    if holds.splits_of_datasets:
        expected, sign = OF_DATASETS, "letters, digits, '_' and single dots"
    first: dict[str, str] = {}
    for split in splits:
        if not expected.fullmatch(split) or len(split) > MOST_LETTERS or DEVICE.fullmatch(split):
            found = f"{path.name}: {holds.reader} opens no split called {split[:MOST_LETTERS]!r}"
            wanted = f"a name of {sign} was expected, {MOST_LETTERS} at most"
            raise ConfigError(f"{found}; {wanted}: name the split so where it is made, or name others with --split")
        if (other := first.setdefault(split.casefold(), split)) != split:
            found = f"{path.name}: the files of the splits {other!r} and {split!r} are one on Windows and macOS"
            raise ConfigError(f"{found}; name one of them with --split")


def _survey(path: Path, splits: tuple[str, ...], files: Sequence[DataFile]) -> Survey:
    """Look at the names of tags and fields of all rows, which formats with columns must know before the first row."""
    tags: dict[str, None] = {}
    fields: dict[str, None] = {}
    for file in files:
        for batch in file.batches():
            for column, found in (("tags", tags), ("fields", fields)):
                found.update(dict.fromkeys(name or "" for name in _names(batch.column(column))))
    return Survey(
        name=_dataset_name(path), splits=splits, tags=tuple(tags), fields=tuple(fields), schema=_schema(files)
    )


def _names(column: Any) -> Iterable[str | None]:
    names: list[str | None] = column.flatten().field("name").unique().to_pylist()
    return names


def _dataset_name(path: Path) -> str:
    if (path / MANIFEST).is_file():
        said = read_manifest(path).get("dataset")
        if isinstance(said, dict) and isinstance(said.get("name"), str):
            return str(said["name"])
    return path.resolve().name


def _schema(files: Sequence[DataFile]) -> Any:
    """The columns of the dataset's files, the contract's own types with whatever other columns there are."""
    found = files[0].schema() if files else stored_schema()
    for field_ in arrow_type():
        found = found.set(found.get_field_index(field_.name), field_)
    return found.with_metadata({**stored_schema().metadata, **(found.metadata or {})})


def _write_split(exporter: Exporter, split: str, files: Sequence[DataFile], tally: Tally) -> tuple[str, ...]:
    rows = (row for file in files for batch in file.batches() for row in rows_of(batch, split))
    tally.splits[split] = 0
    written = exporter.write(split, tally.passing(rows, exporter))
    if written.rows != tally.splits[split]:
        raise LedgerError(f"{split}: {tally.splits[split]} rows were to be written, {written.rows} were")
    return written.files


def _write_report(folder: Path, result: ExportResult) -> None:
    data = json.dumps(result.as_dict(), indent=2, ensure_ascii=False)
    (folder / REPORT).write_text(f"{data}\n", encoding="utf-8", newline="\n")
    (folder / TEXT).write_text(f"{export_text(result, 'OUT')}\n", encoding="utf-8", newline="\n")


@contextmanager
def _staged(out: Path, *, replace: bool) -> Iterator[Stage]:
    """A stage for an export, held against a second one into the same place. Raises OutputError."""
    stage = Stage.of(out)
    out = stage.out
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(hidden(out, ".lock"), timeout=0):
            try:
                repair(out)
                _refuse_existing(out, replace)
                stage.clear()
                yield stage
            finally:
                for folder in (stage.work, stage.folder):
                    shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):  # a system may keep a file that is open
                    hidden(out, ".lock").unlink(missing_ok=True)
    except Timeout:
        raise OutputError(f"{out}: another export is writing here; wait for it, or choose another --out") from None
    except OSError as error:
        raise OutputError(f"{error.filename or out}: {error.strerror or error}; nothing was published") from error


def _refuse_existing(out: Path, replace: bool) -> None:
    old = beside(out, ".old")
    if out.is_symlink():
        raise OutputError(f"{out}: is a symbolic link; name the folder that it points to")
    if not out.exists():
        return
    if not replace:
        raise OutputError(f"{out}: exists already; --replace puts the new export in its place")
    if not out.is_dir() or (any(out.iterdir()) and not _is_export(out)):
        raise OutputError(f"{out}: is no export that vlmdata made, so --replace leaves it alone; choose another --out")
    if old.exists():
        raise OutputError(f"{old}: is in the way, since {out.name} is kept there while it is replaced; move it")


def _is_export(out: Path) -> bool:
    try:
        said = json.loads((out / REPORT).read_text(encoding="utf-8"))
        return bool({"contract", "format"} <= said.keys())
    except (OSError, ValueError, AttributeError):
        return False
