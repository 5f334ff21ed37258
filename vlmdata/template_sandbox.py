"""What a template may do: Jinja's sandbox with a short list of words, and a bound on everything that could grow.

Jinja's own sandbox keeps a template from Python's insides. It does not keep it from `'a' * 10**10`, from macros that
call each other without end, or from printing `None` where a value is missing; this file does.

Values are text, or what JSON holds. `{{ attributes.brand }}` takes an entry of a mapping; one that it has not is a
missing value, as an empty cell is. A list or mapping printed as it is becomes JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from itertools import islice
from typing import Any, TypeGuard

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MISSING, PRESENT = "\ufdd0", "\ufdd1"
"""Noncharacters (Unicode never assigns them) that mark where a value was printed; `templates` takes them out again."""

MAX_TEXT = 200_000
MAX_ITEMS = 1000
MAX_LOOPS = 2
MAX_NUMBER = 10**18
LOOP = "_loop"

METHODS = frozenset(
    {
        *("capitalize", "casefold", "count", "endswith", "find", "get", "index", "isalpha", "isdigit", "isnumeric"),
        *("items", "keys", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind"),
        *("rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title"),
        *("upper", "values"),
    }
)
"""What may be called on a value. `format`, `center`, `join` and their like can make a text of any length."""

TEXT_FILTERS = ("capitalize", "lower", "striptags", "title", "trim", "truncate", "upper", "wordcount")
OTHER_FILTERS = (
    *("abs", "float", "int", "length", "list", "map", "max", "min", "reject", "reverse", "select"),
    *("sort", "unique"),
)

REFUSED: dict[type[nodes.Node], str] = {
    nodes.AssignBlock: "{% set %} … {% endset %}",
    nodes.Block: "{% block %}",
    nodes.CallBlock: "{% call %}",
    nodes.Extends: "{% extends %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.FromImport: "{% from %}",
    nodes.Import: "{% import %}",
    nodes.Include: "{% include %}",
    nodes.Macro: "{% macro %}",
}


class Row(dict[str, Any]):
    """All values of a row under the name `row`. It is read by name only: as a whole it is no text for a model."""


def finalize(value: Any) -> Any:
    """What stands for a printed value: a mark, and the value unless it is missing.

    The mark stands on each line of the value, so that no line of it goes with a missing value beside it.
    """
    if value is None:
        return MISSING
    if isinstance(value, Undefined):
        return value
    return PRESENT + printed(value).replace("\n", f"\n{PRESENT}")


def printed(value: Any) -> str:
    """A value as text, a list or a mapping as JSON. Raises SecurityError for the row as a whole, and for bytes."""
    return json_text(value) if is_nested(value) else scalar(value)


def is_nested(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...] | Mapping[str, Any]]:
    """Whether a value has entries: a list or a mapping inside a row."""
    return isinstance(value, list | tuple | Mapping) and not isinstance(value, Row)


def json_text(value: Any) -> str:
    """A list or mapping on one line of JSON. Raises SecurityError where it is too long, or holds what JSON has not."""
    pieces, size = [], 0
    for piece in JSON.iterencode(value):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_TEXT:
            raise SecurityError(f"it makes more than {MAX_TEXT:,} characters of JSON")
    return "".join(pieces)


def _no_json(value: Any) -> Any:
    raise SecurityError(f"{_kind(value)} can't be printed")


JSON = json.JSONEncoder(ensure_ascii=False, default=_no_json)


def scalar(value: Any) -> str:
    """A value without entries as text: `true` and `false` as JSON has them. Raises SecurityError for any other."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | Undefined):
        return str(value)
    raise SecurityError(f"{_kind(value)} can't be put into a text; join it, or take one entry")


def bounded_text(text: str) -> str:
    """The text. Raises SecurityError where it is longer than any text of a row may be."""
    if len(text) > MAX_TEXT:
        raise SecurityError(f"it makes {len(text):,} characters, at most {MAX_TEXT:,}")
    return text


def bounded_items(items: Iterable[Any] | None) -> Iterator[Any]:
    """What a loop goes through; nothing where the list is missing. Raises SecurityError after a thousand."""
    iterator = iter(() if items is None else items)
    yield from islice(iterator, MAX_ITEMS)
    if next(iterator, iterator) is not iterator:
        raise SecurityError(f"a loop goes through more than {MAX_ITEMS:,} entries")


