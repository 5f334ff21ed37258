"""Numbers with their nouns, as a person says them."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """`1 row`, `1,203 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
