"""What a template or an export leaves behind where a value should stand: braces, `nan`, `TODO`, an empty place."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from vlmdata.check.text_rule import ANGLE, BRACE, BRACKET, Columns, Mask, Text, TextRule, around

LATEX = re.compile(r"\\[A-Za-z]{2,}")
CODE = re.compile(r"```|^\s*[\[{]")

JINJA = re.compile(
    r"(?<![\w\\^_}])\{\{-?(?P<inside>\s*[A-Za-z_][\w. ]*(?:\[[^\]{}]{1,60}\])?(?:\s*\|[^{}]{1,80})?\s*)-?\}\}"
    r"|\{%-?\s*[A-Za-z]\w*[^%{}]{0,120}%\}"
)
JINJA_SCREEN = BRACE
LEFT_OVER = re.compile(
    r"(?<![\w\\^_}${])\{(?!image)[a-z]{3,}(?:_[a-z0-9]+)*\}|\$\{[A-Za-z_][\w.]*\}|%\([A-Za-z_]\w*\)[sdf]|<%=?.{1,80}?%>"
    r"|\[\[[A-Za-z_][\w ]*\]\]"
    r"|\[(?i:(?:insert|your|enter|add) [^\]\n]{1,40}"
    r"|(?:product|brand|title|company|item)(?:[ _-](?:name|title|here))?)\](?!\()"
)
LEFT_OVER_SCREEN = rf"{ANGLE}|{BRACKET}|{BRACE}|%\("

NULLS = r"nan|NaN|NAN|Nan|None|none|null|NULL|Null|undefined|NaT|<NA>|#N/A"
WHOLE_NULL = re.compile(rf"\s*(?P<word>{NULLS})\s*")
MACHINE = frozenset({"nan", "NaN", "null", "undefined", "NaT", "<NA>", "#N/A"})
"""What no person would answer, whatever was asked."""
CERTAIN = MACHINE | {"None", "NULL"}
"""What no person would write where nothing was asked, such as a description."""
DOUBTFUL = frozenset({"None", "NULL", "Null", "NAN", "Nan"})

VALUE = r"nan|NaN|None|null|NULL|undefined|NaT|<NA>"
NULL_VALUES = re.compile(
    rf"(?:[:：|(\[,;/]|(?:^|\n)(?=nan))[ \t]*(?:{VALUE})[ \t]*(?=$|[,;.)\]|/\n])"
    r"|(?:^|\n|[^\w\n])(?i:by|from|of|in|with|for|brand|size|colou?r|material|named|called|von|aus|mit|der Marke|par|du"
    r"|por|della) (?:nan|NaN|None|undefined)(?=[.,;:!?)]|$|\n| (?:in|by|from|with|and|of|for|und|et|y|e|aus|von|mit)\b)"
    r"|(?:^|\n)nan |(?:^|[^\w])(?:the|a|an|is|are|eine?) nan(?=[ .,;:!?]|$)"
    r"|(?:^|[^\w])(?P<twice>nan|NaN|None|null|undefined)[ ,;/x×]{1,3}(?P=twice)(?![\w])"
    r"|(?:^|[^\w])(?:nan|NaN|None)(?: (?:x|cm|mm|kg|g|ml|l|EUR|USD)(?![\w])| ?[×€$%]|cm(?![\w]))"
    r"|[€$£](?:nan|NaN|None)(?![\w])"
    r"|\[object Object\]|#(?:REF!|VALUE!|DIV/0!|NAME\?|NUM!|N/A)"
)
NULL_SCREEN = (
    r"\b(?:nan|NaN|NAN|Nan|None|none|null|NULL|Null|undefined|NaT)|<NA>|\[object Object|#(?:REF|VAL|DIV|NA|NUM|N/A)"
)

EMPTY_VALUE = re.compile(r",[ \t]+,|,,(?=[ \t])|(?<=[ \t])\([ \t]*\)(?=[\s.,;]|$)|(?<=[^\W\d_]):[ \t]*[,;](?=\s|$)")
EMPTY_SCREEN = r",[ \t]+,|,,[ \t]|[ \t]\([ \t]*\)|:[ \t]*[,;]"

STAND_INS = frozenset(
    {
        *("todo", "to do", "tbd", "tba", "tbc", "fixme", "test", "testing", "test test", "test123", "qwerty", "foo"),
        *("foobar", "dummy", "sample", "sample text", "placeholder", "n/a", "n.a", "na", "description", "text here"),
        *("description here", "answer here", "no description", "no description available", "not available"),
        *("coming soon", "unknown", "none given", "keine angabe", "keine angaben", "keine beschreibung", "folgt"),
        *("beschreibung folgt", "entfällt", "unbekannt", "pas de description", "non disponible", "à compléter"),
        *("sin descripción", "no disponible", "sem descrição", "non disponibile", "brak opisu", "brak"),
        *("geen beschrijving", "açıklama yok", "нет описания", "暂无描述", "暂无", "なし"),
    }
)
STAND_IN = re.compile(
    r"x{2,}|asdf+|blah?(?: blah?)*"
    r"|(?:insert|enter|add|your|product) (?:the |a |your )?(?:description|text|answer)(?: here)?"
)
EDGES = " \t\r\n.,:;!?-–—_*…()[]{}<>\"'“”‘’«»/\\|#~=+"
STAND_IN_BYTES = 48
LOREM = re.compile(r"(?i)lorem ipsum|dolor sit amet")
LOREM_SCREEN = r"(?i:lorem ipsum|dolor sit amet)"
UNASKED = frozenset(
    {"unknown", "none given", "na", "sample", "test", "description", "foo", "unbekannt", "brak", "なし"}
)
"""Stand-ins that may well be the answer to a question."""


def template_residue(text: Text) -> str | None:
    """A template's braces around a name, or a statement of one."""
    latex = LATEX.search(text.text)
    for match in JINJA.finditer(text.text):
        if not (latex and match["inside"] and match["inside"] == match["inside"].strip()):
            return f"holds {match[0]!r}, which a template should have filled"
    return None


