"""Answers that were made elsewhere: a JSON Lines file of `{id, text}`, or what an evaluation has written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmdata.record import Problem
from vlmtrain.errors import RunError
from vlmtrain.generation import Answer
from vlmtrain.results_file import predictions_file, read_data

TEXT_KEYS = ("text", "prediction", "answer", "response")
MOST_SHOWN = 20


def read_given(place: Path, rows: Any) -> tuple[list[Answer], int]:
    """The answer to each row, in the rows' order, and how many answers belong to no row.

    Raises RunError with every line that can't be read.

    A row that is not answered has `failed`, and counts as wrong. A folder stands for the last candidate of the
    evaluation in it.
    """
    file = _predictions(place) if place.is_dir() else place
    wanted = [str(name) for name in rows["id"]] if hasattr(rows, "features") else [str(row["id"]) for row in rows]
    known, problems = {}, []
    for number, line in _lines(file):
        said = _answer(line)
        if isinstance(said, str):
            problems.append(Problem(rule="eval.answers", message=said, source=str(file), line=number))
        elif said.id in known:
            problems.append(
                Problem(rule="eval.answers", message=f"{said.id!r} is answered twice", source=str(file), line=number)
            )
        else:
            known[said.id] = said
    if not problems and not known.keys() & set(wanted):
        message = f"answers none of the {len(wanted):,} rows; the first row is {wanted[0]!r}"
        problems.append(Problem(rule="eval.answers", message=message, source=str(file)))
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        raise RunError(f"{file}: {count}", problems[:MOST_SHOWN])
    missing = f"no answer in {file.name}"
    answers = [known.get(name) or Answer(id=name, text="", tokens=0, failed=missing) for name in wanted]
    return answers, len(known.keys() - set(wanted))


def _predictions(folder: Path) -> Path:
    data, home = read_data(folder)
    *_, last = data["candidates"]
    return home / predictions_file(last)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        with file.open(encoding="utf-8") as opened:
            for number, line in enumerate(opened, start=1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{file}: can't be read ({error})") from None


def _answer(line: str) -> Answer | str:
    """An answer, or what is wrong with its line."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"is not JSON ({error})"
    if not isinstance(read, dict) or "id" not in read:
        return "expected an object with `id` and `text`"
    text = next((read[key] for key in TEXT_KEYS if key in read), None)
    failed = read.get("failed")
    if failed:
        return Answer(id=str(read["id"]), text="", tokens=0, failed=str(failed))
    if not isinstance(text, str):
        return f"{read['id']!r} has no `text`" if text is None else f"{read['id']!r}: `text` is no text but {text!r}"
    return Answer(id=str(read["id"]), text=text.strip(), tokens=0, finished=bool(read.get("finished", True)))
