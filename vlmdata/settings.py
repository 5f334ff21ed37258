"""YAML settings: read, overridden, checked against a JSON Schema, and turned into frozen dataclasses.

Every problem of a file is reported at once, each with its line, its path and the nearest spelling.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, Union

import yaml
from jsonschema.exceptions import ValidationError

from vlmdata.contract import validator
from vlmdata.errors import ConfigError
from vlmdata.record import Problem

T = TypeVar("T")
Place = tuple[str | int, ...]
MAX_PLACES = 50_000
MAX_DEPTH = 32
KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A settings file after reading: plain data, and the line that each path stands on."""

    source: str
    data: dict[str, Any]
    lines: Mapping[Place, int] = field(default_factory=dict)

    def problem(self, place: Place, message: str, *, rule: str = "settings.value", hint: str = "") -> Problem:
        """A problem at a place of this file, or at the nearest place above it that the file holds."""
        return Problem(
            rule=rule,
            message=message,
            source=self.source,
            line=self.line_of(place),
            field=dotted(place),
            hint=hint,
        )

    def line_of(self, place: Place) -> int:
        """The line of a place, or of the nearest place above it; 0 where the file holds neither."""
        while place:
            if place in self.lines:
                return self.lines[place]
            place = place[:-1]
        return self.lines.get((), 0)


class Loader(yaml.SafeLoader):
    """YAML as PyYAML reads it (1.1), where a number may also be written `1e-3`, as in YAML 1.2 and in JSON."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE]-[0-9]+\Z"), list("-+0123456789")
)


def dotted(place: Sequence[str | int]) -> str:
    """`conversations[0].user`, from a path of keys and indices."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def nearest(word: str, choices: Sequence[str]) -> str:
    """`did you mean 'source'?`, or nothing where no choice is near."""
    found = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}?" if found else ""


def near_file(path: Path) -> str:
    """`; did you mean 'recipe.yaml'?`, of what lies where a path leads that is not there; or nothing."""
    try:
        near = nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return ""
    return f"; {near}" if near else ""


def read_settings(path: Path) -> Settings:
    """Read a YAML file into plain data with line numbers. Raises ConfigError: not there, not UTF-8, not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file{near_file(path)}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a folder, a YAML file was expected") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start:,}; save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    return parse_settings(text, source=str(path))


def parse_settings(text: str, *, source: str) -> Settings:
    """Parse YAML text into plain data with line numbers. Raises ConfigError with every duplicate key."""
    try:
        root = yaml.compose(text, Loader=Loader)
        if root is None:
            raise ConfigError(f"{source}: the file is empty")
        lines: dict[Place, int] = {}
        problems = list(_walk(root, (), lines, source))
        data = load_yaml(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise ConfigError(f"{where}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-13-45
        raise ConfigError(f"{source}: not YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply") from None
    if problems:
        raise ConfigError(f"{source}: {_count(problems)}", problems)
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: keys and values were expected, found {kind_of(data)}")
    return Settings(source=source, data=data, lines=lines)


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], source: str) -> Iterator[Problem]:
    """Note the line of every place below a node, and report keys that stand twice.

    The walk is bounded, since a few lines of aliases can describe a document of billions of nodes.
    """
    if len(lines) > MAX_PLACES or len(place) > MAX_DEPTH:
        raise ConfigError(
            f"{source}:{node.start_mark.line + 1}: nested too deeply, or too many values for a settings file"
        )
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = str(key.value)
            if key.tag not in KEY_TAGS:
                message = f"the key {_shortened(key.value)} is no text;"
                hint = "put it in quotes"
                yield Problem(rule="settings.key", message=message, source=source, line=line, hint=hint)
                continue
            if name in seen:
                message = f"the key {name!r} stands here twice"
                yield Problem(rule="settings.duplicate_key", message=message, source=source, line=line)
                continue
            seen.add(name)
            yield from _walk(value, (*place, name), lines, source)
            lines[(*place, name)] = line
    elif isinstance(node, yaml.ScalarNode) and any("\ud800" <= sign <= "\udfff" for sign in node.value):
        message, line = "holds half of a surrogate pair, which is no character", node.start_mark.line + 1
        yield Problem(rule="settings.value", message=message, source=source, line=line, field=dotted(place))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*place, index), lines, source)


def load_yaml(text: str) -> Any:
    """YAML's plain data. Raises yaml.YAMLError and ValueError."""
    return yaml.load(text, Loader=Loader)


