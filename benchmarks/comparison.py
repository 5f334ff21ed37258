"""What docs/comparison.md says of other projects, looked up in the packages that they publish.

    python benchmarks/comparison.py [PROJECT ...]

pip downloads the versions that comparison.yaml names into out/comparison, once; nothing of them is installed, unpacked
or run. Each claim is a pattern that stands in certain lines of a file, or nowhere in it. Exits with 1 where that is not
so. An index behind a proxy is told to pip as ever, by PIP_INDEX_URL or its settings.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_suffix(".yaml")
CACHE = ROOT / "out" / "comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the page says of a project, and the place that shows it."""

    section: str
    subject: str
    project: str
    claim: str
    file: str
    pattern: str
    lines: int | str = ""
    times: int = 1

    @property
    def place(self) -> str:
        """The file with its lines, as the page cites it."""
        return f"{self.file}:{self.lines}" if self.lines else self.file

    @property
    def told(self) -> str:
        """What is claimed, and how often its pattern is there."""
        often = {0: " (nowhere)", 1: ""}.get(self.times, f" ({self.times} times at least)")
        return f"{self.claim}: {self.place}{often}"


def packages() -> dict[str, str]:
    """The pinned package of each project."""
    found: dict[str, str] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))["packages"]
    return found


def claims() -> list[Claim]:
    """All claims, in the order of the page."""
    sections = yaml.safe_load(TABLE.read_text(encoding="utf-8"))["claims"]
    return [
        Claim(section=section, subject=subject, **each)
        for section, subjects in sections.items()
        for subject, listed in subjects.items()
        for each in listed
    ]


def downloaded(pinned: str, folder: Path = CACHE) -> Path:
    """The wheel of a pinned package, by pip with whatever index it is set to."""
    if (there := _wheel(pinned, folder)) is None:
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, pinned], check=True)
        there = _wheel(pinned, folder)
    if there is None:
        raise SystemExit(f"pip left no wheel of {pinned} in {folder}")
    return there


def _wheel(pinned: str, folder: Path) -> Path | None:
    wanted = Requirement(pinned)
    for path in folder.glob("*.whl"):
        name, version, _, _ = parse_wheel_filename(path.name)
        if name == canonicalize_name(wanted.name) and version in wanted.specifier:
            return path
    return None


def is_there(claim: Claim, archive: ZipFile) -> bool:
    """Whether a wheel shows what is claimed. A file that is missing shows nothing, not even that a word is missing."""
    texts = list(_texts(claim, archive))
    found = sum(1 for text in texts for _ in re.finditer(claim.pattern, text, re.MULTILINE))
    return bool(texts) and (found >= claim.times if claim.times else found == 0)


def _texts(claim: Claim, archive: ZipFile) -> Iterator[str]:
    """The lines that a claim names, of each file that it names."""
    for name in archive.namelist():
        if fnmatch(name, claim.file):
            lines = archive.read(name).decode("utf-8", errors="replace").splitlines()
            first, _, last = str(claim.lines).partition("-")
            chosen = lines[int(first) - 1 : int(last or first)] if first else lines
            if chosen:
                yield "\n".join(chosen)


def main(projects: Sequence[str]) -> int:
    """Look up every claim, or those of some projects, and name those that are not there."""
    pinned = packages()
    if unknown := sorted(set(projects) - set(pinned)):
        print(f"no project is called {', '.join(unknown)}; there are {', '.join(pinned)}")
        return 2
    missing = []
    looked_up = [each for each in claims() if not projects or each.project in projects]
    archives = {project: ZipFile(downloaded(pinned[project])) for project in {each.project for each in looked_up}}
    for each in looked_up:
        there = is_there(each, archives[each.project])
        told = f"{pinned[each.project]:<28} {each.told}"
        print(f"{'ok       ' if there else 'NOT THERE'}  {told}")
        missing += [] if there else [told]
    print(f"{len(looked_up)} claims about {len(archives)} packages, {len(missing)} not there")
    for told in missing:
        print(f"NOT THERE  {told}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
