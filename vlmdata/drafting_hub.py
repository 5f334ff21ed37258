"""A recipe drafted from a dataset of the Hub, by its first rows: they are fetched to a folder that is thrown away."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from vlmdata.draft.yaml_text import commented, scalar
from vlmdata.drafting import draft_recipe
from vlmdata.drafting_plain import Draft, relative
from vlmdata.errors import ConfigError, SourceError
from vlmdata.recipe import SourceConfig, recipe_from
from vlmdata.record import RawRecord
from vlmdata.source import open_source

ROWS = 300
BYTES = 200_000_000
"""What is fetched to draft from: rows, or the bytes of the images in them."""

FIRST = "rows.parquet"
PLACE = re.compile(rf"^  path: {re.escape(FIRST)}.*\n", re.MULTILINE)
TYPE = re.compile(r"^  type: (\w+).*\n", re.MULTILINE)
NAME = re.compile(r"^  name: .*\n", re.MULTILINE)
HEAD = re.compile(r"\A# Drafted from .*\n")


def draft_hub_recipe(
    dataset: str,
    *,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    recipe_folder: Path | None = None,
) -> Draft:
    """Draft a recipe for a dataset of the Hub, by its first rows. It pins the commit that was read.

    `config`, `split` and `revision` are the Hub's own words. A `dataset` that is a folder is named relative to
    `recipe_folder`, by default the current one. Raises SourceError where the dataset can't be had or has
    several splits, and what `draft_recipe` raises.
    """
    wanted = {"config": config, "split": split, "revision": revision}
    options = {"dataset": dataset, **{name: value for name, value in wanted.items() if value is not None}}
    source = open_source(SourceConfig(type="hub", path=Path(dataset), options={**options, "streaming": True}))
    with tempfile.TemporaryDirectory(prefix="vlmdata-init-") as folder:
        count = _fetched(_rows(source), Path(folder) / FIRST, dataset)
        draft = draft_recipe(Path(folder) / FIRST)
    options |= {"revision": commit} if (commit := getattr(source, "commit", None)) else {}
    here = Path(dataset).is_dir()
    if here:
        options["dataset"] = relative(Path(dataset), recipe_folder or Path())
    page = "" if here else f"  source: https://huggingface.co/datasets/{dataset}\n"
    return replace(draft, text=_of_hub(draft.text, options, page, count))


def _rows(source: Any) -> Iterator[dict[str, Any]]:
    """Rows that can be read."""
    for shard in source.shards():
        yield from (dict(entry.values) for entry in shard if isinstance(entry, RawRecord))


def _fetched(rows: Iterator[dict[str, Any]], file: Path, dataset: str) -> int:
    """Write the first rows into a Parquet file. How many there were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    taken: list[dict[str, Any]] = []
    size = 0
    for row in islice(rows, ROWS):
        taken.append(row)
        size += _bytes_in(row)
        if size > BYTES:
            break
    if not taken:
        raise SourceError(f"{dataset}: there is no row in it")
    pq.write_table(pa.Table.from_pylist(taken), file)
    return len(taken)


def _bytes_in(value: Any) -> int:
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_bytes_in, value.values()))
    return sum(map(_bytes_in, value)) if isinstance(value, list) else 0


def _of_hub(text: str, options: dict[str, str], page: str, rows: int) -> str:
    """The draft of the first rows as one of the dataset, with a line that names its page on the Hub."""
    kind = TYPE.search(text)
    if kind is None or kind[1] not in {"parquet", "conversations"}:
        raise ConfigError(
            f"{options['dataset']}: these seem to be questions with options over several images, which are read from "
            "files: download its Parquet files, and draft from their folder"
        )
    dataset = options["dataset"]
    name = re.sub(r"[^\w]+", "-", dataset.rpartition("/")[2]).strip("-_").lower() or "dataset"
    read = "".join(f"  {key}: {scalar(value)}\n" for key, value in options.items())
    text = HEAD.sub(f"# Drafted from the first {rows:,} rows of {dataset}. Change what you know better.\n", text)
    text = NAME.sub(lambda _: f"  name: {scalar(name)}\n{page}", text, count=1)
    kind_line = commented("  type: hub", "to name it here is the permission to reach it")
    text = TYPE.sub(lambda _: f"{kind_line}\n", text)
    text = PLACE.sub(lambda _: read, text)
    recipe_from(yaml.safe_load(text), Path())  # a draft that is no recipe would be our mistake
    return text
