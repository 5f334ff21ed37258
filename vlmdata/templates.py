"""Jinja templates over a row's values: sandboxed, strict about names, aware of missing values.

A missing value is never printed as `nan` or `None`. A line of the template whose every value is missing leaves no line
behind, so that an empty brand leaves no `Brand: `.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from math import isnan
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

MISSING, PRESENT = "\ufdd0", "\ufdd1"
"""Noncharacters (Unicode never assigns them) that mark where a value was printed, taken out again in this file."""

MAX_RANGE = 1000
MAX_TEXT = 200_000
ROW = "row"


class TemplateError(ValueError):
    """A template that can't be compiled or rendered: what was found, and what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. `names` are the columns that it reads."""

    text: str
    names: frozenset[str]
    _render: Callable[[Mapping[str, Any]], str]

    def __call__(self, values: Mapping[str, Any]) -> str:
        """The text for one row's values, a missing one being None. Raises TemplateError."""
        try:
            rendered = self._render(values)
        except UndefinedError as error:
            raise TemplateError(f"the template {_short(self.text)!r} asks for what the row has not: {error}") from None
        except (
            JinjaError,
            SecurityError,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            AttributeError,
        ) as error:
            raise TemplateError(f"the template {_short(self.text)!r} fails on this row: {error}") from None
        if len(rendered) > MAX_TEXT:
            message = f"the template {_short(self.text)!r} makes {len(rendered):,} characters, at most {MAX_TEXT:,}"
            raise TemplateError(message)
        return tidy(rendered)


def _finalize(value: Any) -> Any:
    """What stands for a printed value: a mark, and the value unless it is missing."""
    if value is None:
        return MISSING
    return value if isinstance(value, Undefined) else f"{PRESENT}{value}"


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which a missing value is None and printing one leaves a mark."""

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=_finalize, keep_trailing_newline=False, autoescape=False)
        self.globals = {"range": _bounded_range}


def _bounded_range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > MAX_RANGE:
        raise TemplateError(f"range({', '.join(map(str, bounds))}) is longer than {MAX_RANGE:,}")
    return made


@cache
def _environment() -> _Environment:
    return _Environment()


@cache
def compile_template(text: str) -> Template:
    """Compile a template. Raises TemplateError with the line where its syntax is wrong."""
    tree = _parsed(text)
    compiled = _environment().from_string(text)
    return Template(text, _names(tree), lambda values: compiled.render(_context(values)))


@cache
def compile_expression(text: str) -> Template:
    """Compile a condition such as `active == '1'`; it renders to `True` or `False`. Raises TemplateError."""
    wrapped = f"{{{{ True if ({text}) else False }}}}"
    tree = _parsed(wrapped)
    compiled = _environment().from_string(wrapped)
    return Template(text, _names(tree), lambda values: compiled.render(_context(values)))


def _context(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, ROW: values}


def _parsed(text: str) -> nodes.Template:
    try:
        return _environment().parse(text)
    except TemplateSyntaxError as error:
        raise TemplateError(
            f"not a Jinja template: {error.message} (line {error.lineno})", "see docs on templates"
        ) from None
    except RecursionError:
        raise TemplateError("not a Jinja template: nested too deeply") from None


def _names(tree: nodes.Template) -> frozenset[str]:
    """The columns a template reads: plain names, and the constant keys of `row["Product title"]`."""
    plain = find_undeclared_variables(tree) - {ROW, "range"}
    keys = {
        node.arg.value
        for node in tree.find_all(nodes.Getitem)
        if isinstance(node.node, nodes.Name) and node.node.name == ROW and isinstance(node.arg, nodes.Const)
    }
    attributes = {
        node.attr
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == ROW
    }
    return frozenset(plain | {str(key) for key in keys} | (attributes - {"get", "items", "keys", "values"}))


def tidy(rendered: str) -> str:
    """Take the marks out: a line with only missing values goes whole, and white space at both ends goes too."""
    if MISSING in rendered:
        lines = [line for line in rendered.split("\n") if MISSING not in line or PRESENT in line]
        rendered = "\n".join(lines)
    return rendered.replace(MISSING, "").replace(PRESENT, "").strip()


def known_value(value: Any, nulls: Collection[str]) -> Any:
    """A source's value for templates: None where it is missing."""
    if isinstance(value, str):
        return None if value.strip() in nulls else value
    return None if isinstance(value, float) and isnan(value) else value


def holds_marks(value: Any) -> bool:
    """Whether a value holds the noncharacters that this file works with, which no text has a use for."""
    return isinstance(value, str) and (MISSING in value or PRESENT in value)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
