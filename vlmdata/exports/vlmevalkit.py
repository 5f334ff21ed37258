"""VLMEvalKit: one TSV a split, images as base64, options in columns of their own.

Source: VLMEvalKit, docs/en/Development.md (the columns) and vlmeval/dataset/image_base.py (several images are lists in
`image` and `image_path`; rows without an image are left out when it reads). It reads the file with pandas, which takes
cells such as "None" and "NA" for missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import ClassVar

from vlmdata.exports.data_uri import base64_of
from vlmdata.exports.judging import problem
from vlmdata.exports.llava import stands_behind_text
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row, text_of
from vlmdata.record import Problem

CATEGORIES = ("category", "task")
"""The tags that VLMEvalKit's scores by category are made of: the first that a row has."""

OPTION = "option."
MARKS = (("", ":"), ("", "."), ("", ")"), ("(", ")"), ("[", "]"))
"""What stands before and after an option's letter where a question shows it."""

QUOTE = '"'
NEEDS_QUOTES = (QUOTE, "\t", "\n", "\r")

MISSING = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)
"""Cells that pandas reads as missing."""


WHOLE = re.compile("0|-?[1-9][0-9]{0,17}")
"""Numbers that pandas reads and writes as they stand, where a column holds no others."""


@dataclass(slots=True)
class VlmEvalKit(Exporter):
    """One file a split."""

    folder: Path
    survey: Survey
    options: Options
    holds: ClassVar[Holds] = Holds(
        reader="VLMEvalKit",
        kept=frozenset({"id"}),
        several_turns=False,
        text_only=False,
        turns_images=False,
    )

    def refusals(self, row: Row) -> Iterator[Problem]:
        """Texts that pandas would read as missing."""
        for name, text in _cells(row).items():
            if text in MISSING and name != "category":
                found = f"the {_called(name)} is {text!r}, which {self.holds.reader} reads as a missing cell"
                yield problem(row, "export.missing_value", name, found, "write it in other words where it comes from")

    def losses(self, row: Row) -> Iterator[str]:
        """The order of images and texts, and what stands elsewhere or not at all."""
        if any(stands_behind_text(message) for message in row.messages):
            yield "image_positions"
        if any("tt" in "".join(part.type[0] for part in message.content) for message in row.messages):
            yield "text_parts"
        if row.system:
            yield "system_in_question"
        cells = _cells(row)
        if cells["question"] != _question(row):
            yield "options_in_question"
        if cells["answer"] != text_of(row.messages[-1]):
            yield "answer_text"
        if any(map(is_rewritten, (row.id, *cells.values()))):
            yield "numbers"

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """A TSV with a column for each letter that any row has an option under."""
        letters = [letter for letter in ascii_uppercase if f"{OPTION}{letter}" in self.survey.fields]
        columns = ["index", "id", "question", *letters, "answer", "category", "split"]
        path = self.folder / f"{split}.tsv"
        count = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(_line([*columns, "image", "image_path"]))
            for row in rows:
                cells = {"index": str(count), "id": row.id, "split": split, **_cells(row)}
                file.write(_line([*(cells.get(column, "") for column in columns), *_images(row, count)]))
                count += 1
        return Written(rows=count, files=(path.name,))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return Opening(
            text="copy it to VLMEvalKit's LMUData, whose CustomMCQDataset and CustomVQADataset read it",
            command="python run.py --data SPLIT --model ...",
        )


def _cells(row: Row) -> dict[str, str]:
    """The texts of a row by their column. Of several with a name, the first counts."""
    fields, tags = dict(reversed(row.fields)), dict(reversed(row.tags))
    options = {letter: fields[f"{OPTION}{letter}"] for letter in ascii_uppercase if f"{OPTION}{letter}" in fields}
    answer = text_of(row.messages[-1]) if row.messages else ""
    return {
        "question": _without_options(_question(row), options),
        **options,
        "answer": fields.get("answer", answer) if options else answer,
        "category": next((tags[name] for name in CATEGORIES if name in tags), ""),
    }


def _question(row: Row) -> str:
    """What is asked, the system's text before it: the TSV has no column for that."""
    asked = text_of(row.turns[0]) if row.turns else ""
    return f"{row.system}\n{asked}" if row.system else asked


def _without_options(question: str, options: Mapping[str, str]) -> str:
    """A question without the lines that show its options, which VLMEvalKit adds from their columns."""
    shown = {f"{before}{letter}{after} {text}" for letter, text in options.items() for before, after in MARKS}
    lines = question.split("\n")
    kept = [line for line in lines if line.strip() not in shown]
    return question if len(kept) == len(lines) else "\n".join(kept).strip()


def is_rewritten(text: str) -> bool:
    """Whether pandas may read a cell as a number, or as true or false, and write it in another way than it stood."""
    if text.lower() in {"true", "false"}:
        return True
    if WHOLE.fullmatch(text) or "_" in text or not text.isascii():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _called(name: str) -> str:
    return f"option {name}" if len(name) == 1 else name


def _images(row: Row, index: int) -> tuple[str, str]:
    """The columns of a row's images: one as it is, several as lists."""
    data = [base64_of(picture) for picture in row.images]
    names = [f"{index}_{number}{picture.ending}" for number, picture in enumerate(row.images)]
    return (data[0], names[0]) if len(data) == 1 else (json.dumps(data), json.dumps(names))


def _line(cells: Iterable[str]) -> str:
    """Cells parted by tabs, as the csv module writes them, which would spend most of an export's time over images."""
    return "\t".join(_cell(text) for text in cells) + "\n"


def _cell(text: str) -> str:
    return f'"{text.replace(QUOTE, QUOTE * 2)}"' if any(sign in text for sign in NEEDS_QUOTES) else text
