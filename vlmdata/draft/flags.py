"""Columns that say yes or no of a row, such as whether it is sold still: which rows a recipe could use by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlmdata.draft import words
from vlmdata.draft.table import NO, YES, Column
from vlmdata.draft.yaml_text import literal, path_in_template

MOST_FLAGS = 4
MOST_STATES = 4
NEARLY_ALL = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A column, the values of the rows to use, and the others. None stands for an empty cell."""

    column: Column
    used: tuple[str | None, ...]
    others: tuple[str | None, ...]

    @property
    def counted(self) -> str:
        """`'tak' in 580 rows and 'nie' in 20 rows`, the rows to use first."""
        counts: dict[str | None, int] = dict(self.column.most_common)
        counts[None] = len(self.column.values) - self.column.count
        named = ((value, counts[value]) for value in (*self.used, *self.others))
        return " and ".join(
            f"{'nothing' if value is None else repr(value)} in {count:,} rows" for value, count in named
        )

    @property
    def condition(self) -> str:
        """What a recipe would say to use these rows alone."""
        name = path_in_template(self.column.path)
        values = [literal(value) if self.column.written else value for value in self.used if value is not None]
        if not values:
            return f"{name} is none"
        return f"{name} == {values[0]}" if len(values) == 1 else f"{name} in [{', '.join(values)}]"


def find_flags(columns: Sequence[Column]) -> tuple[Flag, ...]:
    """Columns by which rows could be left out, those called so first: `active`, `sold`, then any of yes and no."""
    called = sorted(columns, key=lambda column: not words.named(column.name, words.ACTIVE))
    return tuple(flag for column in called for flag in _flag(column))[:MOST_FLAGS]


def _flag(column: Column) -> Iterator[Flag]:
    """A column as a flag, where it is one and rows differ in it."""
    values = [value for value, _ in column.most_common]
    called = words.named(column.name, words.ACTIVE)
    if column.is_flag:
        wanted = NO if words.named(column.name, words.INACTIVE) else YES
        used: list[str | None] = [value for value in values if value.casefold() in wanted]
        others: list[str | None] = [value for value in values if value.casefold() not in wanted]
        if column.filled < NEARLY_ALL and not (used and others) and called:
            (others if used else used).append(None)
    elif called and 2 <= column.distinct <= MOST_STATES:
        used, others = [values[0]], list(values[1:])
    else:
        return
    if used and others:
        yield Flag(column=column, used=tuple(used), others=tuple(others))
