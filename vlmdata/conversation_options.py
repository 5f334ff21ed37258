"""What a recipe may say about conversations in others' formats, and how LLaMA-Factory's dataset_info.json says it.

Both the source, which finds the rows, and the converter, which reads them, need this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmdata.errors import SourceError
from vlmdata.recipe_problems import can_be_a_path
from vlmdata.settings import nearest

AUTO = "auto"
FORMATS = (
    "llava",
    "sharegpt",
    "swift",
    "openai",
    "anthropic",
    "oumi",
    "gemini",
    "trl",
    "webdataset",
    "tao_vl_reason",
)
"""The formats that are read, as a recipe names them."""

DATASET_INFO = "dataset_info.json"
ELSEWHERE = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
TAGS = ("user", "assistant", "system", "observation", "function")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationsOptions:
    """How conversations are read.

    `map` gives the format's own words (keys, keys of a message, roles) and what stands for them here; `drop` what may
    be left out, counted; `dataset` the entry of a dataset_info.json; `prompt` the question of images that have only a
    caption; `rebase` beginnings of image paths and addresses, and what stands in their place below the image root;
    `records` the dotted key of the list of rows, where a JSON file is an object.
    """

    format: str = AUTO
    map: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    dataset: str | None = None
    prompt: str | None = None
    rebase: Mapping[str, str] = field(default_factory=dict)
    records: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoEntry:
    """One entry of a dataset_info.json: its file, and the words that it uses for the format's own."""

    name: str
    file: Path
    names: Mapping[str, str]


def holds_dataset_info(path: Path) -> bool:
    """Whether a path is a dataset_info.json of LLaMA-Factory, or a folder with one; a saved dataset has its own."""
    if path.is_dir():
        return (path / DATASET_INFO).is_file() and not (path / "state.json").exists()
    return path.name == DATASET_INFO and path.is_file() and not (path.parent / "state.json").exists()


def info_entry(path: Path, dataset: str | None) -> InfoEntry:
    """The entry that `dataset` names, or the only one whose file is there. Raises SourceError."""
    file = path / DATASET_INFO if path.is_dir() else path
    entries = _entries(file)
    name = dataset or _only_one(file, entries)
    if name not in entries:
        near = nearest(name, list(entries)) or f"its entries are {_listed(entries)}"
        raise SourceError(f"{file.name}: there is no entry {name!r}; {near}")
    entry = entries[name]
    if not isinstance(entry.get("file_name"), str):
        found = next((key for key in ELSEWHERE if key in entry), None)
        where = f"its rows are elsewhere ({found}: {entry[found]!r})" if found else "it has no file_name"
        raise SourceError(f"{file.name}: {name!r} can't be read here: {where}; download it, and set file_name")
    return InfoEntry(name=name, file=_inside(file, entry["file_name"]), names=_names(file, entry))


def _entries(file: Path) -> dict[str, dict[str, Any]]:
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SourceError(f"{file.name}: there is no such file ({file})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{file.name}: can't be read as JSON: {error}") from None
    entries = {name: entry for name, entry in data.items() if isinstance(entry, dict)} if isinstance(data, dict) else {}
    if not entries:
        raise SourceError(f"{file.name}: holds no entries; names of datasets, each with a file_name, were expected")
    return entries


def _only_one(file: Path, entries: Mapping[str, Mapping[str, Any]]) -> str:
    here = [name for name, entry in entries.items() if _is_here(file, entry)]
    if len(here) == 1:
        return here[0]
    found = f"{len(here)} of its entries have their file here: {_listed(here)}" if here else "no entry's file is here"
    raise SourceError(f"{file.name}: {found}; name one with source.dataset (--dataset)")


def _is_here(file: Path, entry: Mapping[str, Any]) -> bool:
    name = entry.get("file_name")
    if not isinstance(name, str) or set(ELSEWHERE) & set(entry):
        return False
    return os.path.exists(file.parent / name)  # noqa: PTH110 - Path.exists raises where a name is too long


def _inside(file: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name.replace("\\", "/")).parts:
        raise SourceError(f"{file.name}: file_name {name!r} leads out of the folder; name the file itself")
    if not can_be_a_path(name):
        raise SourceError(f"{file.name}: file_name {name[:60]!r} … can be no file's name; name the file itself")
    return file.parent / name


def _names(file: Path, entry: Mapping[str, Any]) -> dict[str, str]:
    """Our word for each of the entry's columns and tags, and the entry's own word for it."""
    columns = _words(file, entry, "columns")
    own = {"prompt": "instruction", "query": "input", "response": "output"}
    names = {own.get(key, key): word for key, word in columns.items()}
    tags = _words(file, entry, "tags")
    names |= {own_key: tags[tag] for tag, own_key in (("role_tag", "role"), ("content_tag", "content")) if tag in tags}
    return names | {tag: tags[f"{tag}_tag"] for tag in TAGS if f"{tag}_tag" in tags}


def _words(file: Path, entry: Mapping[str, Any], key: str) -> dict[str, str]:
    """What an entry says under a key, as far as it is names and words."""
    found = entry.get(key) or {}
    if not isinstance(found, dict):
        raise SourceError(f"{file.name}: {key!r} of an entry is {found!r:.80}, names and words were expected")
    return {name: word for name, word in found.items() if isinstance(word, str)}


def _listed(names: Any, most: int = 12) -> str:
    shown = [str(name) for name in names]
    more = f" … {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more
