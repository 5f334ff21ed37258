"""Conversations with equal text and equal image bytes."""

from __future__ import annotations

from collections.abc import Container, Iterable


def repeats(digests: Iterable[bytes], left_out: Container[int] = ()) -> dict[int, int]:
    """The position of each conversation whose content was there before, and the position of the first such one.

    Positions in `left_out` count for neither.
    """
    first: dict[bytes, int] = {}
    found = {}
    for position, digest in enumerate(digests):
        if position in left_out:
            continue
        earlier = first.setdefault(digest, position)
        if earlier != position:
            found[position] = earlier
    return found