def bounded_range(*bounds: int) -> range:
    """Python's range, of at most a thousand numbers."""
    made = range(*bounds)
    if len(made) > MAX_ITEMS:
        raise SecurityError(f"range({', '.join(map(str, bounds))}) is longer than {MAX_ITEMS:,}")
    return made


def joined(parts: Iterable[Any] | None, separator: str = "") -> str | None:
    """Texts in a row; missing ones are left out, and where all are missing, or there are none, so is the whole."""
    texts = [scalar(part) for part in islice(() if parts is None else parts, MAX_TEXT) if part is not None]
    size = sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0)
    if size > MAX_TEXT:
        raise SecurityError(f"it makes {size:,} characters, at most {MAX_TEXT:,}")
    return separator.join(texts) if texts else None


def replaced(text: str, old: str, new: str, count: int = -1) -> str:
    """`str.replace`, bounded before anything is made."""
    found = text.count(old) if count < 0 else min(text.count(old), count)
    bounded = len(text) + found * (len(new) - len(old))
    if bounded > MAX_TEXT:
        raise SecurityError(f"it makes {bounded:,} characters, at most {MAX_TEXT:,}")
    return text.replace(old, new, count)


def default(value: Any, other: Any = "", blank: bool = False) -> Any:
    """`other` where the value is missing; with `blank`, also where it is empty or false."""
    missing = value is None or isinstance(value, Undefined)
    return other if missing or (blank and not value) else value


def rounded(value: float, digits: int = 0) -> float | int:
    """A number with so many digits behind the point; a whole number where there are none."""
    return round(float(value), digits) if digits else round(float(value))


def _on_text(name: str) -> Callable[..., Any]:
    """A filter of Jinja that takes text, for which a missing value stays missing."""
    original = FILTERS[name]
    place = 1 if hasattr(original, "jinja_pass_arg") else 0

    @wraps(original)
    def aware(*arguments: Any, **options: Any) -> Any:
        value = arguments[place]
        if value is None:
            return None
        text = bounded_text(scalar(value))
        return original(*arguments[:place], text, *arguments[place + 1 :], **options)

    return aware


def _on_anything(name: str) -> Callable[..., Any]:
    """A filter of Jinja for which a missing value stays missing."""
    original = FILTERS[name]
    place = 1 if hasattr(original, "jinja_pass_arg") else 0

    @wraps(original)
    def aware(*arguments: Any, **options: Any) -> Any:
        return None if arguments[place] is None else original(*arguments, **options)

    return aware


def _end_of(name: str) -> Callable[..., Any]:
    """`first` or `last`; of a list that is missing or empty it is a missing value."""
    original = _on_anything(name)

    @wraps(original)
    def aware(environment: Any, value: Any) -> Any:
        found = original(environment, value)
        return None if isinstance(found, Undefined) and not isinstance(value, Undefined) else found

    return aware


def allowed_filters() -> dict[str, Callable[..., Any]]:
    """Every filter a template may use, by name."""
    found: dict[str, Callable[..., Any]] = {name: _on_text(name) for name in TEXT_FILTERS}
    found |= {name: _on_anything(name) for name in OTHER_FILTERS}
    found |= {
        "first": _end_of("first"),
        "last": _end_of("last"),
        "count": found["length"],
        "default": default,
        "d": default,
        "join": joined,
        "round": _missing_stays(rounded),
    }
    return found | {"replace": _missing_stays(replaced), LOOP: bounded_items}


def filter_names() -> list[str]:
    """The names of the filters, as a message lists them."""
    return sorted(name for name in allowed_filters() if name not in {LOOP, "d", "count"})


