"""Records to problems. Each check screens whole columns and looks closer at suspects only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.protocols import Check
from vlmdata.record import Problem

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Settled:
    """A check whose findings are those that settings want, as bad as these say."""

    check: Check
    settings: CheckSettings

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Problem]:
        """The problems of a batch."""
        return self.settings.applied(self.check(batch))


def checks(settings: CheckSettings = DEFAULT) -> tuple[Check, ...]:
    """The checks that every batch goes through, in order. Rules that nobody wants are not looked for."""
    from vlmdata.check.choices import RULE, check_choices
    from vlmdata.check.messages import RULES, check_messages
    from vlmdata.check.text import TextCheck, text_rules
    from vlmdata.rule_plugins import plugged_checks

    found: list[Check] = []
    if any(map(settings.wants, RULES)):
        found.append(check_messages)
    if settings.wants(RULE):
        found.append(check_choices)
    if wanted := text_rules(settings):
        found.append(TextCheck(wanted))
    found += plugged_checks(settings)
    return tuple(Settled(check, settings) for check in found)
