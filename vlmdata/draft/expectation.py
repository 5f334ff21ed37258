"""How many rows a build of the draft would reject, so that the draft allows for it and says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlmdata.draft.photos import Lookup, Photos, spread
from vlmdata.draft.roles import Roles
from vlmdata.draft.table import Table

MAX_VERIFIED = 1_000
MAX_VERIFIED_BYTES = 100_000_000
COMFORTABLE = 0.09
"""Up to this share expected, the usual bound has room enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Rows of the sample, and the share of them that a build would reject."""

    rows: int
    share: float
    damaged: int
    verified: int


def no_photo_share(table: Table, photos: Photos) -> float:
    """The share of rows without one reference."""
    rows = len(table.rows)
    return sum(not photos.references(row) for row in range(rows)) / rows if rows else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draftable:
    """What a draft would have a build do: `skip_textless` leaves rows out that have no text to learn."""

    table: Table
    roles: Roles
    photos: Photos | None
    min_images: int
    skip_textless: bool


def expect(draft: Draftable, *, lookup: Lookup, verify: Callable[[str], bool]) -> Expected:
    """What a build would reject: unreadable rows, repeated and missing ids, missing texts and photos, damaged photos.

    `verify` says whether a reference's image decodes; it is asked for a bounded sample, and the rest is estimated.
    """
    photos, unreadable = draft.photos, sum(draft.table.unreadable.values())
    verified = _verified(photos, lookup, verify) if photos is not None else {}
    bad = {name for name, fine in verified.items() if not fine}
    rate = len(bad) / len(verified) if verified else 0.0
    refused = float(unreadable)
    seen: set[str] = set()
    for row in range(len(draft.table.rows)):
        if draft.skip_textless and draft.roles.answers[0].column.values[row] is None:
            continue
        names = photos.references(row) if photos is not None else []
        few = photos is not None and len(names) < draft.min_images
        textless = any(answer.column.values[row] is None for answer in draft.roles.answers)
        if _bad_id(draft.roles, row, seen) or few or textless or any(lookup(n) is None or n in bad for n in names):
            refused += 1
        else:
            refused += 1 - (1 - rate) ** sum(name not in verified for name in names)
    rows = len(draft.table.rows) + unreadable
    return Expected(rows=rows, share=refused / rows, damaged=len(bad), verified=len(verified))


def _bad_id(roles: Roles, row: int, seen: set[str]) -> bool:
    if roles.id is None:
        return False
    value = roles.id.values[row]
    repeated = value in seen
    if value is not None:
        seen.add(value)
    return value is None or repeated


def _verified(photos: Photos, lookup: Lookup, verify: Callable[[str], bool]) -> dict[str, bool]:
    """Whether each reference of a bounded sample decodes."""
    tried: dict[str, bool] = {}
    size = 0
    for name in spread([name for name in photos.names() if lookup(name) is not None], MAX_VERIFIED):
        size += lookup(name) or 0
        if size > MAX_VERIFIED_BYTES and len(tried) >= 50:
            break
        tried[name] = verify(name)
    return tried


def allowed(expected: Expected) -> tuple[str, str]:
    """`max_rejected` for a recipe, and the words that explain it."""
    if expected.share <= COMFORTABLE:
        return "10%", "more rejected rows than this, and nothing is published"
    percent = min(100, 5 * (int(125 * expected.share + 2) // 5 + 1))
    return f"{percent}%", f"about {100 * expected.share:.0f}% of the rows will be rejected: mend them, and lower this"


def texts_missing(answer_columns: Sequence[float]) -> bool:
    """Whether so many rows have no text to learn that they are better skipped than rejected."""
    return max((1 - filled for filled in answer_columns), default=0.0) > 0.03
