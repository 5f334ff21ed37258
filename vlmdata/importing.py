"""A dataset straight from conversations in a known format, without a recipe: one is made, and kept in the manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, Unpack

from vlmdata.conversation_options import AUTO, FORMATS, holds_dataset_info
from vlmdata.convert.conversations import ConversationsConverter
from vlmdata.convert.formats.detecting import candidates
from vlmdata.convert.formats.messages import in_our_words
from vlmdata.errors import ConfigError, SourceError
from vlmdata.pipeline import BuildResult, build
from vlmdata.progress import Watch
from vlmdata.protocols import Source, Tools
from vlmdata.recipe import Recipe, recipe_from
from vlmdata.record import RawRecord, Rejection
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
    return build(recipe, out, replace=replace, workers=workers, on_progress=on_progress)


def import_recipe(source: str | Path, **options: Unpack[ImportOptions]) -> Recipe:
    """The recipe that an import builds from, with the format that its first rows have."""
    path = Path(source)
    name = format_named(options.get("format", AUTO))
    if name == AUTO and holds_dataset_info(path):
        name = "sharegpt"
    recipe = _recipe(path, options, name)
    if name != AUTO:
        return recipe
    return _recipe(path, options, format_of(open_source(recipe.source), recipe))


def format_named(name: str) -> str:
    """A format by any of its names. Raises ConfigError for one that is unknown."""
    known = name.strip().lower()
    known = OTHER_NAMES.get(known, known)
    if known not in (AUTO, *FORMATS):
        hint = nearest(known, [*FORMATS, *OTHER_NAMES]) or f"the formats are {', '.join(FORMATS)}"
        raise ConfigError(f"there is no format {name!r}; {hint}")
    return known


def format_of(source: Source, recipe: Recipe) -> str:
    """The format that all of a source's first rows could be of; auto where they are of several.

    Raises SourceError where not one of them is of a format that is known.
    """
    converter = ConversationsConverter(recipe, Tools(warn=_ignore, changed=_ignore, matching=lambda _: ()))
    rows, broken = _first_rows(source)
    found: list[tuple[str, ...]] = []
    for raw in rows:
        present = {key: value for key, value in raw.values.items() if value is not None}
        if could_be := candidates(in_our_words(present, converter.names), converter.names):
            found.append(could_be)
    if not found:
        raise SourceError(_unknown(recipe.source.path.name, rows), [] if rows else broken)
    common = [name for name in found[0] if all(name in could_be for could_be in found)]
    return common[0] if common else AUTO


def _first_rows(source: Source) -> tuple[list[RawRecord], list[Any]]:
    entries = (entry for shard in source.shards() for entry in shard)
    first = list(islice(entries, FIRST_ROWS))
    rows = [entry for entry in first if isinstance(entry, RawRecord)]
    return rows, [problem for entry in first if isinstance(entry, Rejection) for problem in entry.problems]


def _unknown(name: str, rows: Sequence[RawRecord]) -> str:
    if not rows:
        return f"{name}: none of the first {FIRST_ROWS} rows can be read"
    keys = list(dict.fromkeys(key for raw in rows for key, value in raw.values.items() if value is not None))
    shown = ", ".join(map(repr, keys[:SHOWN_KEYS])) or "none"
    more = f" … {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
    return (
        f"{name}: the rows are in no format that is known; their keys are {shown}{more}; name the format with --from "
        f"({', '.join(FORMATS)}), or say with --map what its keys are called here, such as --map messages=dialog"
    )


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
        return path.name if path.is_dir() else "."
    try:
        return Path(os.path.relpath(given, path.parent)).as_posix()
    except ValueError:  # another drive
        return str(given)
