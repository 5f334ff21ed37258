"""HTML to the text that a reader would see: tags leave line breaks where a browser shows them, and nothing else."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "dir", "div", "dl"),
        *("dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table"),
        *("tbody", "tfoot", "thead", "tr", "ul", "caption"),
    )
)
HIDDEN = frozenset(("script", "style", "template", "noscript", "head", "title", "iframe", "object", "svg", "math"))
PREFORMATTED = frozenset(("pre",))
CELLS = ("td", "th")
INLINE = (
    *("a", "abbr", "acronym", "area", "audio", "b", "base", "bdi", "bdo", "big", "br", "button", "canvas", "cite"),
    *("code", "col", "colgroup", "data", "del", "dfn", "em", "embed", "font", "i", "img", "input", "ins", "kbd"),
    *("label", "link", "map", "mark", "meta", "meter", "nobr", "optgroup", "option", "output", "param", "picture"),
    *("progress", "q", "s", "samp", "select", "small", "source", "span", "strike", "strong", "sub", "sup", "textarea"),
    *("time", "track", "tt", "u", "var", "video", "wbr"),
)
NAMES = "|".join(sorted((*BLOCKS, *HIDDEN, *CELLS, *INLINE), key=len, reverse=True))
BARE = "async|checked|compact|controls|defer|disabled|hidden|itemscope|noshade|nowrap|readonly|reversed|selected"
ATTRIBUTES = rf"(?:\s[^<>]{{0,4000}}=[^<>]{{0,4000}}|(?:\s+(?:{BARE}))+)?\s*/?"
TAG = rf"</?(?:{NAMES}|[a-z][a-z0-9]*[:-][a-z0-9:-]*)(?=[\s/>]){ATTRIBUTES}>"
"""A whole tag of a known element, or of a namespace such as Word's `<o:p>`. Other text in angle brackets is text, and
so is `a<b and c>d`, which has no attribute's `=`."""

HAS_TAG = re.compile(TAG, re.IGNORECASE)
NO_TAG = re.compile(rf"<(?!{TAG[1:]})", re.IGNORECASE)
NOT_SHOWN = re.compile(r"<\?[^<>]*>|<!doctype[^<>]*>|<!\[CDATA\[|\]\]>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
BREAK, LINE, ITEM = "\x00", "\x01", "\x02"
"""What stands where a block begins or ends, for a `<br>`, and before a list's item, until the lines are made."""

OPENING = {"br": LINE, "li": BREAK + ITEM, **dict.fromkeys(CELLS, " ")}
SURROGATES = re.compile("[\ud800-\udfff]")


def html_to_text(text: str) -> str:
    """The text without tags, comments, scripts and styles; blocks and `<br>` end lines, list items begin with `- `.

    A text without any tag keeps its lines, and has its entities decoded; one that is HTML written in entities
    (`&lt;p&gt;`) is decoded first. `<` and what follows stay where that is no tag of HTML (`for < 5 cm`).
    """
    if not HAS_TAG.search(text):
        decoded = ENTITY.sub(lambda found: unescape(found[0]), text)
        if decoded == text or not HAS_TAG.search(decoded):
            return SURROGATES.sub("\ufffd", decoded)
        text = decoded
    text = NOT_SHOWN.sub("", _without_comments(re.sub(f"[{BREAK}{LINE}{ITEM}]", "", text)))
    return _tidied(_shown(NO_TAG.sub("&lt;", text)))


def _without_comments(html: str) -> str:
    """HTML without comments; one that never ends is text, and takes nothing with it."""
    end = html.rfind("-->") + 3
    return re.sub(r"<!--.*?-->", "", html[:end], flags=re.DOTALL) + html[end:] if end > 2 else html


def _shown(html: str) -> str:
    """The text of the elements that are shown, with marks where lines break and items begin."""
    from bs4 import BeautifulSoup
    from bs4.element import CData, NavigableString, Tag

    soup = BeautifulSoup(html, "html.parser")
    tags_break_lines = soup.find(["br", *sorted(BLOCKS)]) is not None
    pieces: list[str] = []
    around: list[Tag] = [soup]
    for node in soup.descendants:
        while around[-1] is not node.parent:
            pieces.append(BREAK if around.pop().name in BLOCKS else "")
        if isinstance(node, Tag):
            around.append(node)
            pieces.append(OPENING.get(node.name, BREAK if node.name in BLOCKS else ""))
        elif type(node) in (NavigableString, CData) and not _within(around, HIDDEN):
            keeps_lines = not tags_break_lines or _within(around, PREFORMATTED)
            pieces.append(str(node) if keeps_lines else re.sub(r"[ \t\r\n\f]+", " ", str(node)))
    return "".join((*pieces, *(BREAK for tag in around if tag.name in BLOCKS)))


def _within(around: list[Any], names: frozenset[str]) -> bool:
    """Whether one of the last hundred elements around a text is called so; nobody nests more."""
    return any(tag.name in names for tag in around[-100:])


def _tidied(shown: str) -> str:
    """Marks as line breaks: neighbouring blocks share one, and a run of `<br>` leaves at most one empty line."""
    kept: list[str] = []
    item, ended = False, 0
    for line, end in re.findall(f"([^{BREAK}{LINE}\r\n]*)({BREAK}|{LINE}|\r\n|\n|$)", shown):
        item = item or ITEM in line
        words = re.sub(r" {2,}", " ", line.replace(ITEM, "")).strip()
        if words:
            kept += [""] if ended > 1 and kept else []
            kept.append(f"- {words}" if item else words)
            item, ended = False, 0
        ended += end in (LINE, "\n", "\r\n")
    return SURROGATES.sub("\ufffd", "\n".join(kept))
