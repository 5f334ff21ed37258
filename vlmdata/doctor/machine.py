"""The machine as this process sees it: system, cores, memory, and room on the disks that are written to."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from vlmdata.doctor.cgroups import Limits, limits
from vlmdata.doctor.findings import Finding, State, amount, impersonal

LITTLE_DISK = 5 * 2**30
"""Below this a disk is warned of: a catalog of some thousand photos and its index take a few gigabytes."""

MEMINFO = Path("/proc/meminfo")


def machine_findings() -> Iterator[Finding]:
    """System, cores and memory."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield Finding(name="system", found=system, value=platform.system())
    allowed = limits()
    yield cores_finding(allowed)
    yield memory_finding(allowed, memory())


def cores_finding(allowed: Limits) -> Finding:
    """How many cores this process may use."""
    here = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else here
    words = [f"{here}"]
    if usable < here:
        words.append(f"of which this process may use {usable}")
    if allowed.cores is not None and allowed.cores < usable:
        words.append(f"limited to {allowed.cores:g} by a container")
    return Finding(name="cores", found=", ".join(words), value=min(usable, allowed.cores or usable))


def memory_finding(allowed: Limits, found: tuple[int, int] | None) -> Finding:
    """How much memory there is, how much is free, and what a container leaves of it."""
    if found is None:
        return Finding(name="memory", found="could not be told here", state="absent")
    whole, free = found
    words = f"{amount(whole)}, {amount(free)} free"
    if allowed.memory is not None and allowed.memory < whole:
        words += f", limited to {amount(allowed.memory)} by a container"
    return Finding(name="memory", found=words, value=min(whole, allowed.memory or whole))


def memory() -> tuple[int, int] | None:
    """The bytes of memory and those that are free, or None where the system does not tell."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        pairs = (line.partition(":") for line in MEMINFO.read_text(encoding="ascii", errors="replace").splitlines())
        kibibytes = {name: int(words.split()[0]) for name, _, words in pairs if words.split()}
        return kibibytes["MemTotal"] * 1024, kibibytes["MemAvailable"] * 1024
    except (OSError, KeyError, ValueError):
        return _posix_memory()


def _posix_memory() -> tuple[int, int] | None:
    """By sysconf(3); macOS does not say there what is free, so that all of it counts."""
    try:
        page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        free = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else pages
    except (AttributeError, OSError, ValueError):
        return None
    return page * pages, page * free


def _windows_memory() -> tuple[int, int] | None:
    """By GlobalMemoryStatusEx: its structure holds two numbers of 32 bits, then seven of 64."""
    import ctypes
    import struct

    form = struct.Struct("=2I7Q")
    status = ctypes.create_string_buffer(form.pack(form.size, *[0] * 8), form.size)
    windll = getattr(ctypes, "windll", None)
    if windll is None or not windll.kernel32.GlobalMemoryStatusEx(status):
        return None
    _, _, whole, free, *_ = form.unpack(status.raw)
    return whole, free


def disk_findings(places: Mapping[str, Path]) -> Iterator[Finding]:
    """The room at each place, where the folder itself may not be there yet."""
    for name, place in places.items():
        yield _disk(name, place)


def _disk(name: str, place: Path) -> Finding:
    shown = "" if name == "here" else impersonal(str(place))
    there = next((each for each in (place, *place.parents) if each.is_dir()), place)
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(name=name, found=f"can't be read: {error.strerror}", state="warning", expected=shown)
    if not os.access(there, os.W_OK):
        words = f"{amount(free)} free, but nothing can be written there"
        return Finding(name=name, found=words, state="warning", expected=shown, value=free)
    state: State = "warning" if free < LITTLE_DISK else "fine"
    remedy = "make room, or work on another disk" if free < LITTLE_DISK else ""
    return Finding(name=name, found=f"{amount(free)} free", state=state, expected=shown, remedy=remedy, value=free)
