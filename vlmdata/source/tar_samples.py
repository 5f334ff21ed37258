"""Tars of samples, as WebDataset has them: members whose names are alike up to the first dot belong together.

Nothing is unpacked. The headers are read once; a sample's text comes with its row, its images stay where they are and
are named by their place. A tar can be hostile: a member that is a link or a device, that stands twice or is cut off
rejects its sample and nothing else.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from vlmdata.errors import SourceError
from vlmdata.record import Origin, Problem, RawRecord, Rejection
from vlmdata.source.json_text import JsonTextError, value_of

IMAGES = frozenset(("jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "ppm", "heic", "avif", "img"))
VIDEOS = frozenset(("mp4", "avi", "mov", "mkv", "webm", "m4v"))
AUDIOS = frozenset(("wav", "mp3", "flac", "ogg", "m4a", "opus"))
DOCUMENTS = frozenset(("pdf",))
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

TEXT_LIMIT = 16_000_000
MEMBER_LIMIT = 1_000_000
"""The most bytes of a .json or .txt, and the most members of one tar, that are read."""

CHUNK = 1_000_000
FIRST_SAMPLES = 1_000
KEY = "__key__"
TRUNCATED = "tar.truncated"
UNREADABLE = (tarfile.TarError, ValueError, OverflowError)
"""What tarfile raises over damaged headers: the last two where a number in them is none, or none that a file has."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a tar: what its name says after the key, where its bytes are, and what is wrong with it."""

    name: str
    extension: str
    offset: int
    size: int
    fault: tuple[str, str, str] | None = None

    @property
    def kind(self) -> str:
        """The last part of the extension: `jpg` of `0.jpg`."""
        return self.extension.rpartition(".")[2].lower()


@dataclass(slots=True)
class Listing:
    """A tar's members by sample, in the order in which samples begin, and what is wrong with its end."""

    samples: dict[str, list[Member]] = field(default_factory=dict)
    end: tuple[str, str] | None = None
    last: Member | None = None


class TarSource:
    """One tar. Raises SourceError where it is missing, compressed, or no tar."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.name = name

    @cached_property
    def columns(self) -> Sequence[str]:
        """What every sample can have, and the keys of the first ones' .json."""
        found = dict.fromkeys((KEY, "json", "txt", "images"))
        for entry in islice(TarShard(self), FIRST_SAMPLES):
            inner = entry.values.get("json") if isinstance(entry, RawRecord) else None
            found.update(dict.fromkeys(inner if isinstance(inner, dict) else ()))
        return tuple(found)

    @property
    def files(self) -> Sequence[Path]:
        """The tar."""
        return (self._path,)

    def shards(self) -> Sequence[TarShard]:
        """The tar is one shard."""
        return (TarShard(self),)

    def rows(self, shard: TarShard) -> Iterator[RawRecord | Rejection]:
        """Every sample, and a rejection for what stands behind the last member that can be read."""
        with self._opened() as file:
            listing = self._listing(file)
            total = len(listing.samples)
            for row, (key, members) in enumerate(listing.samples.items(), start=1):
                shard.lines_read, shard.share_read = row, row / total
                yield self._row(file, row, key, members)
            if listing.end is not None:
                shard.lines_read = total + 1
                message, hint = listing.end
                origin = Origin(source=self.name, row=total + 1, line=total + 1)
                problem = Problem(rule="tar.end", message=message, source=self.name, line=total + 1, hint=hint)
                yield Rejection(origin=origin, problems=(problem,), raw="")

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with self._path.open("rb") as file:
                yield file
        except FileNotFoundError:
            raise SourceError(f"{self.name}: there is no such file ({self._path})") from None
        except OSError as error:
            raise SourceError(f"{self.name}: can't be read: {error.strerror or error}") from None

    def _listing(self, file: BinaryIO) -> Listing:
        start = file.read(8)
        for magic, kind in COMPRESSED.items():
            if start.startswith(magic):
                hint = "images are read in their place, which a compressed file has not; decompress it first"
                raise SourceError(f"{self.name}: the tar is compressed with {kind}; {hint}")
        file.seek(0)
        found = Listing()
        try:
            with tarfile.open(fileobj=file, mode="r:", errorlevel=1) as tar:
                size = file.seek(0, io.SEEK_END)
                found.end = self._read_members(tar, size, found)
                found.end = found.end or _left_over(file, tar.offset, size)
        except UNREADABLE as error:
            raise SourceError(f"{self.name}: this is no tar: {error}") from None
        return found

    def _read_members(self, tar: tarfile.TarFile, size: int, found: Listing) -> tuple[str, str] | None:
        names: set[str] = set()
        for _ in range(MEMBER_LIMIT):
            try:
                member = tar.next()
            except UNREADABLE as error:
                cut = found.last is not None and found.last.fault is not None and found.last.fault[0] == TRUNCATED
                return None if cut else (f"the tar is cut off or damaged: {error}", "fetch it again")
            tar.members.clear()  # type: ignore[attr-defined]  # else they are all kept
            if member is None:
                return None
            if not member.isdir():
                _add(found, member, size, names)
        raise SourceError(f"{self.name}: holds more than {MEMBER_LIMIT:,} members; split it")

    def _row(self, file: BinaryIO, row: int, key: str, members: list[Member]) -> RawRecord | Rejection:
        origin = Origin(source=self.name, row=row, line=row)
        values: dict[str, Any] = {KEY: key}
        problems = [self._problem(row, member, *member.fault) for member in members if member.fault]
        images = sorted((member for member in members if member.kind in IMAGES), key=_place)
        if images:
            values["images"] = [_place_of(member) for member in images]
        for member in members:
            if member.fault or member.kind in IMAGES:
                continue
            if member.extension.lower() in ("json", "txt"):
                fault = _read_text(file, member, values)
                problems += [self._problem(row, member, *fault)] if fault else []
            else:
                values[_column(member)] = _place_of(member)
        if problems:
            return Rejection(origin=origin, problems=tuple(problems), row=values)
        return RawRecord(origin=origin, values=values)

    def _problem(self, row: int, member: Member, rule: str, message: str, hint: str) -> Problem:
        return Problem(rule=rule, message=message, source=self.name, line=row, field=member.name, hint=hint)


