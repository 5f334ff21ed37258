"""A dataset straight from conversations in a known format, without a recipe: one is made, and kept in the manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, Unpack

from vlmdata.conversation_options import AUTO, FORMATS, TAGS, holds_dataset_info
from vlmdata.convert.conversations import ConversationsConverter
from vlmdata.convert.formats.detecting import candidates
from vlmdata.convert.formats.messages import (
    CONTENT_KEYS,
    MESSAGES_KEYS,
    ROLE_KEYS,
    ROLES,
    as_messages,
    in_our_words,
)
from vlmdata.convert.formats.swift import QUERY, RESPONSE
from vlmdata.convert.formats.unsupported import BY_NAME, TOOL_ROLES
from vlmdata.convert.formats.webdataset import CAPTIONS
from vlmdata.errors import BuildRefusedError, ConfigError, SourceError
from vlmdata.pipeline import BuildResult, build
from vlmdata.progress import Watch
from vlmdata.protocols import Source, Tools
from vlmdata.recipe import Recipe, recipe_from
from vlmdata.record import Problem, RawRecord, Rejection
from vlmdata.settings import nearest
from vlmdata.source import open_source

FIRST_ROWS = 100
SHOWN_KEYS = 12
OTHER_NAMES = {
    **dict.fromkeys(("llamafactory", "llama_factory", "llama-factory", "alpaca"), "sharegpt"),
    **dict.fromkeys(("ms-swift", "ms_swift"), "swift"),
    **dict.fromkeys(("vertex", "google"), "gemini"),
    **dict.fromkeys(("claude",), "anthropic"),
    **dict.fromkeys(("tao", "daft", "tao-vl-reason-v1.0", "tao-vl-reason"), "tao_vl_reason"),
    **dict.fromkeys(("wds",), "webdataset"),
}
"""Names that people use for a format."""

DEPTH, LONGEST_WORD = 6, 60
"""How deep words are looked for in a row, and the longest text that may be one, such as a role."""

WORDS = frozenset(
    {
        *(
            *MESSAGES_KEYS,
            *ROLES,
            *ROLE_KEYS,
            *CONTENT_KEYS,
            *QUERY,
            *RESPONSE,
            *CAPTIONS,
            *BY_NAME,
            *TOOL_ROLES,
            *TAGS,
        ),
        *("id", "conversation_id", "item_index", "key", "image", "images", "image_id", "media", "media_root"),
        *("contents", "system_prompt", "systemInstruction", "system_instruction", "history", "label"),
    }
)
"""Every word that a format has for a key of a row or a message, or for a role."""


class ImportOptions(TypedDict, total=False):
    """What an import may be told.

    `format` is a format's name, or auto; `image_root` where image paths start, a folder or zip file: beside the source
    by default; `network` the hosts that images may be downloaded from, none by default; `max_rejected` a recipe's: not
    one row by default; the others are what a recipe says of a source of conversations.
    """

    format: str
    image_root: str | Path | None
    map: Mapping[str, str]
    drop: Sequence[str]
    rebase: Mapping[str, str]
    dataset: str | None
    prompt: str | None
    records: str | None
    network: Sequence[str]
    max_rejected: str | int | float


def import_dataset(
    source: str | Path,
    out: str | Path,
    *,
    replace: bool = False,
    workers: int | None = None,
    on_progress: Watch | None = None,
    **options: Unpack[ImportOptions],
) -> BuildResult:
    """Build a dataset from conversations in a known format into the folder `out`, whole or not at all.

    Raises ConfigError for options that can't be, SourceError where no row is of a format that is known, and what
    `build` raises.
    """
    recipe = import_recipe(source, **options)
    return build_import(recipe, out, replace=replace, workers=workers, on_progress=on_progress)


def build_import(
    recipe: Recipe,
    out: str | Path,
    *,
    replace: bool = False,
    workers: int | None = None,
    on_progress: Watch | None = None,
) -> BuildResult:
    """Build what `import_recipe` made. Where images are missing and nothing else is wrong, the refusal says where they
    were looked for, since no recipe says it."""
    try:
        return build(recipe, out, replace=replace, workers=workers, on_progress=on_progress)
    except BuildRefusedError as error:
        if not error.problems or any(problem.rule != "images.missing" for problem in error.problems):
            raise
        roots = ", ".join(root.as_posix() for root in recipe.images.roots)
        message = (
            f"{error.message}\nthe images were looked for in {roots}; --image-root names another folder or zip file"
        )
        raise BuildRefusedError(message, error.problems) from None


def import_recipe(source: str | Path, **options: Unpack[ImportOptions]) -> Recipe:
    """The recipe that an import builds from, with the format that its first rows have."""
    path = Path(source)
    name = format_named(options.get("format", AUTO))
    if name == AUTO and holds_dataset_info(path):
        name = "sharegpt"
    recipe = _recipe(path, options, name)
    words = options.get("map", {})
    _refuse_unknown_words(words)
    if name != AUTO and not words:
        return recipe
    first = _first_rows(open_source(recipe.source))
    _refuse_unseen_words(words, first.rows)
    if name == AUTO:
        name = _common_format(first, recipe)
    return _recipe(path, options, name)


def format_words(recipe: Recipe) -> str:
    """The format of an import, for a person: where the rows are of several, the likeliest of each of the first ones."""
    name = str(recipe.source.options["format"])
    if name != AUTO:
        return name
    found = dict.fromkeys(could_be[0] for could_be in _formats(_first_rows(open_source(recipe.source)), recipe))
    return f"{name}: {', '.join(found)}" if found else name


def format_named(name: str) -> str:
    """A format by any of its names. Raises ConfigError for one that is unknown."""
    known = name.strip().lower()
    known = OTHER_NAMES.get(known, known)
    if known not in (AUTO, *FORMATS):
        hint = nearest(known, [*FORMATS, *OTHER_NAMES]) or f"the formats are {', '.join(FORMATS)}"
        raise ConfigError(f"there is no format {name!r}; {hint}")
    return known


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRows:
    """The first rows of a source, and what is wrong with those of them that can't be read."""

    rows: Sequence[RawRecord]
    broken: Sequence[Problem]


