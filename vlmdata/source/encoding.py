"""Which encoding a text file is in, found from all of its bytes, and files that are no text named for what they are."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vlmdata.errors import SourceError

START = 65_536
CHUNK = 1 << 20

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHER_FILES = (
    (b"PK\x03\x04", "an Excel file or another zip", "open it and export the sheet as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls)", "open it and export the sheet as CSV (UTF-8)"),
    (b"PAR1", "a Parquet file", "export it as CSV"),
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"BZh", "a bzip2 file", "unpack it first"),
    (b"\xfd7zXZ", "an xz file", "unpack it first"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"%PDF", "a PDF", "ask for the table as CSV"),
    (b"\x89PNG", "a PNG image", "name the table that lists the images"),
    (b"\xff\xd8\xff", "a JPEG image", "name the table that lists the images"),
)
SYMBOLS = frozenset("€‚„…†‡‰‹‘’“”•–—™›\xa0¡¢£¥§©«®°±²³´·º»¼½¾¿×ªµ¹")
"""What Western catalogs hold beside letters: quotation marks, dashes, currencies, degrees, fractions."""

RARE_LETTERS = frozenset("ÿþðÐÞ")
"""Letters that stand in damaged text far more often than in a catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """An encoding as Python names it, and why it was chosen, in a few words."""

    name: str
    reason: str


@dataclass(slots=True)
class _Lines:
    """Lines that hold more than ASCII, by how they decode."""

    total: int = 0
    utf8: int = 0
    other: int = 0
    western: int = 0


def find_encoding(path: Path) -> Encoding:
    """The encoding of a text file: a byte order mark, else UTF-8 if most lines with other letters are, else UTF-16
    by its NULs, else cp1252.

    Raises SourceError for a file that is missing, empty or no text.
    """
    try:
        with path.open("rb") as file:
            start = file.read(START)
            marked = _by_start(path, start)
            if marked is not None:
                return marked
            file.seek(0)
            return _by_lines(path, _count(file))
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {error.strerror}") from None


def _by_start(path: Path, start: bytes) -> Encoding | None:
    if not start.strip():
        raise SourceError(f"{path.name}: the file is empty; a header line with the columns' names was expected")
    for mark, name in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return Encoding(name=name, reason="the file says so itself (byte order mark)")
    for magic, kind, advice in OTHER_FILES:
        if start.startswith(magic):
            raise SourceError(f"{path.name}: this is {kind}, a CSV text file was expected; {advice}")
    for name, high in (("utf-16-le", 1), ("utf-16-be", 0)):
        if _nul_share(start[high::2]) > 0.3 and _nul_share(start[1 - high :: 2]) < 0.05:
            return Encoding(name=name, reason="every second byte is NUL, and there is no byte order mark")
    _refuse_other_text(path, start)
    return None


def _nul_share(part: bytes) -> float:
    return part.count(0) / len(part) if part else 0.0


def _refuse_other_text(path: Path, start: bytes) -> None:
    """Raise SourceError for bytes that are no table: binary, or JSON and HTML under another name."""
    controls = sum(start.count(code) for code in range(32) if code not in b"\t\n\v\f\r")
    if controls > 0.02 * len(start):
        raise SourceError(f"{path.name}: this is a binary file, a CSV text file was expected; export the table as CSV")
    first = start.lstrip()[:100].lower()
    if first.startswith((b"{", b"[{")):
        raise SourceError(f"{path.name}: this looks like JSON, a CSV file was expected; export the table as CSV")
    if first.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise SourceError(f"{path.name}: this is an HTML or XML page, a CSV file was expected; download it again")


def _count(file: BinaryIO) -> _Lines:
    lines = _Lines()
    for line in _split(file):
        lines.total += 1
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            lines.utf8 += 1
        except UnicodeDecodeError:
            lines.other += 1
            lines.western += _is_western(line)
    return lines


def _split(file: BinaryIO) -> Iterator[bytes]:
    """Lines by any line end, a chunk of the file at a time; a line of several chunks comes whole."""
    rest = b""
    while chunk := file.read(CHUNK):
        *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
        yield from lines
    if rest:
        yield rest


def _is_western(line: bytes) -> bool:
    """Whether a line reads as Western European text in cp1252, and not as noise or as text in another script."""
    try:
        text = line.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if re.search(rb"[\xc0-\xff]{4}", line):
        return False
    return all(_is_at_home(text, place) for place, sign in enumerate(text) if sign > "\x7f")


def _is_at_home(text: str, place: int) -> bool:
    sign = text[place]
    if sign in SYMBOLS:
        return True
    before = text[place - 1] if place else " "
    return sign.isalpha() and sign not in RARE_LETTERS and not (sign.isupper() and before.islower())


def _by_lines(path: Path, lines: _Lines) -> Encoding:
    if not lines.other:
        reason = f"lines with other letters than ASCII: {lines.utf8:,}, all UTF-8" if lines.utf8 else "all ASCII"
        return Encoding(name="utf-8", reason=reason)
    if lines.utf8 >= lines.other:
        reason = f"lines with letters in UTF-8: {lines.utf8:,}; rejected, since they do not decode: {lines.other:,}"
        return Encoding(name="utf-8", reason=reason)
    if 2 * lines.western >= lines.other:
        return Encoding(
            name="cp1252", reason=f"lines that are not UTF-8, and read well as Windows-1252: {lines.other:,}"
        )
    if lines.other <= 0.05 * lines.total:
        reason = f"rejected, since they do not decode: {lines.other:,} of {lines.total:,} lines"
        return Encoding(name="utf-8", reason=reason)
    message = f"{path.name}: {lines.other:,} of {lines.total:,} lines are neither UTF-8 nor Windows-1252"
    raise SourceError(f"{message}, and there is no byte order mark; save the file as UTF-8")
