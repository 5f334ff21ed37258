"""Conversations with equal text and equal image bytes."""

from __future__ import annotations

from collections.abc import Iterable


def repeats(digests: Iterable[bytes]) -> dict[int, int]:
    """The position of each conversation whose content was there before, and the position of the first such one."""
    first: dict[bytes, int] = {}
    found = {}
    for position, digest in enumerate(digests):
        earlier = first.setdefault(digest, position)
        if earlier != position:
            found[position] = earlier
    return found
