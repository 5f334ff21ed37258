"""Inspected rows as a page that works offline, and as the piece of one that a notebook shows. No data is markup."""

from __future__ import annotations

import io

from vlmdata.page import document, section, shortened, table, text
from vlmdata.page.gallery import SIDE, Picture, picture_html, thumbnail
from vlmdata.words import plural
from vlmtrain.inspected import ImageView, Inspection, Piece, RowView, piece_text
from vlmtrain.report_inspection import totals

LONGEST_CELL = 300
NEW_LINE = "\n"
STYLE = """
.tokens { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.7; font-family: ui-monospace, SFMono-Regular,
  Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9rem; }
.tokens .masked { color: var(--soft, #6b7680); }
.tokens .image { background: #c9dafa; color: #1b2126; border-radius: 4px; }
.tokens mark, .learned-key { background: #bfe5da; color: #10231c; border-radius: 3px; text-decoration: underline; }
.tokens .end { font-weight: 700; } .shown { display: flex; flex-wrap: wrap; gap: 18px; }
.shown figure { max-width: 240px; margin: 0; } .shown figcaption { overflow-wrap: anywhere; }
.problem { margin: 4px 0; overflow-wrap: anywhere; }
"""


def html_page(inspection: Inspection) -> str:
    """A whole page: of each row its tokens as text, its photos, its spans of tokens, and what is wrong."""
    head = (
        '<header class="title"><p class="over">Inspection</p>'
        f"<h1>{plural(len(inspection.rows), 'row')}</h1>"
        f'<p class="verdict {"bad" if inspection.failed else "good"}">{text(_verdict(inspection))}</p>'
        f'<p class="note">{text(inspection.about)}</p></header>'
    )
    rows = "\n".join(_row(number, row) for number, row in enumerate(inspection.rows, start=1))
    links = {f"row-{number}": shortened(row.id, 40) for number, row in enumerate(inspection.rows, start=1)}
    return document(title="Inspection", body=f"{head}\n{rows}", links=links, style=STYLE)


def notebook_html(inspection: Inspection) -> str:
    """What a notebook shows: the same without the frame and without a script."""
    rows = "".join(
        f'<p><strong dir="auto">{text(row.id)}</strong></p>{_body(row)}<p>{text(totals(row))}</p>{_problems(row)}'
        for row in inspection.rows
    )
    return f'<div class="vlmtrain"><style>{STYLE}</style>{rows}</div>'


def _verdict(inspection: Inspection) -> str:
    count = len(inspection.problems)
    return f"{plural(count, 'problem')} found." if count else "No problem found."


def _row(number: int, row: RowView) -> str:
    spans = [
        [
            f'<span dir="auto">{text(_kind(piece))}</span>',
            f'<code dir="auto">{text(shortened(piece_text(piece).replace(NEW_LINE, "↵ "), LONGEST_CELL))}</code>',
            "learned" if piece.learned else "masked",
            f"{piece.start:,}",
            f"{piece.end - 1:,}",
            f"{piece.end - piece.start:,}",
        ]
        for piece in row.pieces
    ]
    head = ["What", "Text", "Label", "First", "Last", "Tokens"]
    note = f"{totals(row)}. Positions count from 0; padding is left out."
    body = _problems(row) + _body(row) + table(head, spans, caption="Spans of tokens", numbers=3)
    return section(f"row-{number}", row.id, body, note=note)


def _body(row: RowView) -> str:
    pieces = "".join(map(_piece, row.pieces))
    images = "".join(map(_image, row.images))
    shown = f'<div class="shown">{images}</div>' if images else ""
    return f'<p class="tokens" dir="auto">{pieces}</p>{shown}'


def _kind(piece: Piece) -> str:
    named = {"prompt": "prompt", "answer": "answer", "end": "end of turn"}
    return named.get(piece.kind) or (f"image {piece.image}" if piece.image else "around images")


def _piece(piece: Piece) -> str:
    shown = text(piece_text(piece))
    kind = {"image": "image", "end": "end"}.get(piece.kind, "masked")
    if piece.learned:
        return f'<mark class="{kind if kind != "masked" else "learned"}">{shown}</mark>'
    return f'<span class="{kind}">{shown}</span>'


def _image(image: ImageView) -> str:
    said = (
        f"image {image.number}: {image.name} {image.sha256[:12]}, {image.width:,} x {image.height:,}, "
        f"shown as {image.shown_as or 'it is'}, {plural(image.tokens, 'token')}"
    )
    picture = picture_html(_thumbnail(image), f"image {image.number}")
    return f'<figure>{picture}<figcaption dir="auto">{text(said)}</figcaption></figure>'


def _thumbnail(image: ImageView) -> Picture:
    if image.picture is None:
        return Picture(name=image.name, missing="no picture")
    small = image.picture.copy()
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return thumbnail(buffer.getvalue(), image.name)


def _problems(row: RowView) -> str:
    return "".join(
        f'<p class="problem {"bad" if problem.severity == "error" else ""}" dir="auto">'
        f"{text(f'{problem.severity}: {problem}')}</p>"
        for problem in row.problems
    )
