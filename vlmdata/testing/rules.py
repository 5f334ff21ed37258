"""Whether rules from outside, with all that looks for them, can be named in settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vlmdata.check_settings import CheckSettings, forget_wanted
from vlmdata.rule_plugins import RulePlugin, plugin_faults
from vlmdata.rules import add_rules
from vlmdata.testing.checks import Dataset, check_faults, dataset_check_faults
from vlmdata.testing.conformance import attempted, refuse
from vlmdata.testing.records import Record


def conforms_rules(  # noqa: PLR0913  (examples of each kind, each by its name)
    plugin: RulePlugin,
    *,
    bad: Mapping[str, Sequence[Record]] | None = None,
    good: Sequence[Record] = (),
    bad_datasets: Mapping[str, Sequence[Dataset]] | None = None,
    good_datasets: Sequence[Dataset] = (),
    of_sources: Sequence[str] = (),
) -> None:
    """Hold a RulePlugin, its check and its dataset check to their Protocols. Raises ConformanceError.

    Each rule must be shown by a bad record or a bad dataset, as `conforms_check` and `conforms_dataset_check` take
    them, but for those that rows are rejected by `of_sources`.
    """
    refuse("rules", _faults(plugin, (bad or {}, good), (bad_datasets or {}, good_datasets), of_sources))


def _faults(
    plugin: RulePlugin,
    records: tuple[Mapping[str, Sequence[Record]], Sequence[Record]],
    datasets: tuple[Mapping[str, Sequence[Dataset]], Sequence[Dataset]],
    of_sources: Sequence[str],
) -> Iterator[str]:
    found = list(plugin_faults(plugin))
    yield from found
    if found:
        return
    add_rules(plugin.rules)
    forget_wanted()
    known = {rule.id for rule in plugin.rules}
    shown = {*records[0], *datasets[0]}
    for rule in sorted(known - shown - set(of_sources)):
        yield f"nothing shows {rule}: give a bad record or a bad dataset of it"
    for rule in sorted((shown | set(of_sources)) - known):
        yield f"{rule} is shown, and is none of its rules"
    settings = CheckSettings(preview=True, plugins=())
    yield from _check_faults(plugin, settings, records)
    yield from _dataset_check_faults(plugin, settings, datasets)


def _check_faults(
    plugin: RulePlugin,
    settings: CheckSettings,
    records: tuple[Mapping[str, Sequence[Record]], Sequence[Record]],
) -> Iterator[str]:
    make = plugin.check
    if make is not None:
        check = attempted(lambda: make(settings), "while its check is made")
        yield from (f"check: {fault}" for fault in check_faults(check, *records))
    elif records[0]:
        yield "has no check, and bad records are given"


def _dataset_check_faults(
    plugin: RulePlugin,
    settings: CheckSettings,
    datasets: tuple[Mapping[str, Sequence[Dataset]], Sequence[Dataset]],
) -> Iterator[str]:
    make = plugin.dataset_check
    if make is not None:
        yield from (f"dataset check: {fault}" for fault in dataset_check_faults(lambda: make(settings), *datasets))
    elif datasets[0]:
        yield "has no dataset check, and bad datasets are given"
