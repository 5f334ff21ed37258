"""The frame of every HTML report: one file that works offline, asks for nothing and runs nothing but its own script.

A page has no data inside its script; what comes from a dataset goes through `text`, which is right for HTML's text, for
attributes in double quotes and for SVG alike.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib import resources

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that a page can't hold, or that would move or hide the text around them."""


def text(value: object) -> str:
    """Anything as text of a page, for elements and for attributes in double quotes.

    Characters that steer are shown by their number, so that no text can turn its neighbours around.
    """
    return html.escape(HIDDEN.sub(_shown, str(value)), quote=True)


def coded(value: object) -> str:
    """The same, with what stands between backticks as code: for our own texts, such as a rule's."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(value))


def _shown(found: re.Match[str]) -> str:
    return "\n" if found[0] == "\r" else f"[U+{ord(found[0]):04X}]"


def shortened(value: str, most: int) -> str:
    """A text cut to so many characters, with the number of those that were left out."""
    if len(value) <= most:
        return value
    return f"{value[:most].rstrip()} … ({len(value) - most:,} more characters)"


def size_words(size: float) -> str:
    """A number of bytes as a person says it."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} bytes"


def asset(name: str) -> str:
    """A style sheet or script that comes with this package."""
    return resources.files("vlmdata.page").joinpath(name).read_text(encoding="utf-8").strip()


def document(*, title: str, body: str, links: Mapping[str, str], language: str = "en", style: str = "") -> str:
    """A whole page. `body` is HTML; `links` are the ids of its sections and what they are called.

    `style` is CSS of our own that a page needs besides.

    The page's policy lets it load nothing: images stand in it as data, style and script are known by their hashes.
    """
    style, script = asset("page.css") + style, asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    entries = "".join(f'<a href="#{name}">{text(words)}</a>' for name, words in links.items())
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<nav class="top" aria-label="Sections"><div class="links">{entries}</div>\
<button type="button" class="theme" id="theme" hidden>Theme: auto</button></nav>
<main id="content">
{body}
</main>
<script>{script}</script>
</body>
</html>
"""


def _hash(source: str) -> str:
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"


def section(name: str, title: str, body: str, *, note: str = "") -> str:
    """A section with its heading. `body` is HTML, `title` and `note` are text."""
    said = f'<p class="note">{text(note)}</p>\n' if note else ""
    heading = f'<h2 id="{name}-title">{text(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">\n{heading}\n{said}{body}\n</section>'


def table(head: list[str], rows: list[list[str]], *, caption: str, numbers: int = 0) -> str:
    """A table whose cells are HTML; the first cell of a row is its header, the last `numbers` cells are numbers."""
    first = len(head) - numbers
    kinds = [' class="number"' if place >= first else "" for place in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{text(words)}</th>' for words, kind in zip(head, kinds, strict=True))
    lines = "\n".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(caption)}">'
        f'<table><caption class="unseen">{text(caption)}</caption>\n'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
    )
