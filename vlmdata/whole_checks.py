"""The checks that a validation runs: of each batch of records, and of a dataset as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from vlmdata.against import opened_against
from vlmdata.check import checks
from vlmdata.check.whole import dataset_checks
from vlmdata.check_settings import CheckSettings
from vlmdata.collecting import place_of
from vlmdata.corpus import Corpus
from vlmdata.identity import Groups, Identity
from vlmdata.leaks import AGAINST_LOOKS, LOOKS, WITHIN, leak_findings
from vlmdata.looking import Look
from vlmdata.odd_ids import OddIds
from vlmdata.protocols import Check, DatasetCheck

OF_LOOKS = (LOOKS, WITHIN, AGAINST_LOOKS)
"""Rules for which images are read and compared."""


def row_checks(settings: CheckSettings) -> Sequence[Check]:
    """The checks of a batch that settings ask for."""
    return checks(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The checks of one dataset as a whole. It is shown every batch, and says at the end what was found."""

    corpus: Corpus
    look: Look
    checks: tuple[DatasetCheck, ...]

    @classmethod
    def of(cls, corpus: Corpus, look: Look) -> Whole:
        """The checks that a look's settings ask for."""
        own: tuple[DatasetCheck, ...] = (Identity(corpus), Groups(corpus))
        if any(map(look.settings.wants, OddIds.rules)):
            own = (*own, OddIds(corpus))
        return cls(corpus=corpus, look=look, checks=(*own, *dataset_checks(look.settings, corpus.splits)))

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        """Show a batch of a split to every check."""
        for check in self.checks:
            check.see(split, batch)

    def finish(self) -> None:
        """Collect what was found, what leaks between the splits, and what the datasets `against` hold as well."""
        look = self.look
        told = look.collector.told_so_far()
        for check in self.checks:
            look.collector.add_all(problem for problem in check.findings() if place_of(problem) not in told)
        settings = look.settings
        if not look.images:
            settings = replace(settings, ignore=(*settings.ignore, *OF_LOOKS))
        with opened_against(look) as against:
            look.collector.add_all(leak_findings(self.corpus, against, settings))