def template_left_over(text: Text) -> str | None:
    """Half a pair of braces, and the marks of other template languages."""
    if LATEX.search(text.text) or CODE.search(text.text) or template_residue(text) is not None:
        return None
    match = LEFT_OVER.search(text.text)
    if match is None:
        for opened, closed in (("{{", "}}"), ("{%", "%}")):
            if text.text.count(opened) != text.text.count(closed) and text.text.count("{") != text.text.count("}"):
                match = re.search(f"{re.escape(opened)}|{re.escape(closed)}", text.text)
                break
    return (
        None if match is None else f"holds {around(text.text, match)}, which looks like a template that was not filled"
    )


def null(text: Text) -> str | None:
    """A missing value printed as a word, and nothing else."""
    match = WHOLE_NULL.fullmatch(text.text)
    if match is None or match["word"] not in (MACHINE if text.asked else CERTAIN):
        return None
    return f"is {match['word']!r} and nothing else"


def null_value(text: Text) -> str | None:
    """A missing value printed among words: behind a colon, between commas, after `by`."""
    whole = WHOLE_NULL.fullmatch(text.text)
    if whole is not None:
        return f"is {whole['word']!r}" if whole["word"] in DOUBTFUL and null(text) is None else None
    if CODE.search(text.text):
        return None
    match = NULL_VALUES.search(text.text)
    return None if match is None else f"holds {around(text.text, match)}: a missing value was printed"


def empty_value(text: Text) -> str | None:
    """Punctuation around nothing."""
    match = EMPTY_VALUE.search(text.text)
    if match is None or CODE.search(text.text):
        return None
    return f"holds {around(text.text, match)}: a value is missing there"


def stands_in(text: str) -> bool:
    """Whether a text is only punctuation, or one of the words for a text that is still to come."""
    bare = text.strip(EDGES).casefold()
    return not bare or bare in STAND_INS or STAND_IN.fullmatch(bare) is not None


def placeholder(text: Text) -> str | None:
    """A text that stands in for one that was never written."""
    short = 0 < len(text.text.encode()) <= STAND_IN_BYTES and not text.text.isspace()
    if not short or not text.alone or text.role == "system" or not stands_in(text.text):
        return None
    bare = text.text.strip(EDGES).casefold()
    if text.asked and (not bare or bare in UNASKED):
        return None
    return f"is {text.text.strip()!r}, which stands in for a text"


def stand_ins(columns: Columns) -> Mask:
    """Texts that may stand in for others, among the short ones."""
    found = columns.sizes <= STAND_IN_BYTES
    places = np.flatnonzero(found)
    short = columns.texts.take(pa.array(places)).to_pylist()
    found[places] = [stands_in(text) for text in short]
    return found


def filler(text: Text) -> str | None:
    """The printers' Latin."""
    match = LOREM.search(text.text)
    return None if match is None else f"holds {around(text.text, match)}, which only fills a layout"


column = "leave the value out where it is missing ({% if brand %}), or name it in source.nulls"
RULES = (
    TextRule(
        id="text.template_residue",
        find=template_residue,
        screen=JINJA_SCREEN,
        hint="fill it, or take it out of the source",
    ),
    TextRule(
        id="text.template_leftover",
        find=template_left_over,
        screen=LEFT_OVER_SCREEN,
        hint="fill it, or take it out of the source",
    ),
    TextRule(id="text.null", find=null, screen=NULL_SCREEN, hint="name the word in source.nulls, or leave the row out"),
    TextRule(id="text.null_value", find=null_value, screen=NULL_SCREEN, hint=column),
    TextRule(id="text.empty_value", find=empty_value, screen=EMPTY_SCREEN, hint=column),
    TextRule(
        id="text.placeholder",
        find=placeholder,
        suspects=stand_ins,
        hint="write the text, or leave the row out with source.where",
    ),
    TextRule(
        id="text.placeholder",
        find=filler,
        screen=LOREM_SCREEN,
        hint="write the text, or leave the row out with source.where",
    ),
)
