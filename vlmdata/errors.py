"""What can go wrong, as exceptions that carry problems. The command line turns each into an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from vlmdata.record import Problem


class VlmError(Exception):
    """Any failure that a user can do something about.

    `problems` holds all that was found wrong, at once; `exit_code` is what the command line exits with.
    """

    exit_code = 2

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([self.message, *(str(problem) for problem in self.problems)])


class ConfigError(VlmError):
    """A settings file, or an option, that can't be used as it is."""


class RecipeError(ConfigError):
    """A recipe that can't be built as it is."""


class SourceError(VlmError):
    """A source that can't be read at all: missing, not a file of its type, without a header."""


class ContractError(VlmError):
    """A dataset that does not follow the record contract."""

    exit_code = 1


class NoDatasetError(ContractError):
    """A path where no dataset is: a mistake in what was asked for, and not in a dataset."""

    exit_code = 2


class BuildRefusedError(VlmError):
    """A build that read everything and publishes nothing: too many rows were rejected."""

    exit_code = 1


class OutputError(VlmError):
    """An output folder that can't be written: it exists already, is in use, or the disk is full."""


class MissingPackageError(VlmError):
    """An optional package that is not installed, with the command that installs it."""


class PluginError(VlmError):
    """Code from outside that is not there, is of another kind, or fails: its fault, neither the data's nor ours."""


class LedgerError(AssertionError):
    """The counts do not balance: our bug, never the data's."""
