"""The checks of a whole dataset that need no image's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vlmdata.check.balance import Balance
from vlmdata.check.coverage import SplitSizes, TagCoverage
from vlmdata.check.endings import Endings
from vlmdata.check.images import RepeatedInRow, SharedImages
from vlmdata.check.repeats import Conflicts, Duplicates, OneAnswer
from vlmdata.check.rows import Rows
from vlmdata.check_settings import CheckSettings
from vlmdata.protocols import DatasetCheck
from vlmdata.rule_plugins import plugged_dataset_checks


class RuledCheck(DatasetCheck, Protocol):
    """A dataset check that says which rules it looks for."""

    @property
    def rules(self) -> Sequence[str]:
        """The ids of its rules."""
        ...


def dataset_checks(settings: CheckSettings, splits: Sequence[str] = ()) -> tuple[DatasetCheck, ...]:
    """The checks that settings ask for, each to be shown every batch in turn.

    They share what they keep of the rows, so that each of them must be shown a batch before the next batch comes.
    `splits` are the names of the splits that there are, an empty one among them too.
    """
    rows = Rows(settings)
    checks: tuple[RuledCheck, ...] = (
        RepeatedInRow(rows),
        SharedImages(rows),
        Duplicates(rows),
        Conflicts(rows),
        OneAnswer(rows),
        Endings(rows),
        Balance(rows),
        TagCoverage(rows),
        SplitSizes(settings, splits),
        *plugged_dataset_checks(settings),
    )
    return tuple(check for check in checks if any(settings.wants(rule) for rule in check.rules))
