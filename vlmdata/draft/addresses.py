"""Columns of web addresses: which hosts they name, and what stands between two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from vlmdata.draft.photos import SEPARATORS, Looking, spread
from vlmdata.draft.table import FILE_NAME, Column
from vlmdata.draft.words import IMAGE, named

MOST_CELLS = 5_000
FEW_CELLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """A column of images' addresses, its separator, and how many addresses each host has."""

    column: Column
    separator: str | None
    hosts: Counter[str]


def find_addresses(columns: Sequence[Column], used: Collection[str], looking: Looking) -> list[Addresses]:
    """The columns whose values mostly are addresses of images."""
    found = (_addresses(column, looking) for column in columns if column.name not in used and column.count)
    return [each for each in found if each is not None]


def _addresses(column: Column, looking: Looking) -> Addresses | None:
    cells = spread([value for value in column.values if value is not None], MOST_CELLS)
    few = spread(cells, FEW_CELLS)
    if 4 * sum("://" in str(cell) for cell in few) < len(few):
        return None
    for separator in SEPARATORS:
        entries = [str(entry) for cell in cells for entry in looking.entries(cell, separator)]
        hosts = [host for entry in entries if (host := _host(entry))]
        if entries and 2 * len(hosts) > len(entries) and not any(_holds_two(entry) for entry in entries):
            like_images = sum(bool(FILE_NAME.search(entry)) for entry in entries)
            if named(column.name, IMAGE) or 2 * like_images > len(entries):
                return Addresses(column=column, separator=separator, hosts=Counter(hosts))
    return None


def _holds_two(entry: str) -> bool:
    return entry.count("://") > 1 or any(sign.isspace() for sign in entry)


def _host(entry: str) -> str:
    try:
        parts = urlsplit(entry)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.hostname}{port}" if parts.scheme in {"http", "https"} and parts.hostname else ""
