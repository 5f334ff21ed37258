"""From an entry of the journal to the text that a row gets, or the problem that rejects it.

Nothing of this is kept: with another `answer`, `language` or rule the same entries are judged anew, at no cost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jsonschema import Draft202012Validator

from vlmdata.describe_settings import DescribeConfig
from vlmdata.description.journal import Ended, Entry
from vlmdata.description.quality import Quality
from vlmdata.record import Problem
from vlmdata.templates import TemplateError, compile_template, holds_marks

SHOWN = 120
HALF = re.compile(r"[\ud800-\udfff]")
ENDINGS: Mapping[Ended, tuple[str, str, str]] = {
    "length": ("describe.cut", "the answer was cut off", "raise describe.max_output_tokens"),
    "blocked": ("describe.blocked", "the provider blocked the answer", "set describe.safety, or write it by hand"),
    "empty": ("describe.empty", "the answer was empty", "ask again with --retry-failed, or write it by hand"),
    "server": ("describe.failed", "the provider failed", "ask again with --retry-failed"),
    "timeout": ("describe.failed", "no answer came in time", "ask again with --retry-failed"),
    "connection": ("describe.failed", "the connection broke", "ask again with --retry-failed"),
    "invalid": ("describe.invalid", "the provider takes no such request", "look at the row's images and prompt"),
    "location": ("describe.location", "a photo says where it was taken", "strip it, or set pictures.location: strip"),
    "picture": ("describe.picture", "a photo can't be made ready to be sent", "export the photo again"),
}
"""What each ending but `stop` is called, and what to do about it."""

BY_HAND = ("describe.empty", "the file of answers has none", "add a line with its id, then run it with --retry-failed")
"""The same where people write the answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A row's text, and everything that is wrong with it, for which the row is rejected."""

    text: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the text may stand in the dataset."""
        return not self.problems


def missing() -> Problem:
    """The problem of a row that nobody has been asked about yet."""
    message = "the row has no text, and none was written for it yet"
    return Problem(rule="describe.missing", message=message, hint="run vlmdata describe, or raise describe.max_cost")


Rules = Callable[[Sequence[str]], Sequence[Sequence[Problem]]]
"""From texts to what the rules of texts find in each. Many at a time take hardly longer than one."""


def no_rules(texts: Sequence[str]) -> Sequence[Sequence[Problem]]:
    """For a scan, which looks at all texts anyway."""
    return [()] * len(texts)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges entries by a recipe."""

    config: DescribeConfig
    quality: Quality
    rules: Rules = no_rules

    def verdicts(self, entries: Sequence[tuple[Entry, Mapping[str, Any]]]) -> list[Verdict]:
        """The verdicts on entries for rows, with what the rules of texts find."""
        found = [self.verdict(entry, values) for entry, values in entries]
        ruled = self.rules([verdict.text for verdict in found])
        return [
            replace(verdict, problems=(*verdict.problems, *map(self._placed, more))) if verdict.text else verdict
            for verdict, more in zip(found, ruled, strict=True)
        ]

    def verdict(self, entry: Entry, values: Mapping[str, Any]) -> Verdict:
        """The text of an entry for a row, and what is wrong with it but for the rules of texts."""
        if entry.ended != "stop":
            rule, message, hint = BY_HAND if self._unwritten(entry) else ENDINGS[entry.ended]
            said = f"{message}: {_short(entry.reason)}" if entry.reason else message
            return self._rejected(Problem(rule=rule, message=said, hint=hint))
        wrong = self.form_problem(entry.text)
        if wrong:
            message = f"the answer {wrong}: {_short(entry.text)!r}"
            return self._rejected(Problem(rule="describe.json", message=message, hint="ask again with --retry-failed"))
        try:
            text = compile_template(self.config.answer)({"answer": self._parsed(entry.text)})
        except TemplateError as error:
            message = f"describe.answer makes no text of the answer: {error.message}"
            return self._rejected(Problem(rule="describe.answer", message=message, hint=error.hint))
        if not text:
            return self._rejected(Problem(rule="describe.empty", message="the text is empty", hint=ENDINGS["empty"][2]))
        if not text.isascii() and HALF.search(text):
            message = "the text holds half of a surrogate pair, which is no character"
            return self._rejected(Problem(rule="text.surrogate", message=message, hint="ask again with --retry-failed"))
        found = tuple(self._placed(each) for each in self.quality.problems(text, values))
        return Verdict(text=text, problems=found)

    def _unwritten(self, entry: Entry) -> bool:
        """Whether a row has no answer because nobody has written one into the file."""
        return self.config.provider == "file" and entry.ended == "empty"

    def form_problem(self, text: str) -> str:
        """What keeps an answer from being what the schema wants; nothing where it is, or where there is no schema."""
        if self.config.schema is None:
            return "holds a noncharacter (U+FDD0 or U+FDD1)" if holds_marks(text) else ""
        try:
            parsed = json.loads(text)
            wrong = next(Draft202012Validator(self.config.schema).iter_errors(parsed), None)
            marked = holds_marks(parsed)
        except json.JSONDecodeError as error:
            return f"is no JSON ({error})"
        except (ValueError, RecursionError):
            return "is no JSON that can be read: it is nested too deeply, or holds a number of thousands of digits"
        if wrong is None:
            return "holds a noncharacter (U+FDD0 or U+FDD1)" if marked else ""
        where = ".".join(map(str, wrong.absolute_path))
        return f"does not follow the schema{f' at {where}' if where else ''} ({_short(wrong.message)})"

    def _parsed(self, text: str) -> Any:
        return text if self.config.schema is None else json.loads(text)

    def _placed(self, problem: Problem) -> Problem:
        """A finding in the column that the text is for; whatever is found in a written text rejects it."""
        return Problem(
            rule=problem.rule,
            message=problem.message,
            hint=problem.hint,
            field=self.config.column,
            source=problem.source,
            line=problem.line,
        )

    def _rejected(self, problem: Problem) -> Verdict:
        return Verdict(problems=(self._placed(problem),))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
