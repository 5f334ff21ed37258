"""What can go wrong in a run, as exceptions that carry problems. The command line turns each into an exit code."""

from __future__ import annotations

from vlmdata.errors import ConfigError, VlmError


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
