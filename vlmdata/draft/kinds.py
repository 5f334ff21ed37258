"""What a file or folder seems to be, by its name and by what stands in it: nothing is read but names and starts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmdata.draft.photos import folders_below
from vlmdata.draft.table import FILE_NAME
from vlmdata.draft.zip_contents import zip_words
from vlmdata.errors import ConfigError

TABLES = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".psv"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".json": "json",
    ".parquet": "parquet",
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "excel"),
}
"""The type of source of a table, by its file's ending."""

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
NO_TABLES = frozenset(
    ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json", "manifest.json")
)
MMIU_TABLE = "all.parquet"
REJECTED = "rejected.jsonl"
CAPTION_ENDINGS = (".txt", ".caption", ".cap")
CAPTIONED_SHARE = 0.5
MAX_SUBFOLDERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A type of source, the path that a recipe would name, and its options."""

    type: str
    path: Path
    options: dict[str, Any] = field(default_factory=dict)


def kinds_of(path: Path) -> list[Kind]:
    """What a path could be drafted as; several only for a folder. Raises ConfigError for what no recipe is made for."""
    if not path.is_dir():
        return [_kind_of_file(path)]
    _refuse_outputs(path)
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        return [Kind(type="conversations", path=path)]
    if (path / MMIU_TABLE).is_file():
        return [Kind(type="mmiu", path=path)]
    metadata = _metadata(path)
    if metadata or not table_files(path):
        _refuse_several(path)
    if metadata:
        return [Kind(type="image_folder", path=path)]
    tables = [_kind_of_file(file) for file in table_files(path)]
    tars = [Kind(type="conversations", path=path)] if any(_with_suffix(path, {".tar"})) else []
    return tables + tars or _images_alone(path)


def _kind_of_file(path: Path) -> Kind:
    suffix = path.suffix.lower()
    if path.name == REJECTED:
        raise ConfigError(_rejected_words(path))
    if suffix == ".zip":
        raise ConfigError(zip_words(path))
    if path.name == "dataset_info.json" or suffix == ".tar":
        return Kind(type="conversations", path=path)
    return Kind(type=TABLES.get(suffix, "csv"), path=path)


def _refuse_outputs(folder: Path) -> None:
    """Raise ConfigError for a folder that a build has written."""
    manifest = folder / "manifest.json"
    if (folder / REJECTED).is_file() and not manifest.is_file():
        raise ConfigError(_rejected_words(folder / REJECTED))
    if manifest.is_file() and (folder / "dataset_dict.json").is_file():
        raise ConfigError(f"{folder}: this is a built dataset, which needs no recipe; `vlmdata validate` looks at it")


def _rejected_words(path: Path) -> str:
    return (
        f"{path}: rows that a build rejected, which need that build's templates: take its recipe, mend the rows or the "
        f"photos, and set its source to {{type: rejected, path: {path.name}}}"
    )


def table_files(folder: Path) -> list[Path]:
    """The tables of a folder, or, where it has none, of the folders below it; in the order of their names."""
    for folders in ([folder], folders_below(folder, depth=3)):
        found = [file for each in folders for file in _with_suffix(each, TABLES.keys()) if file.name not in NO_TABLES]
        if found:
            return found
    return []


def _with_suffix(folder: Path, suffixes: Any) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        file
        for file in files
        if file.suffix.lower() in suffixes and not file.name.startswith((".", "~$")) and file.is_file()
    ]


def _metadata(folder: Path) -> bool:
    """Whether a metadata file of images stands in a folder, or in one right below it."""
    folders = folders_below(folder, depth=1, most=200)
    return any((each / name).is_file() for each in folders for name in METADATA)


def _refuse_several(folder: Path) -> None:
    """Raise ConfigError where folders in a folder are of images in several ways, and nothing in it says which."""
    if any((folder / name).is_file() for name in METADATA):
        return
    found: dict[str, list[str]] = {}
    for each in folders_below(folder, depth=1, most=MAX_SUBFOLDERS)[1:]:
        if words := _way_of_images(each):
            found.setdefault(words, []).append(each.name)
    if len(found) > 1:
        listed = "; ".join(f"{words} in {', '.join(map(repr, names[:5]))}" for words, names in found.items())
        raise ConfigError(f"{folder}: several things could be meant: {listed}; name the folder to draft from")


def _way_of_images(folder: Path) -> str:
    """How a folder's images are described, in words; empty where they are not."""
    if any((folder / name).is_file() for name in METADATA):
        return "images with a metadata file"
    kinds = _images_alone(folder)
    if not kinds:
        return ""
    return "images with captions" if kinds[0].options else "images in folders by label"


def _images_alone(folder: Path) -> list[Kind]:
    """A folder of images: with captions beside them, or in folders that are called as what they show."""
    images: Counter[str] = Counter()
    texts: dict[str, Counter[str]] = {}
    for each in folders_below(folder):
        names = [entry.name for entry in _entries(each) if entry.is_file() and not entry.name.startswith(".")]
        stems = {name.rpartition(".")[0] for name in names if FILE_NAME.search(name)}
        place = each.relative_to(folder).as_posix()
        images[place] += len(stems)
        for name in names:
            stem, dot, ending = name.rpartition(".")
            if dot and stem in stems and f".{ending.lower()}" in CAPTION_ENDINGS:
                texts.setdefault(f".{ending.lower()}", Counter())[place] += 1
    captions = {ending: found.total() for ending, found in texts.items()}
    best = max(captions, key=lambda ending: (captions[ending], ending), default=None)
    if best is not None and captions[best] >= CAPTIONED_SHARE * images.total():
        return [Kind(type="image_folder", path=folder, options={"captions": best})]
    labelled = sum(count > 0 for place, count in images.items() if place != ".")
    return [Kind(type="image_folder", path=folder)] if labelled > 1 else []


def _entries(folder: Path) -> Sequence[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return ()


def records_key(path: Path, most: int = 200_000_000) -> str | None:
    """The dotted key under which a JSON file's rows stand; None where they are a list at its top."""
    if path.stat().st_size > most:
        return None
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    lists = list(_lists_of_rows(data, "")) if isinstance(data, dict) else []
    return max(lists, key=lambda found: found[1])[0] if lists else None


def _lists_of_rows(data: dict[str, Any], start: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for key, value in data.items():
        if "." in key:
            continue
        if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value[:10]):
            found.append((f"{start}{key}", len(value)))
        elif isinstance(value, dict) and start.count(".") < 3:
            found += _lists_of_rows(value, f"{start}{key}.")
    return found
