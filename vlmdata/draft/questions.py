"""Tables of questions with options over images: which column holds which part, so that a benchmark is read as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmdata.draft import words
from vlmdata.draft.photos import PhotoColumn, Photos
from vlmdata.draft.roles import assign
from vlmdata.draft.table import Column

OPTIONS = ("options", "choices", "optionen", "opciones", "opzioni", "candidates", "auswahl", "选项")
ANSWER = ("answer", "output", "solution", "correct", "label", "target", "antwort", "reponse", "respuesta", "risposta")
CONTEXT = ("context", "kontext", "contexte", "contexto", "contesto")
MARKER = "<image>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The column of each part of a question, what stands between images, and whether the questions mark their places.

    `id` names a row; `tags` are the columns with few values.
    """

    parts: dict[str, str]
    separator: str | None
    marker: str
    id: str
    tags: tuple[str, ...]


def find_questions(columns: Sequence[Column], photos: Photos) -> Questions | None:
    """The parts of questions with options; None where a table holds something else."""
    places = [place for place in photos.places if isinstance(place, PhotoColumn)]
    named = {part: _named(columns, names) for part, names in PARTS.items()}
    question, answer, options = named["question"], named["answer"], named["options"]
    if (
        len(places) != 1
        or len(photos.places) != 1
        or len(places[0].column.path) > 1
        or question is None
        or answer is None
        or options is None
    ):
        return None
    parts = {"question": question, "images": places[0].column, "answer": answer, "options": options}
    parts |= {"context": named["context"]} if named["context"] is not None else {}
    if len({column.name for column in parts.values()}) < len(parts) or answer.nested or question.nested:
        return None
    rest = [column for column in columns if column not in parts.values() and not column.nested]
    identity = assign(rest, has_photos=True).id
    marked = sum(MARKER in str(value) for value in question.values)
    return Questions(
        parts={part: column.name for part, column in parts.items()},
        separator=places[0].separator,
        marker=MARKER if 2 * marked > len(question.values) else "",
        id=identity.name if identity is not None and identity.unique == 1 else "",
        tags=tuple(
            c.name for c in rest if 2 <= c.distinct <= min(30, c.count / 3) and c.filled == 1 and c.numbers < 0.5
        )[:4],
    )


PARTS = {"question": words.QUESTION, "answer": ANSWER, "options": OPTIONS, "context": CONTEXT}


def _named(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    ranked = [(place, column.place) for column in columns if (place := words.rank(column.name, names)) is not None]
    return next(column for column in columns if column.place == min(ranked)[1]) if ranked else None
