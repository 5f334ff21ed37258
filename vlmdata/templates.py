"""Jinja templates over a row's values: sandboxed, strict about names, aware of missing values.

A missing value is never printed as `nan` or `None`. A line of the template whose every value is missing leaves no line
behind, so that an empty brand leaves no `Brand: `.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isnan
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.meta import find_undeclared_variables

from vlmdata.template_sandbox import MAX_TEXT, MISSING, PRESENT, Environment, Row, filter_names

ROW = "row"
COMPILE_ERRORS = (TemplateSyntaxError, RecursionError, SyntaxError, MemoryError)
RENDER_ERRORS = (
    *(JinjaError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(RecursionError, MemoryError),
)


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
            message = f"the template {_short(self.text)!r} asks for what the row has not: {error}"
            hint = "where a cell holds JSON, name its column in source.json" if "'str object'" in str(error) else ""
            raise TemplateError(message, hint) from None
        except RENDER_ERRORS as error:
            raise TemplateError(f"the template {_short(self.text)!r} fails on this row: {error}") from None
        return tidy(rendered)


@cache
def _environment() -> Environment:
    return Environment()


@cache
def compile_template(text: str) -> Template:
    """Compile a template. Raises TemplateError with the line where its syntax is wrong."""
    return _compiled(text, text)


@cache
def compile_expression(text: str) -> Template:
    """Compile a condition such as `active == '1'`; it renders to `True` or `False`. Raises TemplateError."""
    try:
        _environment().compile_expression(text)
    except COMPILE_ERRORS as error:
        raise _not_a_template(error, "a condition") from None
    return _compiled(text, f"{{{{ 'True' if ({text}\n) else 'False' }}}}")


def _compiled(text: str, source: str) -> Template:
    try:
        tree = _environment().parse(source)
        compiled = _environment().from_string(source)
    except COMPILE_ERRORS as error:
        raise _not_a_template(error, "a Jinja template") from None
    given = dict(_environment().globals)

    def render(values: Mapping[str, Any]) -> str:
        # A shared context is not copied key by key from the globals for each row, which took half of the time.
        context = compiled.new_context({**given, **values, ROW: Row(values)}, shared=True)
        return _bounded(compiled.root_render_func(context))

    return Template(text, _names(tree), render)


def _bounded(pieces: Iterable[str]) -> str:
    """The pieces put together; given up as soon as they are too long."""
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > MAX_TEXT:
            raise ValueError(f"it makes more than {MAX_TEXT:,} characters")
    return "".join(kept)


def _not_a_template(error: Exception, wanted: str) -> TemplateError:
    if not isinstance(error, TemplateSyntaxError):
        return TemplateError(f"not {wanted}: nested too deeply")
    words, line = str(error.message), error.lineno
    hint = (
        "write {{ column }}, or {{ row['Column name'] }} where the name has spaces" if wanted != "a condition" else ""
    )
    if words.startswith("No filter named"):
        name = words.split("'")[1]
        near = difflib.get_close_matches(name, filters := filter_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the filters are {', '.join(filters)}"
    return TemplateError(f"not {wanted}: {words.removesuffix('.')} (line {line})", hint)


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
    """A source's value for templates: None where it is missing, also inside lists and mappings."""
    if isinstance(value, str):
        return None if value.strip() in nulls else value
    if isinstance(value, Mapping):
        return {key: known_value(entry, nulls) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [known_value(entry, nulls) for entry in value]
    return None if isinstance(value, float) and isnan(value) else value


def holds_marks(value: Any) -> bool:
    """Whether a value holds the noncharacters that this file works with, which no text has a use for."""
    if isinstance(value, Mapping):
        return any(holds_marks(key) or holds_marks(entry) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return any(map(holds_marks, value))
    return isinstance(value, str) and (MISSING in value or PRESENT in value)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
