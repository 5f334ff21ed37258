"""What of a built dataset goes to the Hub: Parquet that `datasets` reads, its card, a manifest without our paths."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlmdata.contract import CONTRACT
from vlmdata.dataset import MANIFEST, DataFile, data_files, read_manifest, verify_contract
from vlmdata.errors import ConfigError, ContractError, NoDatasetError, VlmError
from vlmdata.generated import generated_of
from vlmdata.hub.places import is_place, places_within, without_place, without_places, without_places_within
from vlmdata.hub.plan import Going, Plan, of_bytes, of_file, refuse_link, staying_files
from vlmdata.parquet_rows import write_rows
from vlmdata.push_photos import Look
from vlmdata.recipe import DatasetInfo
from vlmdata.rewriting import ledger_from
from vlmdata.words import plural
from vlmdata.write.arrow_files import WrittenFile, file_hash
from vlmdata.write.card import card_text
from vlmdata.write.card_front import Subject, hub_layout

CARD = "README.md"
EXTRA = {"report": ("report.json", "report.html"), "rejected": ("rejected.jsonl",)}
"""What goes only where it is named, since it holds original rows."""

SPLIT = re.compile(r"\w+(\.\w+)*")
"""The names of splits that `datasets` knows (datasets/splits.py, NamedSplit)."""

REASONS = {
    "build-log.json": "tells of this machine",
    "dataset_dict.json": "for load_from_disk",
    **{name: f"holds original rows; --with {extra} sends it" for extra, names in EXTRA.items() for name in names},
}


class PushRefusedError(VlmError):
    """A push of what should not leave the machine as it is."""

    exit_code = 1


def dataset_plan(
    path: Path, to: str, include: Collection[str], *, allow_gps: bool, tell: Callable[[str], None]
) -> Plan:
    """What of a dataset would go to the Hub as `to`, and what stays. Uses no network."""
    unknown = sorted(set(include) - set(EXTRA))
    if unknown:
        raise ConfigError(f"--with {unknown[0]}: {' or '.join(EXTRA)} were expected")
    files = _own_files(path)
    manifest = read_manifest(path)
    tell(f"reading {plural(sum(manifest['splits'].values()), 'row')}")
    _refuse_changed(path, manifest)
    look = Look(photos=not allow_gps).at(files)
    _refuse_located(path, look)
    pieces = [_piece(file, tell) for file in files if _has_rows(file)]
    extra = [name for key in EXTRA if key in include for name in EXTRA[key] if (path / name).is_file()]
    going = [piece.going for piece in pieces]
    going += _words(manifest, pieces, look, to, extra)
    going += [of_file(name, path / name, "named by --with") for name in extra]
    folders = {file.split for file in files}
    return Plan(
        kind="dataset",
        going=tuple(going),
        staying=staying_files(path, [each.path for each in going], partial(_reason, folders)),
        notes=tuple(_notes(manifest, going)),
        owned=("data/*.parquet",),
        mark=MANIFEST,
    )


def _own_files(path: Path) -> list[DataFile]:
    """The dataset's Arrow files. Raises ContractError or ConfigError for what can't be pushed as it is."""
    if not (path / MANIFEST).is_file() and (path / "dataset_dict.json").is_file():
        raise NoDatasetError(
            f"{path}: has no {MANIFEST}; `vlmdata build`, `import` or `split` makes a dataset with one"
        )
    files = data_files(path)
    for name in {path / MANIFEST, path / "dataset_dict.json", *(file.path.parent for file in files)}:
        refuse_link(name)
    for file in files:
        refuse_link(file.path)
        refuse_link(file.path.parent / "state.json")
    errors = [problem for problem in verify_contract(path) if problem.severity == "error"]
    if errors:
        raise ContractError(f"{path}: does not follow the contract {CONTRACT}", errors)
    odd = sorted({file.split for file in files if not SPLIT.fullmatch(file.split)})
    if odd:
        raise ConfigError(
            f"{path}: the Hub's readers take no split called {odd[0]!r}, only letters, digits, '_' and '.'; give it "
            "another name with `vlmdata split`"
        )
    if not any(_has_rows(file) for file in files):
        raise ConfigError(f"{path}: has no rows, so there is nothing to push")
    return files


def _refuse_changed(path: Path, manifest: dict[str, Any]) -> None:
    """Raise ContractError where the files are not those of the manifest: its counts would go with other rows."""
    for entry in manifest["files"]:
        file = path / entry["name"]
        if not file.is_file() or file_hash(file) != entry["xxh3"]:
            raise ContractError(f"{file}: is not the file that {MANIFEST} names; build the dataset again")


def _refuse_located(path: Path, look: Look) -> None:
    if look.problems:
        more = f" (the first {look.named:,} are named)" if look.faults > look.named else ""
        raise PushRefusedError(
            f"{path}: {plural(look.faults, 'row has', 'rows have')} photos that tell where they were taken, or may"
            f"{more}; nothing was sent. --allow-gps sends them as they are",
            look.problems,
        )


def _has_rows(file: DataFile) -> bool:
    return any(batch.num_rows for batch in file.batches())


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file of rows on its way."""

    split: str
    rows: int
    going: Going


