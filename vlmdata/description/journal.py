"""Every answer on disk before it is used: a JSON Lines file, one line an answer, flushed to the disk in groups.

A line that a kill cut short is cut off when the journal is next opened for writing. The last line of a key counts.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Literal, get_args

from filelock import FileLock, Timeout

from vlmdata.description.holder import holder_of, put_down
from vlmdata.description.provider import Usage
from vlmdata.errors import VlmError

HEADER = b'{"vlmdata":"descriptions.v1"}\n'
NOUGHT = Decimal(0)

Ended = Literal[
    "stop", "length", "blocked", "empty", "server", "timeout", "connection", "invalid", "location", "picture"
]
"""How an ask ended: as the provider says, with a fault, or before anything was sent."""

TEXTS = ("text", "reason", "model", "row", "time")
"""What an entry holds as text, where it holds it."""


class JournalError(VlmError):
    """A journal that can't be used: it is another's file, in use, or can't be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one ask. `reason` is the provider's word, or the fault's.

    `cost` is what its answers cost by the recipe's prices; `repaired` says that it was asked once more because the
    first answer had not the form that was asked for.
    """

    key: str
    ended: Ended
    text: str = ""
    reason: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = NOUGHT
    attempts: int = 1
    repaired: bool = False
    row: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """A job of many asks that was handed in; `open` until its answers have been taken."""

    job: str
    keys: tuple[str, ...]
    reserved: Decimal = NOUGHT
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The most that a request may have cost whose answer never came."""

    lost: Decimal
    row: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The most that all requests under way may cost, put down before they are sent; nothing at a clean end.

    What is under way at a kill is paid for, and no answer says so: the next run counts it as lost.
    """

    held: Decimal


Line = Entry | BatchJob | Loss | Held


def line_of(entry: Line) -> bytes:
    """An entry as its line. What stands for nothing is left out."""
    said = {key: value for key, value in asdict(entry).items() if value not in ("", None)}
    if isinstance(entry, Entry):
        said["usage"] = {key: value for key, value in said["usage"].items() if value}
    said |= {key: str(said[key]) for key in ("cost", "reserved", "lost", "held") if key in said}
    return json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def entry_from(line: bytes) -> Line:
    """The entry of a line. Raises ValueError where it is none."""
    try:
        said: dict[str, Any] = json.loads(line)
        if "job" in said:
            return BatchJob(**{**said, "keys": tuple(said["keys"]), "reserved": Decimal(said["reserved"])})
        if "lost" in said:
            return Loss(**{**said, "lost": Decimal(said["lost"])})
        if "held" in said:
            return Held(held=Decimal(said["held"]))
        said["cost"] = Decimal(said["cost"])
        entry = Entry(**{**said, "usage": Usage(**said["usage"])})
        bytes.fromhex(entry.key)
    except (KeyError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise ValueError(f"no entry of a journal: {error}") from None
    if entry.ended not in get_args(Ended) or not all(isinstance(getattr(entry, name), str) for name in TEXTS):
        raise ValueError("no entry of a journal: it ended in a way that is none, or a text of it is no text")
    return entry


@dataclass(slots=True)
class Journal:
    """The answers by their keys. Only places in the file are held in memory, about 130 bytes for each.

    `spent` is what all its lines cost together, with what was lost; `held` is what requests under way may cost;
    `damaged` counts lines that can't be read.
    """

    path: Path
    spent: Decimal = NOUGHT
    held: Decimal = NOUGHT
    damaged: int = 0
    jobs: dict[str, BatchJob] = field(default_factory=dict)
    _job_places: dict[str, int] = field(default_factory=dict)
    _places: dict[bytes, int] = field(default_factory=dict)
    _end: int = 0
    _file: BinaryIO | None = None
    _lock: Lock = field(default_factory=Lock)

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Entry | None:
        """What became of an ask, or None where it was never made. Safe to use from several threads."""
        place = self._places.get(bytes.fromhex(key))
        if place is None or self._file is None:
            return None
        with self._lock:
            self._file.seek(place)
            line = self._file.readline()
        found = entry_from(line)
        return found if isinstance(found, Entry) else None

    def holds(self, key: str) -> bool:
        """Whether an ask was made. Safe to use from several threads."""
        return bytes.fromhex(key) in self._places

    def written_since(self, job: str, key: str) -> bool:
        """Whether an answer was put down after a job was."""
        return self._places.get(bytes.fromhex(key), -1) > self._job_places[job]

    def write(self, entries: Sequence[Line]) -> None:
        """Append entries, and return once the disk has them. Raises JournalError, and then none of them counts."""
        lines = [line_of(entry) for entry in entries]
        assert self._file is not None
        with self._lock:
            try:
                self._file.seek(self._end)
                self._file.write(b"".join(lines))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                with suppress(OSError):
                    self._file.truncate(self._end)
                raise JournalError(
                    f"{self.path}: can't be written: {error.strerror}; answers so far are kept"
                ) from None
            for entry, line in zip(entries, lines, strict=True):
                self._note(entry, self._end)
                self._end += len(line)

    def _note(self, entry: Line, place: int) -> None:
        if isinstance(entry, Loss):
            self.spent += entry.lost
            return
        if isinstance(entry, Held):
            self.held = entry.held
            return
        if isinstance(entry, BatchJob):
            self.jobs[entry.job] = entry
            self._job_places.setdefault(entry.job, place)
            if not entry.open:
                del self.jobs[entry.job]
            return
        self._places[bytes.fromhex(entry.key)] = place
        self.spent += entry.cost

    def _load(self, file: BinaryIO) -> None:
        """Find every whole line. Raises JournalError for a file that is no journal."""
        self._file = file
        file.seek(0)
        first = file.readline()
        if first and first != HEADER and not (HEADER.startswith(first)):
            raise JournalError(f"{self.path}: is no journal of descriptions; name another file in describe.journal")
        self._end = len(first) if first == HEADER else 0
        for line in file if self._end else ():
            if not line.endswith(b"\n"):
                return
            try:
                self._note(entry_from(line), self._end)
            except ValueError:
                self.damaged += 1
            self._end += len(line)


@contextmanager
def read_journal(path: Path) -> Iterator[Journal]:
    """A journal to look things up in; an empty one where there is no such file. Raises JournalError."""
    journal = Journal(path)
    try:
        with path.open("rb") as file:
            journal._load(file)
            yield journal
    except FileNotFoundError:
        yield journal
    except IsADirectoryError:
        raise JournalError(f"{path}: is a folder; name a file in describe.journal") from None


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """A journal to write into, held against a second process. Raises JournalError."""
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            put_down(lock.lock_file)
            if not path.exists():  # its time says whether a build that was interrupted may go on
                path.touch()
            try:
                with path.open("r+b") as file:
                    yield _begun(path, file)
            finally:
                _leave_out_empty(path)
                Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        message = f"{path}: another process is writing descriptions into it{holder_of(lock.lock_file)}; wait for it"
        raise JournalError(message) from None
    except OSError as error:
        raise JournalError(f"{path}: can't be written: {error.strerror}") from None


def _leave_out_empty(path: Path) -> None:
    """Take away a journal of nothing but its header, since nothing was asked; any other file stays."""
    if path.is_file() and path.stat().st_size == len(HEADER) and path.read_bytes() == HEADER:
        path.unlink()


def _begun(path: Path, file: BinaryIO) -> Journal:
    """The journal of a file, begun where it is new, its last line cut off where a kill has torn it."""
    journal = Journal(path)
    journal._load(file)
    if file.seek(0, os.SEEK_END) > journal._end:
        file.truncate(journal._end)
    if not journal._end:
        file.seek(0)
        file.write(HEADER)
        file.flush()
        os.fsync(file.fileno())
        journal._end = len(HEADER)
    if journal.held:
        journal.write([Loss(lost=journal.held), Held(held=NOUGHT)])
    return journal


@dataclass(slots=True)
class GroupCommit:
    """Appends to a journal for many tasks at once: what comes while the disk is busy goes in the next group.

    `company` is for how many seconds one waits for others: with every answer on its own, the thread that writes takes
    more of the interpreter's time than the disk does. An answer that is not on the disk yet is lost with a kill, though
    it was paid for, as is one that is still on its way; so it is as short as a good disk takes.
    """

    journal: Journal
    company: float = 0.0
    _waiting: list[tuple[Line, asyncio.Future[None]]] = field(default_factory=list)
    _writing: asyncio.Task[None] | None = None

    async def append(self, entry: Line) -> None:
        """Return once the disk has the entry. Raises JournalError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def written(self) -> None:
        """Return once nothing waits to be written any more."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._waiting:
            if self.company:
                await asyncio.sleep(self.company)
            group, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self.journal.write, [entry for entry, _ in group])
            except JournalError as error:
                for _, done in group:
                    done.set_exception(error)
            else:
                for _, done in group:
                    done.set_result(None)
