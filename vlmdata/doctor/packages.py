"""Which packages are here, beside the range of versions that the tests ran with: the installed metadata says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from vlmdata.doctor.findings import Finding, State

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "vlmdata"
NOT_SHOWN = frozenset({"all", "dev", "docs", "interop"})
"""Extras of those who work on vlmdata, and the one that is the sum of the others."""
PURPOSES: Mapping[str, str] = {
    "excel": "catalogs in Excel",
    "gemini": "descriptions and judgements by Gemini",
    "gemini-legacy": "descriptions through Gemini's earlier SDK",
    "heic": "photos in HEIC",
    "language": "the language of texts",
    "openai": "OpenAI-compatible servers",
    "ray": "builds on a Ray cluster",
    "train": "vlmtrain; `vlmtrain doctor` looks closer",
}
"""What each extra is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """What the installed vlmdata declares, and a look at what is installed.

    `installed` gives the version of a distribution, or None where there is none.
    """

    needed: Sequence[Requirement]
    extras: Mapping[str, Sequence[Requirement]]
    python: str
    version: str | None
    installed: Mapping[str, str | None]

    @classmethod
    def of_this_environment(cls) -> Packages:
        """What the metadata of this environment says. Without any, nothing is known to be needed."""
        from packaging.requirements import Requirement

        try:
            about = metadata.metadata(DISTRIBUTION)
        except metadata.PackageNotFoundError:
            return cls(needed=(), extras={}, python="", version=None, installed={})
        declared = [Requirement(line) for line in about.get_all("Requires-Dist") or []]
        extras = sorted(set(about.get_all("Provides-Extra") or ()) - NOT_SHOWN)
        return cls(
            needed=_asked_for(declared, ""),
            extras={extra: _of_extra(declared, extra) for extra in extras},
            python=about["Requires-Python"],
            version=about["Version"],
            installed={each.name: _version_of(each.name) for each in declared},
        )


def package_findings(packages: Packages, version: str, extra: str | None = None) -> Iterator[Finding]:
    """vlmdata itself, Python, and every package that is needed; with an extra, those of the extra too."""
    yield _own_version(packages, version)
    yield _python(packages)
    for each in packages.needed:
        yield judged(each, packages.installed.get(each.name), f'"{each.name}{_range(each)}"')
    if extra is None:
        return
    for each in packages.extras.get(extra, ()):
        command = f'"{each.name}{_range(each)}"' if packages.installed.get(each.name) else f'"{DISTRIBUTION}[{extra}]"'
        yield judged(each, packages.installed.get(each.name), command)


def extra_findings(packages: Packages, but: Iterable[str] = ()) -> Iterator[Finding]:
    """One finding for each extra: whether it is installed, and within its range. None of them is needed."""
    for extra, needs in packages.extras.items():
        if extra not in set(but):
            yield _extra(extra, needs, packages.installed)


def _asked_for(declared: Iterable[Requirement], extra: str) -> list[Requirement]:
    return [each for each in declared if each.marker is None or each.marker.evaluate({"extra": extra})]


def _of_extra(declared: Sequence[Requirement], extra: str) -> list[Requirement]:
    core = {each.name for each in _asked_for(declared, "")}
    return [each for each in _asked_for(declared, extra) if each.name not in core]


def _version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _range(requirement: Requirement) -> str:
    """`>=21,<27`, the lower end first."""
    return ",".join(sorted((str(each) for each in requirement.specifier), key=lambda each: each[0] != ">"))


def judged(requirement: Requirement, version: str | None, install: str) -> Finding:
    """A package that is needed, beside its range; `install` is what pip is given where it is missing or outside."""
    expected, remedy = _range(requirement), f"pip install {install}"
    if version is None:
        return Finding(name=requirement.name, found="not installed", state="wrong", expected=expected, remedy=remedy)
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(
            name=requirement.name, found=version, state="wrong", expected=expected, remedy=remedy, value=version
        )
    return Finding(name=requirement.name, found=version, expected=expected, value=version)


def _own_version(packages: Packages, version: str) -> Finding:
    if packages.version is None:
        message = "not installed as a package: what it needs is not known"
        return Finding(name=DISTRIBUTION, found=message, state="wrong", remedy="pip install -e . in its folder")
    if packages.version != version:
        message = f"{version}, installed as {packages.version}"
        return Finding(
            name=DISTRIBUTION,
            found=message,
            state="warning",
            remedy="install it again: the code is newer",
            value=version,
        )
    return Finding(name=DISTRIBUTION, found=version, value=version)


def _python(packages: Packages) -> Finding:
    import platform

    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    fits = SpecifierSet(packages.python).contains(version, prereleases=True)
    return Finding(
        name="python",
        found=f"{version} ({platform.python_implementation()})",
        state="fine" if fits else "wrong",
        expected=packages.python,
        remedy="" if fits else f"make an environment with Python {packages.python}",
        value=version,
    )


def _extra(extra: str, needs: Sequence[Requirement], installed: Mapping[str, str | None]) -> Finding:
    here = {each.name: version for each in needs if (version := installed.get(each.name)) is not None}
    hindrances = [f"{each.name} missing" for each in needs if each.name not in here]
    for each in needs:
        if each.name in here and not each.specifier.contains(here[each.name], prereleases=True):
            hindrances.append(f"{each.name} {here[each.name]}, not {_range(each)}")
    state: State = "fine"
    if not here:
        state, found = "absent", "not installed"
    elif hindrances:
        state, found = "warning", "; ".join(hindrances)
    else:
        few = len(here) < 3
        found = ", ".join(f"{name} {version}" for name, version in here.items()) if few else f"{len(here)} packages"
    return Finding(
        name=extra,
        found=found,
        state=state,
        expected=PURPOSES.get(extra, ""),
        remedy="" if state == "fine" else f'pip install "{DISTRIBUTION}[{extra}]"',
        value=state == "fine",
    )
