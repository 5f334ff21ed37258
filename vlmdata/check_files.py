"""Where the settings of the checks come from, one over the other: shared files, a project's file, a recipe, a command.

From the farthest to the nearest: what `extends` names, in its order; vlmdata.toml, or [tool.vlmdata] in pyproject.toml;
the recipe's `check`; the command line. A nearer `select` replaces a farther one, and takes rules that it names by their
own id out of farther `ignore`s; `ignore` and `plugins` add up; `rules` are put together rule by rule, key by key; of
everything else the nearest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from vlmdata.check_settings import CheckSettings
from vlmdata.errors import ConfigError
from vlmdata.plugins import broken, refused
from vlmdata.record import Problem
from vlmdata.rules import matching_rules, rulebook
from vlmdata.settings import Place, Settings, check, nearest, refuse
from vlmdata.toml_settings import read_toml
from vlmdata.version import __version__

OWN_FILE, PYPROJECT = "vlmdata.toml", "pyproject.toml"
MOST_DEEP = 8
"""Files that extend one another; more is a mistake."""


MayRead = Callable[[Path], bool]
"""Whether a file that settings name may be read."""


def anything(_: Path) -> bool:
    """Every file may be: the settings are the user's own."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One place that settings stand in: plain data that was checked, and what to call it."""

    source: str
    data: Mapping[str, Any]


def layered(layers: Sequence[Layer]) -> CheckSettings:
    """Settings from layers, the farthest first."""
    found = CheckSettings()
    for layer in layers:
        found = _over(found, layer.data)
    return found


def _over(far: CheckSettings, near: Mapping[str, Any]) -> CheckSettings:
    select = tuple(near.get("select", far.select))
    kept = tuple(name for name in far.ignore if name not in near.get("select", ()))
    severities, thresholds = dict(far.severities), {rule: dict(keys) for rule, keys in far.thresholds.items()}
    for rule, keys in near.get("rules", {}).items():
        if "severity" in keys:
            severities[rule] = keys["severity"]
        numbers = {key: value for key, value in keys.items() if key != "severity"}
        if numbers:
            thresholds[rule] = {**thresholds.get(rule, {}), **numbers}
    return replace(
        far,
        select=select,
        ignore=tuple(dict.fromkeys((*kept, *near.get("ignore", ())))),
        preview=near.get("preview", far.preview),
        plugins=tuple(dict.fromkeys((*far.plugins, *near.get("plugins", ())))),
        severities=severities,
        thresholds=thresholds,
        fail_on=near.get("fail_on", far.fail_on),
        max_errors=near.get("max_errors", far.max_errors),
        max_warnings=near.get("max_warnings", far.max_warnings),
    )


def file_layers(start: Path, may_read: MayRead = anything, *, allow_plugins: bool = False) -> list[Layer]:
    """The layers of the settings file nearest to a path, upwards to the repository's root; none where there is none.

    Rules from outside that it names are imported where `allow_plugins` says so, and refused where it does not.

    Raises ConfigError with every problem of the file and of those that it extends.
    """
    found = nearest_file(start)
    return layers_of_file(found, may_read, allow_plugins=allow_plugins) if found is not None else []


def nearest_file(start: Path) -> Path | None:
    """vlmdata.toml, or a pyproject.toml with [tool.vlmdata], in the folder of a path or above it."""
    folder = start if start.is_dir() else start.parent
    for place in (folder.absolute(), *folder.absolute().parents):
        if (place / OWN_FILE).is_file():
            return place / OWN_FILE
        if (place / PYPROJECT).is_file() and read_toml(place / PYPROJECT, ("tool", "vlmdata")) is not None:
            return place / PYPROJECT
        if (place / ".git").exists():
            return None
    return None


def layers_of_file(
    path: Path, may_read: MayRead = anything, above: Sequence[Path] = (), *, allow_plugins: bool = False
) -> list[Layer]:
    """A settings file's layer, and before it those that it extends. Raises ConfigError."""
    table = ("tool", "vlmdata") if path.name == PYPROJECT else ()
    settings = read_toml(path, table)
    if settings is None:
        raise ConfigError(f"{path.as_posix()}: has no [tool.vlmdata]")
    settings = replace(settings, source=_shown(path))
    return layers_of(settings, path.parent, may_read, (*above, path), allow_plugins=allow_plugins)


def layers_of(
    settings: Settings,
    folder: Path,
    may_read: MayRead = anything,
    above: Sequence[Path] = (),
    *,
    allow_plugins: bool = False,
) -> list[Layer]:
    """The layer of settings that were read from a folder's file, and before it those that they extend."""
    problems = [*check(settings, "settings.v1"), *rule_plugin_problems(settings, allowed=allow_plugins)]
    if problems or "extends" not in settings.data:
        problems += rule_problems(settings)
    refuse(settings.source, problems, ConfigError)
    refuse(settings.source, list(_version_problems(settings)), ConfigError)
    layers = _extended(settings, folder, may_read, above, allow_plugins)
    refuse(settings.source, list(rule_problems(settings)), ConfigError)  # now that those it extends brought their rules
    return [*layers, Layer(source=settings.source, data=settings.data)]


