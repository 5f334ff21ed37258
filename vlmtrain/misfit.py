"""Why a file of new rows can't be asked about by a recipe: how it was read, what was found in it, and what to do."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.errors import ConfigError, SourceError, VlmError
from vlmtrain.data import recipe_of
from vlmtrain.errors import RunError

MOST_COLUMNS = 6
LONGEST_COLUMN = 60
COLUMN_RULES = frozenset({"recipe.unknown_column", "csv.header"})
"""What is wrong with a table whose columns are not those of the recipe, or can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was to be read: a file of new rows, by a recipe's file, or by the recipe that a dataset keeps."""

    input: Path | None
    recipe: Path | None
    dataset: Path


def explained(error: VlmError, asked: Asked) -> VlmError:
    """The error of a file that can't be read by a recipe, with how it was read where that may be the cause."""
    source = _source(asked)
    if asked.recipe is None and source.get("type") == "conversations":
        said = without_prompts(asked.dataset, asked.input)
        return RunError(said if error.problems else f"{error.message}. {said}", error.problems)
    found = _read_as(asked.input, source) if asked.input is not None and source.get("type") == "csv" else None
    if found is None or not _may_be_the_cause(error, found.columns):
        return error
    told = f"{asked.input}: does not fit {_whose(asked)}. {found.said} {_remedy(asked, found.file)}"
    return type(error)(told if error.problems else f"{error.message}. {told}", error.problems)


def without_prompts(dataset: Path, input: Path | None = None) -> str:
    """That a dataset keeps no words to ask about rows of a table, or about one row, and what to do."""
    brought = "brought their prompts along (imported, exported from other datasets, or of a benchmark)"
    if input is None:
        said = f"{dataset}: its rows {brought}; it keeps no words to ask about a row of columns."
        return f"{said} Name a recipe whose `conversations` do: --recipe RECIPE --input FILE --out ANSWERS"
    said = (
        f"{input}: can't be read as the rows of {dataset} were, which {brought}; it keeps no words to ask about others."
    )
    return f"{said} Name a recipe whose `conversations` do, as of the dataset that had these columns: --recipe RECIPE"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The columns that a table has by an encoding and a delimiter, and the sentence that says so."""

    file: Path
    columns: tuple[str, ...]
    said: str


def _source(asked: Asked) -> Mapping[str, Any]:
    """The recipe's `source`, as plain data; empty where the recipe itself can't be read."""
    import vlmdata

    if asked.recipe is None:
        kept = recipe_of(asked.dataset).get("source")
        return kept if isinstance(kept, dict) else {}
    try:
        source = vlmdata.load_recipe(asked.recipe).source
    except VlmError:
        return {}
    return {"type": source.type, **source.options}


def _read_as(file: Path, source: Mapping[str, Any]) -> _Read | None:
    encoding, delimiter = str(source.get("encoding", "utf-8")), str(source.get("delimiter", ","))
    try:
        with file.open(encoding=encoding, errors="replace", newline="") as opened:
            columns = tuple(next(csv.reader(opened, delimiter=delimiter), ()))
    except (OSError, LookupError, UnicodeError, csv.Error):
        return None
    how = f"It was read as {encoding} with {delimiter!r} between cells (source.encoding, source.delimiter)"
    if any({"\ufffd", "\0"} & set(name) for name in columns):
        return _Read(file=file, columns=columns, said=f"{how}, which its header is not.")
    shown = ", ".join(repr(_short(name.removeprefix("\ufeff"))) for name in columns[:MOST_COLUMNS])
    more = f" and {len(columns) - MOST_COLUMNS:,} more" if len(columns) > MOST_COLUMNS else ""
    counted = f"the columns {shown}{more}" if len(columns) > 1 else f"one column, {shown}" if columns else "no column"
    return _Read(file=file, columns=columns, said=f"{how}, and has {counted}.")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_COLUMN else f"{name[:LONGEST_COLUMN]}…"


def _may_be_the_cause(error: VlmError, columns: tuple[str, ...]) -> bool:
    """Whether the way it was read may be why: columns are missing, or there is one alone."""
    if any(problem.rule in COLUMN_RULES for problem in error.problems):
        return True
    return isinstance(error, ConfigError | SourceError) and len(columns) == 1


def _whose(asked: Asked) -> str:
    return f"the recipe that {asked.dataset} keeps" if asked.recipe is None else str(asked.recipe)


def _remedy(asked: Asked, file: Path) -> str:
    finds = f"`vlmdata init {file.as_posix()} --out found.yaml` finds them"
    if asked.recipe is not None:
        return f"If it is written otherwise, set these two in {asked.recipe.name} ({finds})."
    return f"If it is written otherwise, set these two in a copy of the recipe ({finds}), and name it: --recipe COPY"
