"""Findings that a team knows already, in a file, so that a validation fails on new ones only.

A finding is known by its target, rule, record and field, never by its line, which moves when rows are added above. One
without a record is known by its file. The file holds one finding a line, sorted, so that two branches can be merged.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmdata.errors import ConfigError
from vlmdata.record import Problem
from vlmdata.validation_result import Known

VERSION = 1
Key = tuple[str, str, str, str, str]
"""Target, rule, id, source and field."""


def key_of(target: str, problem: Problem) -> Key:
    """What a finding is known by."""
    return (target, problem.rule, problem.id, "" if problem.id else problem.source, problem.field)


@dataclass(slots=True)
class Baseline:
    """How often each known finding may still be found. `targets` are relative to the baseline's own folder."""

    path: Path
    left: Counter[Key] = field(default_factory=Counter)

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a baseline. Raises ConfigError."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            findings = [_known(entry) for entry in data["findings"]]
            if data["baseline"] != VERSION:
                raise ConfigError(f"{path}: a baseline of version {data['baseline']!r}, expected {VERSION}")
        except FileNotFoundError:
            raise ConfigError(f"{path}: there is no such file; --write-baseline {path} makes it") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{path}: is no baseline: {error!r}; resolve a conflict, or write it anew with --write-baseline"
            raise ConfigError(message) from None
        left: Counter[Key] = Counter()
        for known in findings:
            left[(known.target, known.rule, known.id, known.source, known.field)] += known.count
        return cls(path=path, left=left)

    def target(self, path: Path) -> str:
        """What the baseline calls a target: its path from the baseline's folder."""
        return target_name(path, self.path)

    def knows(self, key: Key) -> bool:
        """Whether a finding is known, and was not found oftener than it may be."""
        if self.left.get(key, 0) <= 0:
            return False
        self.left[key] -= 1
        return True

    def gone(self, targets: Collection[str]) -> tuple[Known, ...]:
        """What was known of these targets and is no longer found."""
        return tuple(
            Known(target=key[0], rule=key[1], id=key[2], source=key[3], field=key[4], count=count)
            for key, count in sorted(self.left.items())
            if count > 0 and key[0] in targets
        )


def target_name(path: Path, baseline: Path) -> str:
    """A target's path from the folder of a baseline file, with forward slashes."""
    try:
        return Path(os.path.relpath(path, baseline.parent)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def write_baseline(path: Path, found: Mapping[Key, int], targets: Collection[str]) -> None:
    """Put down what was found. What an earlier file knows of other targets stays in it."""
    kept = {key: count for key, count in _earlier(path).items() if key[0] not in targets}
    lines = [_line(key, count) for key, count in sorted({**kept, **found}.items())]
    body = ",\n".join(lines)
    text = f'{{\n"baseline": {VERSION},\n"findings": [\n{body}\n]\n}}\n' if lines else _empty()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    unfinished.replace(path)


def _earlier(path: Path) -> Mapping[Key, int]:
    return Baseline.load(path).left if path.is_file() else {}


def _empty() -> str:
    return f'{{\n"baseline": {VERSION},\n"findings": []\n}}\n'


def _line(key: Key, count: int) -> str:
    names: Iterable[str] = ("target", "rule", "id", "source", "field")
    said: dict[str, Any] = {name: value for name, value in zip(names, key, strict=True) if value}
    return json.dumps({**said, "count": count} if count > 1 else said, ensure_ascii=False)


def _known(entry: Mapping[str, Any]) -> Known:
    known = Known(**entry)
    if not all(isinstance(text, str) for text in (known.target, known.rule, known.id, known.source, known.field)):
        raise TypeError("a text was expected")
    if not isinstance(known.count, int) or known.count < 1:
        raise ValueError("a count of at least 1 was expected")
    return known
