"""What a validation found: every target that was looked at, exact counts by rule, and as many problems as are kept.

Reports render it; nothing here reads data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.record import Problem, Severity

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

Kind = Literal["dataset", "recipe", "conversations", "unknown"]
Counts = Mapping[tuple[str, Severity], int]
"""How often a rule was broken, by rule and severity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A finding of a baseline, by which it is found again: never by its line."""

    target: str
    rule: str
    id: str = ""
    source: str = ""
    field: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that was looked at. `path` is as the user wrote it, with forward slashes.

    `named_by` are paths of files that it reads, which a hook passed. `records` are those that a dataset holds, or would
    hold; `splits` counts them by split. `problems` are as many as are kept of each rule, the worst first, in order of
    source and line; `counts` are exact, and `known` counts what a baseline knows already, which is in neither.
    `sources` leads from `Problem.source`, a bare name, to the path of that file relative to the current folder, where
    it is known. `not_checked` says in words what was not looked at. `error` is why it could not be looked at to the
    end, `error_code` the exit code of that.
    """

    path: str
    kind: Kind
    named_by: tuple[str, ...] = ()
    records: int = 0
    images: int = 0
    rows: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    counts: Counts = field(default_factory=dict)
    known: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    not_checked: tuple[str, ...] = ()
    error: str = ""
    error_code: int = 0
    settings: CheckSettings = DEFAULT

    def count(self, severity: Severity) -> int:
        """How many findings have a severity."""
        return sum(count for (_, found), count in self.counts.items() if found == severity)

    def reason(self, fail_on: Severity | None = None) -> str:
        """Why it should stop a pipeline, in words; nothing where it should not."""
        errors, warnings, settings = self.count("error"), self.count("warning"), self.settings
        if errors > settings.max_errors:
            return _too_many(errors, "error", settings.max_errors)
        most = 0 if (fail_on or settings.fail_on) == "warning" else settings.max_warnings
        if most is not None and warnings > most:
            return _too_many(warnings, "warning", most)
        return ""

    @property
    def exit_code(self) -> int:
        """0 where nothing of it stops a pipeline, 1 for findings, 2 or 3 where it can't be looked at."""
        return max(int(bool(self.reason())), self.error_code)

    def place(self, problem: Problem) -> str:
        """The path of the file that a problem is in, relative to the current folder; the target's own where none is
        known."""
        return self.sources.get(problem.source) or (self.path if not problem.source else problem.source)

    def by_rule(self) -> dict[str, int]:
        """How often each rule was broken."""
        found: Counter[str] = Counter()
        for (rule, _), count in self.counts.items():
            found[rule] += count
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """What a validation found in all of its targets. `gone` are findings of the baseline that are no more.

    `show_all`: every problem was kept, and is to be shown.
    """

    targets: tuple[Target, ...]
    baseline: str = ""
    gone: tuple[Known, ...] = ()
    seconds: float = 0.0
    show_all: bool = False

    @property
    def path(self) -> Path:
        """The first target's path."""
        return Path(self.targets[0].path if self.targets else ".")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of all targets, as many as are kept."""
        return tuple(problem for target in self.targets for problem in target.problems)

    @property
    def splits(self) -> dict[str, int]:
        """The number of records of each split, over all targets."""
        found: Counter[str] = Counter()
        for target in self.targets:
            found.update(target.splits)
        return dict(found)

    @property
    def records(self) -> int:
        """The number of records looked at."""
        return sum(target.records for target in self.targets)

    @property
    def images(self) -> int:
        """The number of images looked at."""
        return sum(target.images for target in self.targets)

    @property
    def errors(self) -> int:
        """How many errors were found, those that a baseline knows left out."""
        return self.count("error")

    @property
    def warnings(self) -> int:
        """How many warnings were found, those that a baseline knows left out."""
        return self.count("warning")

    @property
    def known(self) -> int:
        """How many findings the baseline knows already."""
        return sum(count for target in self.targets for count in target.known.values())

    @property
    def rows_per_second(self) -> float:
        """Records looked at in a second."""
        return self.records / self.seconds if self.seconds else 0.0

    def found(self) -> Iterator[tuple[Target, Problem]]:
        """Each problem that is kept, with the target it was found in."""
        for target in self.targets:
            for problem in target.problems:
                yield target, problem

    def count(self, severity: Severity) -> int:
        """How many findings have a severity."""
        return sum(target.count(severity) for target in self.targets)

    def by_rule(self) -> dict[str, int]:
        """How often each rule was broken, exactly, in order of their names."""
        found: Counter[str] = Counter()
        for target in self.targets:
            found.update(target.by_rule())
        return dict(sorted(found.items()))

    def failed(self, fail_on: Severity | None = None) -> bool:
        """Whether it should stop a pipeline: for problems of that severity or worse, more than settings allow."""
        return bool(self.reason(fail_on))

    def reason(self, fail_on: Severity | None = None) -> str:
        """Why it counts as failed, in words; nothing where it does not."""
        failed = [reason for target in self.targets if (reason := target.reason(fail_on))]
        broken = [target.path for target in self.targets if target.error_code]
        reasons = failed if len(failed) < 2 else [f"{len(failed):,} of {len(self.targets):,} paths have findings"]
        if len(broken) == 1:
            reasons.append(f"{broken[0]} could not be looked at to its end")
        elif broken:
            reasons.append(f"{len(broken):,} of {len(self.targets):,} paths could not be looked at to their end")
        return "; ".join(reasons)

    @property
    def exit_code(self) -> int:
        """0 where nothing stops a pipeline, 1 for findings, 2 where a target can't be looked at."""
        return max((target.exit_code for target in self.targets), default=0)

    @property
    def settings(self) -> CheckSettings:
        """The settings of the first target; where files or recipes settle others, each target has its own."""
        return self.targets[0].settings if self.targets else DEFAULT

    @property
    def fail_on(self) -> Severity:
        """What makes the first target fail."""
        return self.settings.fail_on

    @property
    def max_errors(self) -> int:
        """So many errors do not fail the first target yet."""
        return self.settings.max_errors

    @property
    def max_warnings(self) -> int | None:
        """More warnings than these fail the first target, where there is such a number."""
        return self.settings.max_warnings

    def to_pandas(self) -> pd.DataFrame:
        """The problems that are kept, one a row, each with its target and the path of its file."""
        from dataclasses import asdict

        import pandas

        rows = [{"target": target.path, "file": target.place(each), **asdict(each)} for target, each in self.found()]
        columns = ["target", "file", "rule", "severity", "source", "line", "id", "field", "message", "hint"]
        return pandas.DataFrame(rows, columns=columns)

    def write(self, path: str | Path) -> Path:
        """Write a report whose format the ending says: .json, .sarif, .xml (JUnit), .html or .txt."""
        from vlmdata.reports.findings import write_report

        return write_report(self, Path(path))

    def _repr_html_(self) -> str:
        from vlmdata.reports.html import notebook_html

        return str(notebook_html(self))


def as_dict(result: ValidationResult) -> dict[str, Any]:
    """The counts of a result as plain data, without its problems."""
    return {
        "records": result.records,
        "images": result.images,
        "splits": result.splits,
        "errors": result.errors,
        "warnings": result.warnings,
        "known": result.known,
        "by_rule": result.by_rule(),
    }


def _too_many(count: int, word: str, most: int) -> str:
    return f"{_counted(count, word)}, at most {most:,} may be" if most else _counted(count, word)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' if count != 1 else ''}"