def _extended(
    settings: Settings, folder: Path, may_read: MayRead, above: Sequence[Path], allow_plugins: bool
) -> list[Layer]:
    """The layers of the files that settings extend."""
    named = settings.data.get("extends", [])
    layers: list[Layer] = []
    for name in [named] if isinstance(named, str) else named:
        path = folder / name
        if not may_read(path):
            message, hint = f"{name!r} leads out of what may be read", "allow its folder with --root"
            problem = settings.problem(("extends",), message, rule="validate.outside", hint=hint)
            refuse(settings.source, [problem], ConfigError)
        if any(path.resolve() == other.resolve() for other in above):
            circle = " -> ".join(other.name for other in (*above, path))
            raise ConfigError(f"{settings.source}: extends itself: {circle}")
        if len(above) > MOST_DEEP:
            raise ConfigError(f"{settings.source}: more than {MOST_DEEP} files extend one another")
        if not path.is_file():
            problem = settings.problem(
                ("extends",), f"there is no file {name!r}", hint=f"relative to {_shown(folder)}/"
            )
            refuse(settings.source, [problem], ConfigError)
        layers += layers_of_file(path, may_read, above, allow_plugins=allow_plugins)
    return layers


def recipe_layers(
    settings: Settings, folder: Path, may_read: MayRead = anything, *, allow_plugins: bool = False
) -> list[Layer]:
    """The layers of a recipe's `check`. Raises ConfigError."""
    data = settings.data.get("check")
    if not data:
        return []
    lines = {place[1:]: line for place, line in settings.lines.items() if place[:1] == ("check",)}
    named = Settings(source=settings.source, data=data, lines=lines)
    return layers_of(named, folder, may_read, allow_plugins=allow_plugins)


def check_data(settings: CheckSettings) -> dict[str, Any]:
    """Settings as a recipe's `check` would say them, with nothing left to be read from another file."""
    rules = {
        name: {**dict(settings.thresholds.get(name, {})), **_severity_of(settings, name)}
        for name in sorted({*settings.severities, *settings.thresholds})
    }
    most = {} if settings.max_warnings is None else {"max_warnings": settings.max_warnings}
    return {
        "select": list(settings.select),
        "ignore": list(settings.ignore),
        "preview": settings.preview,
        **({"plugins": list(settings.plugins)} if settings.plugins else {}),
        "fail_on": settings.fail_on,
        "max_errors": settings.max_errors,
        **most,
        "rules": rules,
    }


def _severity_of(settings: CheckSettings, name: str) -> dict[str, str]:
    return {"severity": settings.severities[name]} if name in settings.severities else {}


def command_layer(data: Mapping[str, Any]) -> Layer:
    """What a command line, or a program, was told; a program's tuples are lists. Raises ConfigError."""
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}
    settings = Settings(source="options", data={key: value for key, value in given.items() if value not in (None, [])})
    refuse("options", [*check(settings, "settings.v1"), *rule_problems(settings)], ConfigError)
    return Layer(source="options", data=settings.data)


def rule_plugin_problems(settings: Settings, at: Place = (), *, allowed: bool) -> list[Problem]:
    """What is wrong with the rules from outside that settings name. They are imported where that is allowed."""
    from vlmdata.rule_plugins import rule_plugin

    data: Any = settings.data
    for step in at:
        data = data.get(step) if isinstance(data, Mapping) else None
    names = data.get("plugins") if isinstance(data, Mapping) else None
    named: list[tuple[Place, str]] = [
        ((*at, "plugins", number), name)
        for number, name in enumerate(names if isinstance(names, list) else [])
        if isinstance(name, str)
    ]
    return list(refused(settings, named, allowed=allowed)) or list(broken(settings, named, rule_plugin))


def rule_problems(settings: Settings, at: Place = ()) -> Iterator[Problem]:
    """Rules and thresholds that are not known, each with its nearest spelling, in settings that stand at a place."""
    data: Any = settings.data
    for step in at:
        data = data.get(step) if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping):
        return
    for key in ("select", "ignore"):
        names = data.get(key, [])
        for number, name in enumerate(names if isinstance(names, list) else []):
            if isinstance(name, str) and not matching_rules(name):
                yield _unknown_rule(settings, (*at, key, number), name, [*_families(), "all"])
    rules = data.get("rules", {})
    for name, keys in rules.items() if isinstance(rules, Mapping) else ():
        if name not in rulebook():
            yield _unknown_rule(settings, (*at, "rules", name), name, [])
            continue
        known = ["severity", *rulebook()[name].thresholds]
        for key in keys if isinstance(keys, Mapping) else ():
            if key not in known:
                hint = nearest(key, known) or f"it has {', '.join(known)}"
                message = f"the rule {name} has no threshold {key!r};"
                yield settings.problem((*at, "rules", name, key), message, rule="settings.unknown_key", hint=hint)


def _unknown_rule(settings: Settings, place: Place, name: str, more: list[str]) -> Problem:
    hint = nearest(name, [*rulebook(), *more]) or "`vlmdata rule` lists them"
    return settings.problem(place, f"there is no rule {name!r};", rule="settings.unknown_rule", hint=hint)


def _families() -> list[str]:
    return sorted({name.partition(".")[0] for name in rulebook()})


def _version_problems(settings: Settings) -> Iterator[Problem]:
    wanted = settings.data.get("required_version")
    if wanted is None:
        return
    place = ("required_version",)
    try:
        fits = SpecifierSet(str(wanted)).contains(__version__, prereleases=True)
    except InvalidSpecifier:
        message = f"found {wanted!r}, expected versions such as '>=0.3' or '>=0.3,<0.5'"
        yield settings.problem(place, message)
        return
    if not fits:
        message = f"vlmdata {wanted} is wanted, this is {__version__}"
        yield settings.problem(place, message, rule="settings.version", hint=f"pip install 'vlmdata{wanted}'")


def _shown(path: Path) -> str:
    """A path relative to the current folder where it is below it."""
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
