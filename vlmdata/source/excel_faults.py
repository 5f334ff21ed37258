"""Cells of an .xlsx sheet that hold an error, or a formula without a result, which readers show as empty.

python-calamine gives an empty text for both. A row would lose its price or its title without a word, so the sheet's
XML is asked, and only where its bytes show that it holds errors or formulas at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

RELATION = re.compile(r"^\{.*/relationships\}id$")
SUSPECT = re.compile(rb"""\st=["']e["']|<(?:\w+:)?f[ >/]""")
REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
CHUNK = 1 << 20
NO_RESULT = "a formula without a result"


def faulty_cells(path: Path, sheet: str) -> dict[int, dict[int, str]]:
    """For each row, from 1, its faulty cells: the column, from 0, and the error (`#REF!`) or that a result is missing.

    Empty for a file that is no .xlsx, whose errors can't be told from empty cells.
    """
    try:
        with ZipFile(path) as book:
            member = _sheet_member(book, sheet)
            if member is None or not _is_suspect(book, member):
                return {}
            found: dict[int, dict[int, str]] = {}
            with book.open(member) as file:
                for row, column, fault in _faults(file):
                    found.setdefault(row, {})[column] = fault
            return found
    except (BadZipFile, ElementTree.ParseError, KeyError, NotImplementedError, RuntimeError, EOFError):
        return {}


def _sheet_member(book: ZipFile, sheet: str) -> str | None:
    """The member of the zip that holds a sheet."""
    if "xl/workbook.xml" not in book.namelist():
        return None
    for node in ElementTree.fromstring(book.read("xl/workbook.xml")).iter():
        if _tag(node) == "sheet" and node.get("name") == sheet:
            wanted = next((value for key, value in node.attrib.items() if RELATION.match(key)), None)
            for relation in ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels")):
                if relation.get("Id") == wanted:
                    target = relation.get("Target", "")
                    return target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
    return None


def _is_suspect(book: ZipFile, member: str) -> bool:
    rest = b""
    with book.open(member) as file:
        while chunk := file.read(CHUNK):
            if SUSPECT.search(rest + chunk):
                return True
            rest = chunk[-32:]
    return False


def _faults(file: IO[bytes]) -> Iterator[tuple[int, int, str]]:
    for _, node in ElementTree.iterparse(file):
        tag = _tag(node)
        if tag == "c":
            place = REFERENCE.fullmatch(node.get("r", ""))
            fault = _fault(node)
            if fault and place:
                yield int(place.group(2)), column_number(place.group(1)), fault
        elif tag == "row":
            node.clear()


def _fault(cell: ElementTree.Element) -> str:
    parts = {_tag(part): part.text for part in cell}
    if cell.get("t") == "e":
        return parts.get("v") or "#ERROR!"
    return NO_RESULT if "f" in parts and parts.get("v") is None and cell.get("t") != "str" else ""


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def column_number(letters: str) -> int:
    """A column's number, from 0: `A` is 0, `AA` is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def column_letters(number: int) -> str:
    """The letters of a column's number, from 0."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
