"""What a person sees of inspected rows on the terminal. Data is never read as markup, nor steers the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from vlmdata.terminal import printable
from vlmtrain.inspected import ImageView, Inspection, Piece, RowView, piece_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

LEARNED, MASKED, IMAGE = "bold green", "dim", "cyan"


class InspectionReport:
    """Inspected rows: learned text in colour, or in [[ ]] where there is none."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspection = inspection

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        marks = console.color_system is None or console.no_color
        for index, row in enumerate(self._inspection.rows):
            if index:
                yield Text("")
            yield _head(row, self._inspection.about)
            yield Text("")
            shown = _conversation(row, marks=marks)
            yield shown
            yield Text("", end="" if shown.plain.endswith("\n") else "\n")
            if row.images:
                yield _images(row)
                yield Text("")
            yield _totals(row, marks=marks)
            yield from _problems(row)


def _head(row: RowView, about: str) -> Text:
    return Text.assemble((printable(row.id), "bold"), f"  {printable(about)}" if about else "")


def _conversation(row: RowView, *, marks: bool) -> Text:
    """The text of all tokens; between two learned pieces no marks."""
    shown = Text()
    for index, piece in enumerate(row.pieces):
        before = index > 0 and row.pieces[index - 1].learned
        after = index + 1 < len(row.pieces) and row.pieces[index + 1].learned
        if marks and piece.learned and not before:
            shown.append("[[")
        shown.append(printable(piece_text(piece)), style=_style(piece))
        if marks and piece.learned and not after:
            shown.append("]]")
    return shown


def _style(piece: Piece) -> str:
    if piece.learned:
        return LEARNED
    return IMAGE if piece.kind == "image" else MASKED


def _images(row: RowView) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("image", "name", "sha256", "size", "shown as"):
        table.add_column(name)
    table.add_column("tokens", justify="right")
    for image in row.images:
        cells = (f"image {image.number}", image.name, image.sha256[:12], *_sizes(image), f"{image.tokens:,}")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _sizes(image: ImageView) -> tuple[str, str]:
    return f"{image.width:,} x {image.height:,}", image.shown_as


def totals(row: RowView) -> str:
    """What the row's tokens are, in one line: those that stand for its images, those around them, and the text."""
    standing = sum(image.tokens for image in row.images)
    around = max(row.image_tokens - standing, 0)
    text = sum(piece.end - piece.start for piece in row.pieces if piece.kind != "image" and not piece.learned)
    said = [f"{standing:,} stand for images"] if row.images else []
    said += [f"{around:,} mark where an image begins or ends"] if around else []
    return f"{row.tokens:,} tokens: {', '.join([*said, f'{text:,} are other text'])}, {row.learned:,} are learned"


def _totals(row: RowView, *, marks: bool) -> Text:
    how = "in [[ ]]" if marks else "in green"
    return Text(f"{totals(row)} ({how})")


def _problems(row: RowView) -> Iterator[Text]:
    if not row.problems:
        yield Text("no problem found", style="green")
    for problem in row.problems:
        yield Text(
            printable(f"{problem.severity}: {problem}"), style="red" if problem.severity == "error" else "yellow"
        )
