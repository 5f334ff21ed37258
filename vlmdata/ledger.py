"""The counts of a build, and the equations that must hold: no row, conversation or physical line vanishes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vlmdata.errors import LedgerError

WRITTEN = "describe.written"


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Everything a build counted.

    Rows and lines are counted where they are read, verdicts where they are given, so that the equations can fail.
    `rejected_by_rule` counts each rule once for a rejection; a rejection with two rules counts in both. `changed`
    counts what the recipe asked for and was done to values and images, by rule.
    """

    rows_read: int = 0
    rows_used: int = 0
    rows_rejected: int = 0
    rows_with_rejection: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    conversations_made: int = 0
    conversations_accepted: int = 0
    conversations_rejected: int = 0
    conversations_deduplicated: int = 0
    lines_read: int = 0
    lines_of_rows: int = 0
    lines_of_header: int = 0
    rejected_by_rule: Counter[str] = field(default_factory=Counter)
    warned_by_rule: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    images_unique: int = 0
    images_references: int = 0
    images_bytes: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    groups: int = 0
    largest_group: int = 0

    @property
    def rows_skipped(self) -> int:
        """Rows that the recipe leaves out, for whatever reason."""
        return self.skipped.total()

    def count_written(self, count: int) -> None:
        """Count the descriptions that are in the dataset: those of rows that were rejected after all are not."""
        self.changed.pop(WRITTEN, None)
        if count:
            self.changed[WRITTEN] = count

    def check(self) -> None:
        """Raise LedgerError where an equation does not hold: that would be our bug."""
        equations = {
            "rows read == used + skipped + rejected": (
                self.rows_read,
                self.rows_used + self.rows_skipped + self.rows_rejected,
            ),
            "conversations made == accepted + rejected + deduplicated": (
                self.conversations_made,
                self.conversations_accepted + self.conversations_rejected + self.conversations_deduplicated,
            ),
            "physical lines == lines of rows + lines of the header": (
                self.lines_read,
                self.lines_of_rows + self.lines_of_header,
            ),
            "conversations accepted == rows of all splits": (self.conversations_accepted, sum(self.splits.values())),
        }
        broken = [f"{words}: {left:,} != {right:,}" for words, (left, right) in equations.items() if left != right]
        if broken:
            raise LedgerError("the ledger does not balance: " + "; ".join(broken))

    def as_dict(self) -> dict[str, Any]:
        """Plain data in a fixed order, as the report and the manifest hold it."""
        return {
            "rows": {
                "read": self.rows_read,
                "used": self.rows_used,
                "skipped": dict(sorted(self.skipped.items())),
                "rejected": self.rows_rejected,
            },
            "conversations": {
                "made": self.conversations_made,
                "accepted": self.conversations_accepted,
                "rejected": self.conversations_rejected,
                "deduplicated": self.conversations_deduplicated,
            },
            "lines": {"read": self.lines_read, "rows": self.lines_of_rows, "header": self.lines_of_header},
            "images": {
                "unique": self.images_unique,
                "references": self.images_references,
                "bytes": self.images_bytes,
            },
            "rejected_by_rule": dict(sorted(self.rejected_by_rule.items())),
            "warned_by_rule": dict(sorted(self.warned_by_rule.items())),
            "changed": dict(sorted(self.changed.items())),
            "splits": dict(self.splits),
            "groups": {"count": self.groups, "largest": self.largest_group},
        }
