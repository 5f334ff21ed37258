"""Tables that fold up on a phone: each row becomes a block, and each of its cells says what it is."""

from __future__ import annotations

from collections.abc import Sequence

from vlmdata.page import table, text


def folding_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str) -> str:
    """A table whose cells are HTML; the first cell of a row is its header. Labels are seen on a phone alone."""
    labelled = [
        [
            row[0],
            *(f'{_label(words)}<div class="cell">{cell}</div>' for words, cell in zip(head[1:], row[1:], strict=True)),
        ]
        for row in rows
    ]
    return f'<div class="folding">{table(list(head), labelled, caption=caption)}</div>'


def _label(words: str) -> str:
    return f'<span class="label" aria-hidden="true" dir="auto">{text(words)}</span>' if words else ""