def _first_rows(source: Source) -> FirstRows:
    entries = (entry for shard in source.shards() for entry in shard)
    first = list(islice(entries, FIRST_ROWS))
    rows = [entry for entry in first if isinstance(entry, RawRecord)]
    broken = [problem for entry in first if isinstance(entry, Rejection) for problem in entry.problems]
    return FirstRows(rows=rows, broken=broken)


def _common_format(first: FirstRows, recipe: Recipe) -> str:
    """The format that all of the first rows could be of; auto where they are of several.

    Raises SourceError where not one of them is of a format that is known.
    """
    found = _formats(first, recipe)
    if not found:
        raise SourceError(_unknown(recipe.source.path, first.rows), [] if first.rows else first.broken)
    common = [name for name in found[0] if all(name in could_be for could_be in found)]
    return common[0] if common else AUTO


def _formats(first: FirstRows, recipe: Recipe) -> list[tuple[str, ...]]:
    """For each row, the formats that it could be of, the likeliest first; rows that are like none are left out."""
    converter = ConversationsConverter(recipe, Tools(warn=_ignore, changed=_ignore, matching=lambda _: ()))
    found = []
    for raw in first.rows:
        present = {key: value for key, value in raw.values.items() if value is not None}
        if could_be := candidates(in_our_words(present, converter.names), converter.names):
            found.append(could_be)
    return found


def _refuse_unknown_words(words: Mapping[str, str]) -> None:
    """Raise ConfigError for a word that no format has, which would be passed over."""
    for own in words:
        if own not in WORDS:
            hint = nearest(own, sorted(WORDS)) or "keys, keys of a message and roles of a format were expected"
            raise ConfigError(f"--map {own}={words[own]}: no format has the word {own!r}; {hint}")


def _refuse_unseen_words(words: Mapping[str, str], rows: Sequence[RawRecord]) -> None:
    """Raise ConfigError for what is to stand for a format's key, and is in none of the first rows."""
    seen: dict[str, None] = {}
    for raw in rows:
        _collect_words(raw.values, seen)
    for own, here in words.items():
        if rows and here not in seen and (own not in ROLES or own == "system"):
            keys = list(dict.fromkeys(key for raw in rows for key in raw.values))
            hint = nearest(here, list(seen)) or f"the keys of the rows are {_listed(keys)}"
            raise ConfigError(f"--map {own}={here}: no {here!r} is in the first {len(rows):,} rows; {hint}")


def _collect_words(value: Any, seen: dict[str, None], depth: int = 0) -> None:
    """Note the keys of a row and of what is nested in it, and short texts, such as a message's role."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            seen[str(key)] = None
            _collect_words(entry, seen, depth + 1)
    elif depth and isinstance(value, str) and len(value) <= LONGEST_WORD:
        seen[value] = None
    elif depth < DEPTH and (listed := as_messages(value)):
        for entry in listed[:FIRST_ROWS]:
            _collect_words(entry, seen, depth + 1)


def _unknown(path: Path, rows: Sequence[RawRecord]) -> str:
    name = path.name
    if not rows:
        return f"{name}: none of the first {FIRST_ROWS} rows can be read"
    keys = list(dict.fromkeys(key for raw in rows for key, value in raw.values.items() if value is not None))
    return (
        f"{name}: the rows are in no format that is known; their keys are {_listed(keys)}; name the format with --from "
        f"({', '.join(FORMATS)}), or say with --map what its keys are called here, such as --map messages=dialog; "
        f"for rows that are no conversations, such as a catalog's: vlmdata init {path.as_posix()}"
    )


def _listed(keys: Sequence[str]) -> str:
    shown = ", ".join(map(repr, keys[:SHOWN_KEYS])) or "none"
    return f"{shown} … {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else shown


def _ignore(_: object) -> None:
    """Nothing is built yet."""


def _recipe(path: Path, options: ImportOptions, name: str) -> Recipe:
    """A recipe as a file beside the source would say it, so that no machine's paths come into the manifest."""
    folder = path.parent
    given: dict[str, Any] = {key: options.get(key) for key in ("map", "drop", "rebase", "dataset", "prompt", "records")}
    given = {key: list(value) if key == "drop" else value for key, value in given.items() if value}
    source = {"type": "conversations", "path": path.name or ".", "format": name, **given}
    data = {
        "dataset": {"name": path.stem or "dataset"},
        "source": source,
        "images": {"root": _image_root(path, options.get("image_root"))},
        "max_rejected": options.get("max_rejected", 0),
    }
    hosts = list(options.get("network", ()))
    return recipe_from({**data, "network": hosts} if hosts else data, folder)


def _image_root(path: Path, given: str | Path | None) -> str:
    """Where image paths start, relative to the source's folder: what was given, else the source's own folder."""
    if given is None:
        return (path.name or ".") if path.is_dir() else "."
    try:
        return Path(os.path.relpath(given, path.parent)).as_posix()
    except ValueError:  # another drive
        return str(given)
