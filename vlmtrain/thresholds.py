"""What a score must reach, for CI: `chrf=60`, or for a score that is better when lower, what it may reach at most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vlmdata.errors import ConfigError
from vlmdata.record import Problem
from vlmdata.settings import nearest
from vlmtrain.errors import ThresholdError
from vlmtrain.evaluation import Candidate, EvalResult


def thresholds(given: Sequence[str]) -> dict[str, float]:
    """METRIC=VALUE as numbers. Raises ConfigError with every one that is none."""
    found, problems = {}, []
    for each in given:
        name, _, value = each.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            message = f"{each!r}: expected METRIC=VALUE with a number, such as chrf=60"
            problems.append(Problem(rule="eval.threshold", message=message, source="--fail-under"))
    if problems:
        raise ConfigError("--fail-under can't be read", problems)
    return found


def refuse_unmeasured(wanted: Mapping[str, float], metrics: Sequence[str]) -> None:
    """Raise ConfigError, before anything is asked, for a score that none of these metrics has."""
    if any(":" in name for name in metrics):
        return  # whoever comes from outside may call its scores as it likes
    unknown = [name for name in wanted if name.partition(".")[0] not in metrics]
    if unknown:
        problems = [
            Problem(
                rule="eval.threshold",
                message=f"{name!r} is a score of none of the metrics",
                source="--fail-under",
                hint=nearest(name, list(metrics)) or f"they are {', '.join(metrics)}",
            )
            for name in unknown
        ]
        raise ConfigError("--fail-under names what is not measured", problems)


def require(result: EvalResult, wanted: Mapping[str, float]) -> None:
    """Raise ThresholdError where the last candidate's scores are worse than wanted, with each of them.

    Raises ConfigError for a score that there is not, with the nearest one.
    """
    *_, last = result.candidates.values()
    unknown = [name for name in wanted if name not in last.metrics]
    if unknown:
        problems = [_unknown(name, last) for name in unknown]
        raise ConfigError("--fail-under names what was not measured", problems)
    problems = [
        Problem(rule="eval.threshold", message=_said(result, last, name, least), source=last.name, field=name)
        for name, least in wanted.items()
        if _worse(result, last.metrics[name], name, least)
    ]
    if problems:
        raise ThresholdError(f"not reached: {len(problems)} of the {len(wanted)} that --fail-under asks for", problems)


def _unknown(name: str, last: Candidate) -> Problem:
    hint = nearest(name, list(last.metrics)) or f"measured: {', '.join(last.metrics)}"
    return Problem(rule="eval.threshold", message=f"{name!r} was not measured", source="--fail-under", hint=hint)


def _worse(result: EvalResult, value: float, name: str, least: float) -> bool:
    if not math.isfinite(value):
        return True
    return value > least if result.higher_is_better(name) is False else value < least


def _said(result: EvalResult, last: Candidate, name: str, least: float) -> str:
    way = "at most" if result.higher_is_better(name) is False else "at least"
    around = last.estimates[name].interval
    shown = f" (95 % between {around.low:.4g} and {around.high:.4g})" if around else ""
    return f"{last.metrics[name]:.4g}{shown}, {way} {least:g} was asked for{_beyond_references(result, name, least)}"


def _beyond_references(result: EvalResult, name: str, least: float) -> str:
    """That the reference answers would not reach it either, so that what learned from them can hardly."""
    most = result.reference.get(name)
    if most is None or not _worse(result, most, name, least):
        return ""
    return f"; the references themselves reach {most:.4g}, so that no model that answers as they do can reach it"
