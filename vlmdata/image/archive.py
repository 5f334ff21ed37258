"""Image references to members of a zip file, which are read where they stand and never unpacked to disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlmdata.errors import SourceError
from vlmdata.image.directory import DEFLATED, LOCAL_HEADER, Directory, Fault, Member, read_directory
from vlmdata.image.names import ImageReferenceError, is_image_name, plain, refuse_shape
from vlmdata.image.patterns import Steps, match_all, start_of_all
from vlmdata.image.spool import read_run
from vlmdata.record import Location

RATIO_LIMIT = 500
RATIO_FROM = 16_000_000
"""A member of more bytes than this is refused where it is packed tighter than the limit: no photo is."""

EXTRA_ROOM = 128
"""How many bytes of extra fields a local header is expected to have at most; more costs a second read."""

ZIP_AGAIN = "copy the archive again, or zip the images again"
FAULTS: dict[Fault, tuple[str, str, str]] = {
    "encrypted": ("archive.encrypted", "is encrypted", "zip the images again without a password"),
    "link": ("archive.link", "is a symbolic link or a device, not a file", "zip the file itself"),
    "duplicate": (
        "archive.duplicate",
        "stands in the archive more than once",
        "zip the images again, with the right one alone",
    ),
    "method": ("archive.method", "is compressed in a way that is not read", "zip it again, stored or deflated"),
}


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """A zip file of images that references are resolved in. Safe to read from several threads.

    `inside` is the folder in it that references start from, with a slash behind it; empty for its top.
    """

    root: Path
    byte_limit: int
    inside: str = ""
    _directory: Directory = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_directory", read_directory(self.root, str(self.root)))
        if self.inside and next(self._directory.starting_with(self.inside), None) is None:
            tops = dict.fromkeys(name.split("/")[0] for name in self._directory.names if "/" in name)
            shown = ", ".join(map(repr, list(tops)[:12])) or "none"
            message = f"{self.root}: there is no folder {self.inside.rstrip('/')!r} in this zip file"
            raise SourceError(f"{message}; its folders are {shown}; correct images.root")

    def read(self, reference: str) -> bytes:
        """The bytes that a reference names. Raises ImageReferenceError."""
        refuse_shape(reference)
        member = self._member(reference)
        if member is None:
            raise ImageReferenceError("images.missing", f"{reference!r} does not exist")
        if member.fault:
            rule, found, hint = FAULTS[member.fault]
            raise self._error(rule, member, found, hint)
        if member.size > self.byte_limit:
            message = f"{reference!r} is {member.size:,} bytes, at most {self.byte_limit:,} are read"
            raise ImageReferenceError("images.too_large", message, "make it smaller, or raise images.byte_limit")
        if member.size > max(RATIO_FROM, member.packed * RATIO_LIMIT):
            found = f"claims to hold {member.size:,} bytes in {member.packed:,}"
            found = f"{found}; at most {RATIO_LIMIT} times as many are unpacked"
            raise self._error("archive.ratio", member, found, "store it uncompressed if it is a picture")
        data = self._unpacked(member, self._packed(member))
        if zlib.crc32(data) != member.crc:
            raise self._error(
                "archive.crc", member, "is damaged: its bytes have another checksum than the archive says", ZIP_AGAIN
            )
        return data

    def size(self, reference: str) -> int | None:
        """How many bytes the archive says that a reference names; None where it names nothing that is read."""
        try:
            refuse_shape(reference)
        except ImageReferenceError:
            return None
        member = self._member(reference)
        return member.size if member is not None and not member.fault else None

    def candidates(self, reference: str) -> Iterator[str]:
        """Members whose paths differ from a reference in case, ending, Unicode form or slashes only."""
        for wanted in self._spellings(reference.replace("\\", "/")):
            start = "" if wanted == self.inside + plain(reference.replace("\\", "/")) else f"{self.root.stem}/"
            for name in self._directory.near(wanted):
                if _is_inside(name) and name.startswith(self.inside):
                    yield start + name.removeprefix(self.inside)

    def elsewhere(self, reference: str) -> list[str]:
        """The members of the whole archive that nearly have a reference's last name, in whatever folder they are."""
        return [name for name in self._directory.called(reference.replace("\\", "/")) if _is_inside(name)]

    def matching(self, steps: Steps) -> Iterator[str]:
        """The image members that a pattern's steps match."""
        for member in self._directory.starting_with(self.inside + start_of_all(steps)):
            name = member.removeprefix(self.inside)
            parts = name.split("/")
            if is_image_name(parts[-1]) and match_all(steps, parts) and _is_inside(name):
                yield name

    def _member(self, reference: str) -> Member | None:
        found = (self._directory.find(spelling) for spelling in self._spellings(reference))
        return next((member for member in found if member is not None), None)

    def _spellings(self, reference: str) -> Iterator[str]:
        """The member of a reference; that without its first folder too, where this is the archive's own name."""
        path = plain(reference)
        yield self.inside + path
        if self.inside:
            return
        first, slash, rest = path.partition("/")
        if slash and first == self.root.stem:
            yield rest

    def _packed(self, member: Member) -> bytes:
        """A member's data as it stands in the file."""
        raw_name = len(member.name.encode())
        try:
            start = self._run(member.offset, LOCAL_HEADER.size + raw_name + EXTRA_ROOM + member.packed)
            header = LOCAL_HEADER.unpack_from(start.ljust(LOCAL_HEADER.size, b"\0"))
            mark, flags, name_n, extra_n = header[0], header[2], *header[-2:]
            place = LOCAL_HEADER.size + name_n + extra_n
            if len(start) < place + member.packed:
                start = self._run(member.offset, place + member.packed)
        except OSError as error:
            found = f"can't be read: {error.strerror or error}"
            raise self._error("images.unreadable", member, found, "") from None
        name = start[LOCAL_HEADER.size : LOCAL_HEADER.size + name_n]
        if mark != b"PK\3\4" or flags & 1 or len(start) < place + member.packed:
            raise self._error("archive.header", member, "is not where the archive's directory says", ZIP_AGAIN)
        if member.name not in {plain(name.decode("utf-8", "backslashreplace")), plain(name.decode("cp437"))}:
            found = f"is called {name[:80].decode('cp437')!r} where it stands"
            raise self._error("archive.name", member, found, ZIP_AGAIN)
        return start[place : place + member.packed]

    def _run(self, offset: int, size: int) -> bytes:
        return read_run(Location(file=str(self.root), offset=offset, size=size))

    def _unpacked(self, member: Member, packed: bytes) -> bytes:
        if member.method != DEFLATED:
            data = packed
        else:
            stream = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                data = stream.decompress(packed, member.size + 1)
            except zlib.error as error:
                raise self._error("archive.crc", member, f"is damaged: {error}", ZIP_AGAIN) from None
            if len(data) == member.size and not stream.eof:
                data += stream.decompress(stream.unconsumed_tail, 1)
        if len(data) != member.size:
            found = f"holds {'more' if len(data) > member.size else 'less'} than the {member.size:,} bytes it claims"
            raise self._error("archive.size", member, found, ZIP_AGAIN)
        return data

    def _error(self, rule: str, member: Member, found: str, hint: str) -> ImageReferenceError:
        return ImageReferenceError(rule, f"{member.name!r} in {self.root.name} {found}", hint)


def zip_and_folder(root: Path) -> tuple[Path, str] | None:
    """The zip file that a root is or is a folder of, and the folder (`shoot/`); None where it is neither."""
    if root.is_file():
        return root, ""
    if root.exists():
        return None
    found = next((above for above in root.parents if above.suffix.lower() == ".zip" and above.is_file()), None)
    return (found, f"{root.relative_to(found).as_posix()}/") if found is not None else None


def _is_inside(name: str) -> bool:
    """Whether a member's name is one that a reference may have."""
    try:
        refuse_shape(name)
    except ImageReferenceError:
        return False
    return True