def override(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Settings with `{"source.limit": 500}` put in. Text values are read as YAML, so `"500"` is a number.

    Raises ConfigError where a path leads through a value that is no mapping.
    """
    data = _copied(settings.data)
    problems = []
    for path, value in changes.items():
        try:
            _put(data, path, _parsed(value) if isinstance(value, str) else value)
        except (KeyError, IndexError, TypeError, ValueError):
            message = f"{path!r} leads to no setting of this file"
            problems.append(Problem(rule="settings.override", message=message, source=settings.source))
    if problems:
        raise ConfigError(f"--set: {_count(problems)}", problems)
    return dataclasses.replace(settings, data=data)


def _parsed(text: str) -> Any:
    """A value as YAML reads it; a text that is no YAML, such as a template in braces, stands for itself."""
    try:
        return load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    steps = path.replace("[", ".").replace("]", "").split(".")
    if not all(steps):
        raise KeyError(path)
    here: Any = data
    for step in steps[:-1]:
        if isinstance(here, dict) and here.get(step) is None:  # left out, or said to be nothing
            here[step] = {}
        here = here[int(step) if isinstance(here, list) else step]
    if isinstance(here, list):
        here[int(steps[-1])] = value
    elif isinstance(here, dict):
        here[steps[-1]] = value
    else:
        raise TypeError(path)


def _copied(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, list) else data


def check(settings: Settings, schema: str) -> tuple[Problem, ...]:
    """Every way in which the settings break a schema (`recipe.v1`), in the order of the file."""
    problems: list[Problem] = []
    for error in validator(schema).iter_errors(settings.data):
        problems.extend(_explain(settings, error))
    problems.extend(_not_finite(settings, settings.data, ()))
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.field)))


def _not_finite(settings: Settings, value: Any, place: Place) -> Iterator[Problem]:
    """Numbers that YAML can write and no schema can refuse: `.nan` and `.inf`."""
    if isinstance(value, float) and not isfinite(value):
        yield settings.problem(place, f"found {value}, expected a number")
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _not_finite(settings, entry, (*place, key))


def _explain(settings: Settings, error: ValidationError) -> Iterator[Problem]:
    """What jsonschema found, in the words of a person who wrote the file."""
    place: Place = tuple(error.absolute_path)
    schema, wanted, found = _details(error)
    if error.validator in {"oneOf", "anyOf"} and error.context:
        yield from _explain_choice(settings, error)
    elif error.validator == "additionalProperties":
        known, elsewhere = list(schema.get("properties", {})), schema.get("x-elsewhere", {})
        for key in sorted(set(map(str, found)) - set(known)):
            hint = elsewhere.get(key) or nearest(key, known) or f"known here: {_listed(known)}"
            yield settings.problem((*place, key), f"unknown key {key!r};", rule="settings.unknown_key", hint=hint)
    elif error.validator == "required":
        for key in wanted:
            if key not in found:
                description = schema.get("properties", {}).get(key, {}).get("description", "")
                message = f"{key!r} is missing"
                yield settings.problem(place, message, rule="settings.missing_key", hint=description)
    else:
        message, hint = _words(error)
        yield settings.problem(place, message, hint=hint)


def _details(error: ValidationError) -> tuple[Any, Any, Any]:
    """The schema that was broken, what it asked for, and what was found."""
    return error.schema, error.validator_value, error.instance


def _explain_choice(settings: Settings, error: ValidationError) -> Iterator[Problem]:
    """Of several allowed forms, explain the one that the value is nearest to; else name the forms."""
    schema, wanted, found = _details(error)
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(int(str(inner.schema_path[0])), []).append(inner)
    right_type = [
        errors
        for errors in branches.values()
        if not any(e.validator in {"type", "const"} and not e.path for e in errors)
    ]
    if len(right_type) == 1:
        for inner in right_type[0]:
            yield from _explain(settings, inner)
        return
    forms = [str(form.get("description") or form.get("type") or form.get("const")) for form in wanted]
    message = f"found {kind_of(found)}, expected {' or '.join(forms)}"
    yield settings.problem(tuple(error.absolute_path), message, hint=schema.get("description", ""))


def _words(error: ValidationError) -> tuple[str, str]:
    schema, wanted, found = _details(error)
    about = schema.get("description", "") if isinstance(schema, dict) else ""
    if error.validator == "type":
        names = wanted if isinstance(wanted, list) else [wanted]
        return (
            f"found {kind_of(found)}, expected {' or '.join(KINDS.get(str(name), str(name)) for name in names)}",
            about,
        )
    if error.validator == "enum":
        hint = nearest(str(found), [str(choice) for choice in wanted])
        return f"found {found!r}, expected one of {_listed([str(choice) for choice in wanted])}", hint or about
    if error.validator == "const":
        return f"found {found!r}, expected {wanted!r}", about
    if error.validator == "pattern" and about:
        return f"found {_shortened(found)}, expected {about}", ""
    limits = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
        "minLength": "a length of at least",
        "minItems": "a number of entries of at least",
        "minProperties": "a number of entries of at least",
    }
    if error.validator in limits:
        return f"found {_shortened(found)}, expected {limits[str(error.validator)]} {wanted}", about
    return f"found {_shortened(found)}: {error.message[:200]}", about


KINDS = {
    "object": "keys and values",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def kind_of(value: Any) -> str:
    """A value's kind and the value, in a person's words: `the text '8x'`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return "a list"
    return f"the text {_shortened(value)}" if isinstance(value, str) else f"{_shortened(value)}"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} … {len(names) - most} more" if len(names) > most else shown


