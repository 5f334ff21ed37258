"""Runs both sides of a comparison in turn, and says what machine it was."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PAGE = 4_096


def machine() -> str:
    """The processor and its number of cores."""
    names = (
        [
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        if Path("/proc/cpuinfo").is_file()
        else []
    )
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak_memory(command: Sequence[str]) -> float:
    """Megabytes of private memory at most (resident less shared pages) that a command takes in a process of its own."""
    most = 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            try:
                _, resident, shared, *_ = Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()
                most = max(most, (int(resident) - int(shared)) * PAGE)
            except (OSError, ValueError):
                break
            time.sleep(0.02)
        if process.wait():
            raise SystemExit(f"{command[0]} failed")
    return most / 1e6


def in_turn(
    sides: Mapping[str, tuple[int, Callable[[int], object]]], turns: int, clear: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """The median rate of each side, things a second, all of them run one after the other in each turn."""
    return {name: statistics.median(found) for name, found in each_turn(sides, turns, clear).items()}


def each_turn(
    sides: Mapping[str, tuple[int, Callable[[int], object]]], turns: int, clear: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """The rates of each side, things a second, turn by turn.

    A side is the number of things that it works on, and the work, which is given the number of the turn.
    `clear` throws away what a side has left; that is not timed.
    """
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns):
        for name, (things, work) in sides.items():
            rates[name].append(things / seconds(lambda work=work, turn=turn: work(turn)))  # type: ignore[misc]
            clear()
    return rates


def median_ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of the turns' ratios: what a shared machine does to both sides of a turn cancels out."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))