def _missing_stays(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *arguments, **options: None if value is None else function(value, *arguments, **options)


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, bounded, in which a missing value is None and printing one leaves a mark."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=finalize, autoescape=False)
        self.globals = {"range": bounded_range}
        self.filters = allowed_filters()

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Every template comes through here: what is refused is refused, and loops and `~` are bounded."""
        tree = super()._parse(source, name, filename)
        _refuse(tree)
        bounded: nodes.Template = _Bounded().visit(tree)
        return bounded

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """The methods on the list, and what Jinja's own loop variable has."""
        plain = isinstance(obj, int | float | bytes | list | tuple)
        listed = attr in METHODS if isinstance(obj, str | Mapping) else not plain
        return listed and bool(super().is_safe_attribute(obj, attr, value))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`attributes.brand`: an entry of a mapping, before any of its methods but those on the list."""
        if obj is None or is_nested(obj):
            return self._entry(obj, attribute)
        if isinstance(obj, Row) and attribute in obj and attribute not in METHODS:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`attributes["size"]` and `features[0]`: an entry, missing where there is none."""
        if obj is None or (is_nested(obj) and not isinstance(argument, slice)):
            return self._entry(obj, argument, item=True)
        return super().getitem(obj, argument)

    def _entry(self, obj: Any, key: Any, *, item: bool = False) -> Any:
        """An entry of a mapping or list, None where it has none; and a mapping's methods.

        What begins with an underscore is left to Jinja, which refuses it unless it is an entry.
        """
        if isinstance(key, Undefined):
            return key
        if isinstance(obj, Mapping):
            if not item and key in METHODS and hasattr(obj, key):
                return super().getattr(obj, key)
            if key in obj:
                return obj[key]
        elif isinstance(obj, list | tuple) and isinstance(key, int):
            return obj[key] if -len(obj) <= key < len(obj) else None
        if isinstance(obj, list | tuple) or str(key).startswith("_"):
            return super().getitem(obj, key)
        return None

    def wrap_str_format(self, value: Any) -> None:
        """`format` and `format_map` are no exception to the list, as they would be in Jinja's sandbox."""

    def call(self, context: Context, obj: Any, *arguments: Any, **options: Any) -> Any:
        """`text.replace` is held to the bound; the other methods on the list make no text longer than theirs."""
        if obj is None:
            raise SecurityError("a method is called on a missing value; put {% if … %} round it")
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str) and getattr(obj, "__name__", "") == "replace":
            return replaced(owner, *arguments, **options)
        return super().call(context, obj, *arguments, **options)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers of a sane size; `+` joins texts or lists, bounded."""
        if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, type(left)):
            if len(left) + len(right) > MAX_TEXT:
                raise SecurityError(f"it makes a text or list longer than {MAX_TEXT:,}")
        elif isinstance(left, int | float) and isinstance(right, int | float):
            if max(abs(left), abs(right)) > MAX_NUMBER or (operator == "**" and abs(right) > 16):
                raise SecurityError(f"the numbers of {operator} are too large")
        elif not isinstance(left, Undefined) and not isinstance(right, Undefined):
            raise SecurityError(f"{operator} between {_kind(left)} and {_kind(right)}; ~ puts texts together")
        return super().call_binop(context, operator, left, right)


def _kind(value: Any) -> str:
    names = {type(None): "a missing value", Row: "the whole row", dict: "a mapping", bytes: "a value of bytes"}
    return names.get(type(value), f"a {type(value).__name__}")


def _refuse(tree: nodes.Template) -> None:
    """Raise TemplateSyntaxError for a statement that is not on offer, and for loops nested too deeply."""
    for kind, words in REFUSED.items():
        if (found := next(tree.find_all(kind), None)) is not None:
            raise TemplateSyntaxError(f"{words} is not available here", found.lineno)
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise TemplateSyntaxError("recursive loops are not available here", loop.lineno)
        if _depth(loop) > MAX_LOOPS:
            raise TemplateSyntaxError(f"loops stand in each other at most {MAX_LOOPS} deep", loop.lineno)


def _depth(loop: nodes.For) -> int:
    """How many loops deep the deepest loop inside a loop is, itself included."""
    depth = 1
    inside: list[nodes.Node] = [loop]
    while inside := [child for node in inside for child in node.find_all(nodes.For) if child is not node]:
        depth += 1
        if depth > MAX_LOOPS:
            break
    return depth


class _Bounded(NodeTransformer):
    """Loops go through a bounded filter, and `a ~ b` through `join`, which leaves missing values out."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  (Jinja's name)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, LOOP)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  (Jinja's name)
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join")


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    made = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
    if node.environment is not None:
        made.set_environment(node.environment)
    return made