def _count(problems: Sequence[Problem]) -> str:
    return f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"


def require(settings: Settings, schema: str, error: type[ConfigError] = ConfigError) -> None:
    """Raise `error` with every problem where the settings break the schema."""
    refuse(settings.source, check(settings, schema), error)


def refuse(source: str, problems: Sequence[Problem], error: type[ConfigError] = ConfigError) -> None:
    """Raise `error` with the problems, where there are any."""
    if problems:
        raise error(f"{source}: {_count(problems)}", problems)


def to_dataclass(cls: type[T], data: Mapping[str, Any]) -> T:
    """A frozen dataclass from checked plain data; keys that are not given take the field's default.

    Nested dataclasses, `X | None`, `tuple[X, ...]` and `Mapping[str, X]` are followed. A key with a hyphen or a
    Python keyword is found under the field's metadata `key`.
    """
    hints = typing.get_type_hints(cls)
    values = {}
    for each in dataclasses.fields(cls):  # type: ignore[arg-type]
        key = each.metadata.get("key", each.name)
        if key in data:
            values[each.name] = _shaped(hints[each.name], data[key])
    return cls(**values)


def _shaped(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin in {Union, types.UnionType}:
        return _shaped_union(arguments, value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return to_dataclass(hint, value)
    if origin is tuple and isinstance(value, list):
        return tuple(_shaped(arguments[0], entry) for entry in value)
    if origin is not None and isinstance(value, Mapping) and len(arguments) == 2:
        return {key: _shaped(arguments[1], entry) for key, entry in value.items()}
    if hint in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        return hint(value)
    return Path(value) if hint is Path and isinstance(value, str) else value


def _shaped_union(arguments: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    for argument in arguments:
        if isinstance(value, Mapping) and dataclasses.is_dataclass(argument):
            return _shaped(argument, value)
        if isinstance(value, list) and typing.get_origin(argument) is tuple:
            return _shaped(argument, value)
    plain = [a for a in arguments if a is not type(None) and not dataclasses.is_dataclass(a)]
    return _shaped(plain[0], value) if len(plain) == 1 else value
