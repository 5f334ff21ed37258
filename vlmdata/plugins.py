"""Code that does not come with vlmdata: a source, or rules, that settings name as `package.module:NAME`.

It is imported only where somebody gave leave (`--allow-plugins`, or from Python), since a recipe from elsewhere must
not run programs. Whatever goes wrong in it is said to be its own fault, with the line of its code.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from vlmdata.errors import PluginError, SourceError, VlmError
from vlmdata.record import Problem
from vlmdata.settings import Place, Settings, dotted, kind_of, nearest, to_dataclass

if TYPE_CHECKING:
    from vlmdata.recipe import SourceConfig

Options = TypeVar("Options")
COMMON = ("path", "where", "limit", "nulls")
KINDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}

RULE = "settings.plugin"
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
UNASKED = "is code that does not come with vlmdata, and is not run unasked;"
HINT = "add --allow-plugins if you trust it"


def is_plugin(name: str) -> bool:
    """Whether a name is one of code from outside: the names of vlmdata's own have no colon."""
    return ":" in name


def imported(name: str) -> Any:
    """The object that `package.module:NAME` stands for. Runs that module's code. Raises PluginError."""
    module, _, attribute = name.partition(":")
    try:
        with blamed(name, lambda: "while it was imported"):
            home = import_module(module)
    except PluginError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and f"{module}.".startswith(f"{cause.name}."):
            message = (
                f"{name}: there is no module {cause.name!r}; install its package, or name its folder in PYTHONPATH"
            )
            raise PluginError(message) from None
        raise
    if not hasattr(home, attribute):
        known = [each for each in vars(home) if not each.startswith("_")]
        hint = nearest(attribute, known) or f"it has {', '.join(sorted(known)[:12]) or 'no names'}"
        raise PluginError(f"{name}: the module {module!r} has no {attribute!r}; {hint}")
    return getattr(home, attribute)


def imported_function(name: str) -> Callable[..., Any]:
    """The function that a name stands for. Raises PluginError where it is none."""
    found = imported(name)
    if not callable(found):
        raise PluginError(f"{name} is of the type {type(found).__name__}, expected a function")
    return cast("Callable[..., Any]", found)


@contextmanager
def blamed(name: str, where: Callable[[], str]) -> Iterator[None]:
    """Raise PluginError for whatever the code of a plug-in raises: with its name, its line, and where it was."""
    try:
        yield
    except (VlmError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # code from outside may raise anything, and that is not our bug
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise PluginError(f"{name} raised {said}{_line_of(error)} {where()}".rstrip()) from error


def _line_of(error: Exception | SystemExit) -> str:
    """The deepest line of the plug-in's own files; nothing where it has none, such as a module that is not there."""
    ours = str(Path(__file__).parent)
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(("<", ours))
    ]
    libraries = ("site-packages", f"python{sys.version_info.major}.{sys.version_info.minor}")
    own = [frame for frame in frames if not any(part in Path(frame.filename).parts for part in libraries)]
    last = (own or frames)[-1:]
    return "".join(f" ({Path(frame.filename).name}:{frame.lineno})" for frame in last)


def refused(settings: Settings, named: Sequence[tuple[Place, str]], *, allowed: bool) -> Iterator[Problem]:
    """Names that are none, and all of them where no leave was given. Nothing is imported."""
    for place, name in named:
        if not NAME.fullmatch(name):
            yield settings.problem(place, f"found {name!r}, expected package.module:NAME", rule=RULE)
        elif not allowed:
            yield settings.problem(place, f"{name} {UNASKED}", rule=RULE, hint=HINT)


def broken(settings: Settings, named: Sequence[tuple[Place, str]], bring: Callable[[str], object]) -> Iterator[Problem]:
    """What is wrong with plug-ins that may be imported, each where it is named. `bring` imports one."""
    for place, name in named:
        try:
            bring(name)
        except PluginError as error:
            yield settings.problem(place, error.message, rule=RULE)
            yield from error.problems


@cache
def identity(name: str) -> dict[str, str | None]:
    """What a plug-in is known by: its name, its package with the version, and a sha256 over the package's code.

    A module that stands alone is hashed alone. Both are null where they can't be told, as for code without files.
    """
    imported(name)
    top = name.partition(":")[0].partition(".")[0]
    return {"name": name, "package": _package(top), "sha256": _code_hash(name.partition(":")[0])}


def _package(top: str) -> str | None:
    names = metadata.packages_distributions().get(top)
    return f"{names[0]} {metadata.version(names[0])}" if names else None


def _code_hash(module: str) -> str | None:
    top = sys.modules[module.partition(".")[0]]
    if getattr(top, "__file__", None) is None:  # a namespace, which others may share
        top = sys.modules[module]
    if getattr(top, "__file__", None) is None:
        return None
    file = Path(str(top.__file__))
    files = sorted(file.parent.rglob("*.py")) if hasattr(top, "__path__") else [file]
    digest = hashlib.sha256()
    for each in files:
        data = each.read_bytes()
        digest.update(f"{each.relative_to(file.parent).as_posix()}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def own_options(cls: type[Options], config: SourceConfig) -> Options:
    """The keys of a source that are its own, as its dataclass. Raises SourceError with every key that is wrong.

    Fields are texts, numbers, booleans and tuples of these; a key that is no field has its nearest spelling told.
    """
    hints = get_type_hints(cls)
    known = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]
    problems = [
        Problem(rule="settings.unknown_key", message=f"unknown key {key!r};", field=dotted(("source", key)), hint=hint)
        for key in config.options
        if key not in known
        for hint in [nearest(key, list(known)) or f"known here: {', '.join((*COMMON, *known))}"]
    ]
    for name, each in known.items():
        if name not in config.options:
            if each.default is MISSING and each.default_factory is MISSING:
                problems.append(
                    Problem(rule="settings.missing_key", message="is missing", field=dotted(("source", name)))
                )
        elif not _fits(config.options[name], hints[name]):
            message = f"found {kind_of(config.options[name])}, expected {_called(hints[name])}"
            problems.append(Problem(rule="settings.value", message=message, field=dotted(("source", name))))
    if problems:
        raise SourceError(f"{config.type}: {len(problems)} of its keys can't be used", problems)
    return to_dataclass(cls, config.options)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of a settings file is of a field's kind."""
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_fits(entry, get_args(hint)[0]) for entry in value)
    if get_origin(hint) in {Union, UnionType}:
        return any(_fits(value, each) for each in get_args(hint))
    kinds = (int, float) if hint is float else hint if isinstance(hint, type) else object
    return isinstance(value, kinds) and (hint in {bool, Any} or not isinstance(value, bool))


def _called(hint: Any) -> str:
    return KINDS.get(getattr(hint, "__name__", ""), str(hint))
