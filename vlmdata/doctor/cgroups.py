"""What a container may take: the limits of the control groups that this process is in, and of those above them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NO_LIMIT = 2**60
"""What is not below this is no limit: version 1 says so by a number of pages near 2**63."""

MOUNT = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The least memory in bytes, and the least number of cores, that any group allows; None where none does."""

    memory: int | None = None
    cores: float | None = None


def limits(mount: Path = MOUNT, own_groups: Path = OWN_GROUPS) -> Limits:
    """What this process may take; no limits where there are no control groups, as on macOS and Windows."""
    memory, cores = [], []
    for controllers, group in _groups(own_groups):
        if not controllers:
            memory += [_number(folder / "memory.max") for folder in _upwards(mount, group)]
            cores += [_share(_words(folder / "cpu.max")) for folder in _upwards(mount, group)]
        if "memory" in controllers:
            folders = _upwards(mount / "memory", group)
            memory += [_number(folder / "memory.limit_in_bytes") for folder in folders]
        if "cpu" in controllers:
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            folders = _upwards(mount / "cpu", group)
            cores += [_share([word for file in files for word in _words(folder / file)]) for folder in folders]
    least_memory = min((each for each in memory if each is not None and each < NO_LIMIT), default=None)
    return Limits(memory=least_memory, cores=min((each for each in cores if each is not None), default=None))


def _groups(own_groups: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each hierarchy's controllers (none for version 2), and the group in it, by proc(5)."""
    try:
        lines = own_groups.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        yield tuple(controllers.split(",")) if controllers else (), group


def _upwards(mount: Path, group: str) -> list[Path]:
    """A group's folder and those above it. In a container it may bear its name outside, and the root says the limit."""
    folder = mount.joinpath(*(part for part in group.split("/") if part not in {"", ".."}))
    return [folder, *(above for above in folder.parents if above.is_relative_to(mount))]


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


def _number(file: Path) -> int | None:
    words = _words(file)
    return int(words[0]) if words and words[0].isdecimal() else None


def _share(words: list[str]) -> float | None:
    """`200000 100000` is 2 cores: microseconds of computing in so many of time."""
    if len(words) != 2 or not all(word.isdecimal() for word in words) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])
