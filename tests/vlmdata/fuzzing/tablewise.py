"""Mutations of Parquet files that know their structure: the footer, the pages, and values that a table may hold."""

from __future__ import annotations

import io
import struct
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.vlmdata.fuzzing.bytewise import NUMBERS, changed_blindly
from tests.vlmdata.fuzzing.imagewise import changed_picture
from tests.vlmdata.fuzzing.textwise import PATHS

BOMB_ROWS = 5_000


def changed_parquet(random: Random, data: bytes) -> tuple[bytes, str]:
    """A changed Parquet file."""
    return random.choice((_length, _footer, _footer, _pages, _rewritten, _rewritten, _rewritten))(random, data)


def _split(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack("<I", data[-8:-4])
    return data[: -8 - length], data[-8 - length : -8]


def _length(random: Random, data: bytes) -> tuple[bytes, str]:
    return data[:-8] + struct.pack("<I", random.choice(NUMBERS)) + random.choice(
        (b"PAR1", b"PARE", b"")
    ), "footer length"


def _footer(random: Random, data: bytes) -> tuple[bytes, str]:
    pages, footer = _split(data)
    changed, how = changed_blindly(random, footer, data)
    return pages + changed + struct.pack("<I", len(changed)) + b"PAR1", f"footer {how}"


def _pages(random: Random, data: bytes) -> tuple[bytes, str]:
    pages, footer = _split(data)
    changed, how = changed_blindly(random, pages, data)
    fitted = changed[: len(pages)].ljust(len(pages), b"\0") if random.random() < 0.8 else changed
    return fitted + footer + data[-8:], f"pages {how}"


def _rewritten(random: Random, data: bytes) -> tuple[bytes, str]:
    """A whole file of the same rows with one column that is odd."""
    table = pq.read_table(io.BytesIO(data))
    name = random.choice(table.column_names)
    how = random.choice(
        ("nulls", "numbers", "binary", "deep", "gone", "twice", "bomb", "path", "picture", "map", "times", "strings")
    )
    if how == "gone":
        table = table.drop_columns([name])
    elif how == "twice":
        table = table.append_column(name, table.column(name))
    elif how == "bomb":
        table = pa.table({each: pa.nulls(BOMB_ROWS, table.schema.field(each).type) for each in table.column_names})
    elif how in {"path", "picture"}:
        rows = table.to_pylist()
        place = random.randrange(len(rows))
        rows[place] = _injected(random, rows[place], how)
        table = pa.Table.from_pylist(rows, schema=table.schema)
    else:
        table = table.set_column(table.column_names.index(name), name, pa.array(_odd_column(how, table.num_rows)))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression=random.choice(("none", "snappy", "zstd")))
    return buffer.getvalue(), f"{name} {how}"


def _odd_column(how: str, rows: int) -> Any:
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    values = {
        "nulls": None,
        "numbers": float("nan"),
        "binary": b"\xff\xfe\0",
        "deep": deep,
        "map": {"a": None, "b": [b"\xff"]},
        "times": date(1, 1, 1),
        "strings": Decimal("1.50"),
    }
    return [values[how]] * rows


def _injected(random: Random, value: Any, how: str) -> Any:
    """A value with a path that leads out, or a changed picture, in place of one text or one run of bytes."""
    if isinstance(value, dict) and value:
        key = random.choice(list(value))
        return {**value, key: _injected(random, value[key], how)}
    if isinstance(value, list) and value:
        return [_injected(random, entry, how) for entry in value]
    if isinstance(value, bytes) and how == "picture":
        return changed_picture(random, value)[0]
    if isinstance(value, str) and how == "path":
        return random.choice([path for path in PATHS if path.isprintable()])
    return value
