"""Answers that have another shape than a person's: wrapped as data, a block of encoded bytes, a bare number, cut "
"off."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.text_rule import Columns, Mask, Text, TextRule
from vlmdata.check_settings import CheckSettings

FENCED = re.compile(r"\s*```[ \t]*(?P<language>[\w+-]*)[ \t]*\n(?P<inside>.*?)\n?[ \t]*```\s*", re.DOTALL)
PROSE = frozenset({"", "markdown", "md", "text", "txt", "plaintext", "plain"})
"""What a fence says of its content where that is no code."""
SIGNS_OF_CODE = re.compile(r"[{}=<>|;\\$]|\w\(|^\s*(?:#|//)|[-+_]{3}|\t| {3}", re.MULTILINE)
MIN_WORDS = 5

DATA = re.compile(
    r"\s*(?:```(?:json)?\s*)?(?:\{\s*(?P<quote>[\"'])[A-Za-z_][\w -]*(?P=quote)\s*:.*\}"
    r"|\[\s*'[^']{2,}'(?:,\s*'[^']*')*\s*\])"
    r"(?:\s*```)?\s*",
    re.DOTALL,
)
DATA_SCREEN = r"\A\s*(?:```|\{\s*[\"']|\[\s*')"
DATA_WANTED = re.compile(
    r"(?i)json|\bdict|\blist\b|\bkeys?\b|\bfields?\b|extract|parse|schema|format|struct|\bapi\b|\bcode\b|\bcoordinates|"
    r"\bbox(?:es)?\b|bbox|detect|locate|\bpoint|\btable|yaml|xml|html|csv|markdown|attribute"
)
"""What a question says to which data is an answer."""

BLOB_RUN, BLOB_LINE = 100, 60
BLOB = re.compile(
    rf"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/]{{48}}|(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{{{BLOB_RUN},}}"
    rf"|(?:[A-Za-z0-9+/]{{{BLOB_LINE},}}\r?\n){{2,}})"
)
BLOB_SCREEN = rf";base64,|[A-Za-z0-9+/]{{{BLOB_LINE}}}"

NUMBER = re.compile(
    r"\s*(?:[€$£¥]|EUR|USD|GBP)?\s*[-+]?\d[\d.,:/ -]*\s*(?:€|\$|£|¥|EUR|USD|GBP|%|cm|mm|kg|g|ml|l)?\s*", re.IGNORECASE
)
NUMBER_BYTES = 40
MIN_DIGITS = 2

LOOSE_END = re.compile(
    r"(?<=\w)(?<!\.)(?:\.\.\.|…)[\s\"'”»)*_]*\Z"
    r"|(?i:[\[(]?(?:…|\.\.\.)?\s?\b(?:read more|show more|see more|mehr lesen|mehr anzeigen|weiterlesen|lire la suite"
    r"|leer más)[\])]?\s*(?:…|\.\.\.|>>|»)?\s*\Z)"
    r"|(?:,|(?<![\w'’])(?:and|or|the|a|an|of|with|for|und|oder|mit|der|die|das|ein|eine|für|von|et|ou|de|avec|le|la"
    r"|les|un|une|y|el|los|del))\s*\Z"
)
LOOSE_SCREEN = (
    r"(?:\.\.\.|…|,)[\s\"'”»)*_]*\z|(?i:more|lesen|anzeigen|suite|más)[\]) .…>»\n]*\z"
    r"|[ \n](?:and|or|the|a|an|of|with|for|und|oder|mit|der|die|das|ein|eine|für|von|et|ou|de|avec|le|la|les|un|une|y"
    r"|el|los|del)\s*\z"
)


def wrapped(text: Text) -> str | None:
    """An answer that is data, or prose in a fence, where the question asked for neither."""
    if not text.alone or any(map(DATA_WANTED.search, text.questions)):
        return None
    if DATA.fullmatch(text.text):
        return f"is data, {_shown(text.text)}, and no text"
    fenced = FENCED.fullmatch(text.text)
    if fenced is None or fenced["language"].lower() not in PROSE:
        return None
    words, signs = len(fenced["inside"].split()), len(SIGNS_OF_CODE.findall(fenced["inside"]))
    if fenced["language"] == "" and ((words < MIN_WORDS and fenced["inside"].isascii()) or signs > words // MIN_WORDS):
        return None
    return f"stands in a fence of Markdown, {_shown(text.text)}"


def blob(text: Text) -> str | None:
    """Bytes written as letters."""
    match = BLOB.search(text.text)
    if match is None or not (match[0].startswith("data:") or _mixed(match[0])):
        return None
    return f"holds {_shown(match[0])}, bytes that were written as {len(match[0]):,} letters"


def _mixed(run: str) -> bool:
    """Whether a run has digits and letters of both cases, and many different ones, as base64 has."""
    return len(set(run)) > 12 and any(map(str.isdigit, run)) and run.lower() != run != run.upper()


def blobs(columns: Columns) -> Mask:
    """Texts with a long run of the signs of base64, or an address of data."""
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    spaces = np.flatnonzero(columns.data == ord(" "))
    bounds = np.concatenate([[-1], spaces, [len(columns.data)]])
    starts = bounds[:-1][np.diff(bounds) > BLOB_LINE] + 1
    ends = np.cumsum(columns.sizes)
    first = np.searchsorted(ends, starts, side="right")
    last = np.searchsorted(ends, starts + np.diff(bounds)[np.diff(bounds) > BLOB_LINE] - 1, side="right")
    for at, end in zip(first.tolist(), last.tolist(), strict=True):
        found[at : end + 1] = True
    found &= columns.sizes > BLOB_LINE // 2
    places = np.flatnonzero(found)
    texts = columns.texts.take(pa.array(places))
    found[places] = pc.match_substring_regex(texts, BLOB_SCREEN).to_numpy(zero_copy_only=False)
    return found


def bare_number(text: Text) -> str | None:
    """A number, a date or a price where a text was asked for."""
    if not text.alone or text.asked or text.role != "assistant" or len(text.text.encode()) > NUMBER_BYTES:
        return None
    if not NUMBER.fullmatch(text.text) or sum(map(str.isdigit, text.text)) < MIN_DIGITS:
        return None
    return f"is {text.text.strip()!r}, a number and nothing else"


def numbers(columns: Columns) -> Mask:
    """Short texts that end with what a number may end with, by their first bytes."""
    return columns.of("assistant") & (columns.sizes <= NUMBER_BYTES)


@cache
def cut_off(least: int) -> TextRule:
    """The rule about answers that end in the middle of a sentence."""

    def find(text: Text) -> str | None:
        match = LOOSE_END.search(text.text) if len(text.text) >= least and text.alone else None
        if match is None or text.text.rstrip().endswith(("......", "……")):
            return None
        return f"ends with {text.text[-24:]!r}, in the middle of a sentence"

    return TextRule(
        id="text.cut_off",
        find=find,
        screen=LOOSE_SCREEN,
        roles=("assistant",),
        hint="take the whole text from where it was cut, or have it generated with more room",
    )


def _shown(text: str) -> str:
    return repr(f"{text[:32]}..." if len(text) > 40 else text)


def rules(settings: CheckSettings) -> tuple[TextRule, ...]:
    """The rules of this file, with the thresholds that were settled."""
    return (
        TextRule(
            id="text.wrapped",
            find=wrapped,
            screen=DATA_SCREEN,
            where="start",
            roles=("assistant",),
            hint="take the text out of it; source.json reads cells that hold JSON",
        ),
        TextRule(id="text.blob", find=blob, suspects=blobs, hint="take it out; an image belongs into an image part"),
        TextRule(
            id="text.bare_number",
            find=bare_number,
            suspects=numbers,
            roles=("assistant",),
            hint="look whether the recipe names the right column",
        ),
        cut_off(int(settings.threshold("text.cut_off", "min_characters"))),
    )