class _Measured(io.RawIOBase):
    """Takes bytes and keeps their number and sha256 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Take all of the bytes."""
        self.digest.update(data)
        self.size += len(data)
        return len(data)


def _piece(file: DataFile, tell: Callable[[str], None]) -> _Piece:
    """One Arrow file as Parquet, written once to be measured, and again where the Hub does not have it."""
    name = f"data/{file.path.name.replace('data-', f'{file.split}-', 1).removesuffix('.arrow')}.parquet"
    tell(f"measuring {name}")
    measured = _Measured()
    rows = write_rows(pa.PythonFile(measured, "w"), file.schema(), file.batches())
    why = f"{plural(rows, 'row')} of the split {file.split}"
    digest = measured.digest.hexdigest()
    going = Going(path=name, bytes=measured.size, sha256=digest, why=why, content=partial(_written, file))
    return _Piece(file.split, rows, going)


def _written(file: DataFile, place: Path) -> None:
    write_rows(str(place), file.schema(), file.batches())


def _words(
    manifest: dict[str, Any], pieces: Sequence[_Piece], look: Look, to: str, beside: Sequence[str]
) -> Iterator[Going]:
    """The card and the manifest as they stand on the Hub."""
    about = _about(manifest)
    told = {key: without_places(value) for key, value in manifest.items()}
    told["dataset"] = about
    if "dataset" in told["recipe"]:
        said = told["recipe"]["dataset"]
        told["recipe"] = {**told["recipe"], "dataset": {key: about.get(key, said[key]) for key in said}}
    files = [
        {"name": each.going.path, "rows": each.rows, "bytes": each.going.bytes, "sha256": each.going.sha256}
        for each in pieces
    ]
    told["published"] = {"format": "parquet", "files": files}
    ledger = ledger_from(told["ledger"])
    ledger.splits = dict(told["splits"])
    groups = told["ledger"]["groups"]
    ledger.groups, ledger.largest_group = groups["count"], groups["largest"]
    generated = generated_of(look.generated, look.rows)
    subject = Subject.of(DatasetInfo(**told["dataset"]), told["recipe"], generated)
    written = [WrittenFile(name=each.going.path, rows=each.rows, bytes=each.going.bytes, xxh3="") for each in pieces]
    card = card_text(subject, ledger, written, hub_layout(to, beside))
    yield of_bytes(CARD, card.encode(), "the card: licence, source, splits, counts")
    yield of_bytes(MANIFEST, _json(told), "how it was built, without our paths")


def _about(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the card says of the dataset: without what is nothing but a path of this machine, and of a path in the
    middle of a sentence no more than its last name."""
    return {key: "" if is_place(value) else without_places_within(value) for key, value in manifest["dataset"].items()}


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _reason(folders: Collection[str], name: str) -> str:
    """Why a file of the dataset's folder does not go."""
    if name.partition("/")[0] in folders and "/" in name:
        return "the same rows in Arrow, for load_from_disk"
    return REASONS.get(name, "is no part of the dataset")


def _notes(manifest: dict[str, Any], going: Sequence[Going]) -> Iterator[str]:
    about = manifest["dataset"]
    if about["license"] == "unknown":
        yield "the card says that the licence is unknown; write dataset.license into the recipe and build again"
    for key in (key for key, value in about.items() if is_place(value)):
        yield (
            f"dataset.{key} is a path, {about[key]!r}, and is left out of the card; say in words what is meant, and "
            "build again"
        )
    for key, value in about.items():
        for place in [] if is_place(value) else places_within(value):
            yield f"dataset.{key} names a path, {place!r}; no more than {without_place(place)!r} of it goes"
    if not about["source"]:
        yield "the card names no source; write dataset.source into the recipe and build again"
    empty = [split for split, rows in manifest["splits"].items() if not rows]
    if empty:
        yield f"the split {empty[0]} has no rows and does not go: datasets.load_dataset fails for such a split"
    home = str(Path.home()).encode()
    if len(home) > 1 and (
        named := [each.path for each in going if isinstance(each.content, bytes) and home in each.content]
    ):
        yield f"{', '.join(named)} names a path of this machine"