@dataclass(slots=True)
class TarShard:
    """The whole tar."""

    source: TarSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[RawRecord | Rejection]:
        return self.source.rows(self)


def _add(found: Listing, member: tarfile.TarInfo, size: int, names: set[str]) -> None:
    folder, slash, name = member.name.rpartition("/")
    base, dot, extension = name.partition(".")
    key = f"{folder}{slash}{base}" if dot else member.name
    fault = _fault(member, size) or (_twice(member) if member.name in names else None)
    names.add(member.name)
    entry = Member(member.name, extension, member.offset_data, member.size, fault)
    found.samples.setdefault(key, []).append(entry)
    found.last = entry


def _fault(member: tarfile.TarInfo, size: int) -> tuple[str, str, str] | None:
    steps = member.name.replace("\\", "/").split("/")
    if ".." in steps or not steps[0] or "\0" in member.name:
        return "tar.name", f"the member {member.name!r} leads out of the tar", "write the tar with plain names"
    if not member.isreg():
        kind = "a link" if member.issym() or member.islnk() else "no file"
        return "tar.member", f"the member is {kind}, and only what stands in the tar is read", "store the file itself"
    if member.issparse():
        return "tar.member", "the member is a sparse file", "write the tar without --sparse"
    if member.size < 0 or member.offset_data + member.size > size:
        missing = member.offset_data + member.size - size
        message = f"the tar ends {missing:,} bytes before the member does ({member.size:,} bytes)"
        return TRUNCATED, message, "fetch the tar again"
    return None


def _twice(member: tarfile.TarInfo) -> tuple[str, str, str]:
    return "tar.duplicate", f"the member {member.name!r} stands in the tar already", "keep one of them"


def _left_over(file: BinaryIO, offset: int, size: int) -> tuple[str, str] | None:
    """What is wrong with the bytes behind the last member, of which all should be zero: the tar's end."""
    if offset >= size:
        return None
    file.seek(offset)
    position = offset
    while data := file.read(CHUNK):
        if data.strip(b"\0"):
            message = f"{size - position:,} of {size:,} bytes, from byte {position:,} on, are no members of a tar"
            return message, "fetch the tar again; joined tars are read one by one"
        position += len(data)
    return None


def _place(member: Member) -> tuple[int, int, str]:
    """Where a sample's image stands: `0.jpg`, `1.jpg` … by their number, before those without one."""
    number = member.extension.partition(".")[0]
    return (0, int(number), member.extension) if number.isdecimal() else (1, 0, member.extension)


def _place_of(member: Member) -> dict[str, Any]:
    return {"member": member.name, "offset": member.offset, "size": member.size}


def _column(member: Member) -> str:
    """The column of a member that is neither image nor text: what it is, where a dataset can't hold it."""
    if member.kind in VIDEOS:
        return "video"
    if member.kind in AUDIOS:
        return "audio"
    return member.extension or member.name


def _read_text(file: BinaryIO, member: Member, values: dict[str, Any]) -> tuple[str, str, str] | None:
    """Put the text or JSON of a member into the row's values; what is wrong with it otherwise."""
    if member.size > TEXT_LIMIT:
        message = f"the member is {member.size:,} bytes of text, at most {TEXT_LIMIT:,} are read"
        return "tar.member", message, "keep images in members of their own"
    file.seek(member.offset)
    data = file.read(member.size)
    kind = member.extension.lower()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        values[kind] = data
        return "tar.encoding", f"byte {data[error.start]:#04x} is not UTF-8", "write the text as UTF-8"
    values[kind] = text
    if kind == "json":
        try:
            values[kind] = value_of(text)
        except JsonTextError as fault:
            at = f" at character {fault.position + 1:,}" if fault.position is not None else ""
            return fault.rule, f"not JSON{at}: {fault.message}", fault.hint
    return None
