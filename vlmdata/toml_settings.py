"""TOML files as settings: plain data, and the line of each key, as far as it can be told."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmdata.errors import ConfigError
from vlmdata.settings import Place, Settings

KEY = re.compile(r"""\s*(?P<key>(?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")
TABLE = re.compile(r"\s*\[(?P<key>[^\[\]]+)\]\s*(?:#.*)?$")
LARGEST = 1_000_000


def read_toml(path: Path, table: Place = ()) -> Settings | None:
    """A table of a TOML file, or the whole file; None where the file has no such table. Raises ConfigError."""
    text = _text(path)
    try:
        data: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path.as_posix()}: not TOML: {error}") from None
    for step in table:
        if not isinstance(data, Mapping) or step not in data:
            return None
        data = data[step]
    if not isinstance(data, dict):
        raise ConfigError(f"{path.as_posix()}: keys and values were expected under {'.'.join(map(str, table))!r}")
    found = dict(_lines(text))
    lines = {place[len(table) :]: line for place, line in found.items() if place[: len(table)] == table}
    return Settings(source=path.as_posix(), data=data, lines=lines)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path.as_posix()}: is too large for a settings file")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path.as_posix()}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.as_posix()}: not UTF-8 at byte {error.start:,}") from None
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: can't be read: {error.strerror}") from None


def _lines(text: str) -> Iterator[tuple[Place, int]]:
    """The place and line of tables and of keys that stand at the beginning of a line. tomllib does not keep them."""
    table: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if (heading := TABLE.match(line)) and (place := _place(heading["key"])):
            table = place
            yield table, number
        elif (pair := KEY.match(line)) and (place := _place(pair["key"])):
            yield (*table, *place), number


def _place(key: str) -> Place:
    """`a."b.c"` as its steps; nothing where it is no key, such as a line inside a longer text."""
    try:
        node: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    steps: list[str] = []
    while isinstance(node, dict):
        ((step, node),) = node.items()
        steps.append(step)
    return tuple(steps)
