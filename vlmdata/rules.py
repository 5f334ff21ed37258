"""Every rule that vlmdata may name: what it finds, how bad that is, why it matters and what to do about it.

The rulebook is a folder of YAML files, one for each family of rules. Documentation, SARIF and settings read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vlmdata.record import Severity
from vlmdata.settings import nearest

RULEBOOK = Path(__file__).parent / "rulebook"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C takes a tenth of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `severity` is what it has unless a team's settings give another, and `thresholds` likewise.

    A rule in `preview` is new: it is looked for only where settings ask for it, so that an upgrade breaks nobody's CI.
    `summary` says in one line what it finds, `why` what would happen otherwise, `fix` what to do.

    One that is `milder` in some cases has findings of both severities, and each says which it is.

    A `change` is no finding: it names what a build did because the recipe asks for it, which is counted. What `stops`
    is about settings or whole files: nothing is read until it is mended, so that it can't be ignored.
    """

    id: str
    summary: str
    why: str
    fix: str
    severity: Severity = "warning"
    preview: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)
    change: bool = False
    stops: bool = False
    milder: bool = False

    @property
    def family(self) -> str:
        """The first word of its id: `csv` of `csv.ragged`."""
        return self.id.partition(".")[0]

    @property
    def kind(self) -> str:
        """`error`, `warning` or both, or `change` where it is no finding."""
        return "change" if self.change else "error or warning" if self.milder else self.severity


_from_outside: dict[str, Rule] = {}


@cache
def rulebook() -> Mapping[str, Rule]:
    """All rules by id, in the order of their ids: vlmdata's own, and those of the plug-ins that this process uses."""
    return dict(sorted({**built_in_rules(), **_from_outside}.items()))


def add_rules(rules: Iterable[Rule]) -> None:
    """Put the rules of a plug-in into the rulebook of this process. Their families are none of vlmdata's own."""
    _from_outside.update({rule.id: rule for rule in rules})
    rulebook.cache_clear()


@cache
def built_in_rules() -> Mapping[str, Rule]:
    """The rules that come with vlmdata, by id, in the order of their ids."""
    found: dict[str, Rule] = {}
    for file in sorted(RULEBOOK.glob("*.yaml")):
        entries: dict[str, dict[str, Any]] = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
        for name, entry in entries.items():
            if name in found:
                raise ValueError(f"{file.name}: the rule {name!r} stands twice in the rulebook")
            found[name] = Rule(id=name, **entry)
    return dict(sorted(found.items()))


def rule(name: str) -> Rule:
    """The rule of an id. Raises KeyError, with the nearest one, where there is none."""
    known = rulebook()
    if name not in known:
        raise KeyError(f"there is no rule {name!r}; {nearest(name, list(known)) or 'vlmdata rule lists them'}")
    return known[name]


def matching_rules(selector: str) -> frozenset[str]:
    """The rules that a selector names: a rule's id, a family (`text`, `text.`), or `all`; none where it names none."""
    if selector == "all":
        return frozenset(rulebook())
    family = selector.removesuffix(".*").removesuffix(".")
    return frozenset(name for name in rulebook() if name == selector or name.partition(".")[0] == family)
