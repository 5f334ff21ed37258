"""What inspecting rows comes to: tokens, images, problems. It shows itself on a terminal and in a notebook."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vlmdata.record import Problem

if TYPE_CHECKING:
    from PIL import Image

    from vlmtrain.report_inspection import InspectionReport

Kind = Literal["prompt", "answer", "end", "image"]
FEW = 4
"""So many tokens around an image are shown as they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Neighbouring tokens of one kind, learned or not. `start` and `end` are positions, half-open."""

    start: int
    end: int
    kind: Kind
    learned: bool
    text: str
    image: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """An image of a row, from 1: its own size, that which the model sees, and the tokens that stand for it.

    `tokens` are all that the processor writes in place of the placeholder; `start` is None where they are not found.
    """

    number: int
    name: str
    sha256: str
    width: int
    height: int
    shown_as: str
    tokens: int
    start: int | None
    picture: Image.Image | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """One row: its tokens in pieces, its images, and what is wrong with them. Padding is left out."""

    id: str
    pieces: tuple[Piece, ...]
    images: tuple[ImageView, ...]
    problems: tuple[Problem, ...]
    tokens: int
    image_tokens: int
    learned: int

    @property
    def text(self) -> str:
        """The text of all tokens, images as `<image 1: 256 tokens>`."""
        return "".join(piece_text(piece) for piece in self.pieces)

    @property
    def learned_text(self) -> str:
        """The text of the learned tokens."""
        return "".join(piece.text for piece in self.pieces if piece.learned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Rows that were looked at. It shows itself on a terminal and in a notebook."""

    rows: tuple[RowView, ...]
    about: str = ""

    @property
    def text(self) -> str:
        """What the model reads, row after row."""
        return "\n".join(row.text for row in self.rows)

    @property
    def learned_text(self) -> str:
        """What it learns, row after row."""
        return "\n".join(row.learned_text for row in self.rows)

    @property
    def images(self) -> tuple[ImageView, ...]:
        """The images of all rows."""
        return tuple(image for row in self.rows for image in row.images)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of all rows."""
        return in_order(problem for row in self.rows for problem in row.problems)

    @property
    def failed(self) -> bool:
        """Whether there is an error among the problems."""
        return any(problem.severity == "error" for problem in self.problems)

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"about": self.about, "failed": self.failed, "rows": [_row_data(row) for row in self.rows]}

    def __rich__(self) -> InspectionReport:
        from vlmtrain.report_inspection import InspectionReport

        return InspectionReport(self)

    def _repr_html_(self) -> str:
        from vlmtrain.page_inspection import notebook_html

        return notebook_html(self)


def piece_text(piece: Piece) -> str:
    """A piece as a person reads it: an image's tokens as their number."""
    if piece.kind != "image" or (piece.image is None and piece.end - piece.start <= FEW):
        return piece.text
    count = piece.end - piece.start
    name = "image tokens" if piece.image is None else f"image {piece.image}"
    return f"<{name}: {count:,} token{'' if count == 1 else 's'}>"


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once."""
    return tuple(dict.fromkeys(problems))


def _row_data(row: RowView) -> dict[str, Any]:
    images = [
        {part.name: getattr(image, part.name) for part in dataclasses.fields(image) if part.name != "picture"}
        for image in row.images
    ]
    return {
        "id": row.id,
        "tokens": row.tokens,
        "image_tokens": row.image_tokens,
        "learned": row.learned,
        "text": row.text,
        "learned_text": row.learned_text,
        "pieces": [dataclasses.asdict(piece) for piece in row.pieces],
        "images": images,
        "problems": [dataclasses.asdict(problem) for problem in row.problems],
    }
