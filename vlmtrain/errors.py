"""What can go wrong in a run, as exceptions that carry problems. The command line turns each into an exit code."""

from __future__ import annotations

from vlmdata.errors import ConfigError, VlmError
from vlmdata.record import Problem


class RunError(ConfigError):
    """A run file that can't be used as it is."""


class ModelError(VlmError):
    """A base model, processor or adapter that can't be loaded."""


class TemplateError(VlmError):
    """A chat template, or a row under it, whose learned text can't be told from the prompt with certainty."""

    exit_code = 1


class BudgetError(VlmError):
    """Rows that don't fit the token budget, or hold nothing to learn. `problems` names every one of them."""

    exit_code = 1


class TrainingError(VlmError):
    """A training that had to stop: a loss that is no number, or no memory left."""

    exit_code = 1


class ThresholdError(VlmError):
    """Scores, or an agreement, that are worse than was asked for."""

    exit_code = 1


def over_budget(name: str, length: int, most: int) -> Problem:
    """The problem of a row that has more tokens than it may."""
    hint = "raise budget.max_length, lower budget.max_pixels, or leave the row out: nothing is cut"
    return Problem(
        rule="budget.max_length", message=f"{length:,} tokens, at most {most:,} fit", id=name, source=name, hint=hint
    )
