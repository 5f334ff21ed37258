"""Whether a text names a value: as whole words in any case, with any white space between; without blanks, anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.words import unspaced

NEGATIONS = re.compile(
    r"(?<!\w)(?:not|\w+n['’]t|cannot|no|never|neither|nor|none|without|except|nicht|kein\w*|nie|weder|ne|pas|aucun\w*|"
    r"non|ni|nunca|não|nem|не|нет|ни|niet|geen|değil|नहीं)(?!\w)|[不没沒非無未]|ない|ません|아니|않|없|ليس"
)
"""Words that turn a sentence into its contrary, in some languages: what stands beside them is not what is meant."""


def names(answer: str, value: str) -> bool:
    """Whether a normalised answer holds a value as whole words; "3" is not in "3.5"."""
    return normalised(value) in answer and _pattern(value).search(answer) is not None


def only_named(answer: str, values: Iterable[str]) -> set[str]:
    """Which of some values a sentence names, a longer one before those inside it; nothing where it denies something.

    Of "red" and "dark red", "a dark red mug" names the longer one only. What begins the answer as a clause of its own
    is meant whatever follows: "No, they are not alike" says "no".
    """
    text = normalised(answer)
    known = sorted({value for value in values if normalised(value)}, key=len, reverse=True)
    first = re.split(r"[,.;:!?。,、]", text)[0].strip()
    if leading := {value for value in known if normalised(value) == first}:
        return leading
    found = set()
    for value in known:
        if names(text, value):
            text = _pattern(value).sub(" \ufffc ", text)
            found.add(value)
    return set() if NEGATIONS.search(text) else found


@lru_cache(maxsize=4096)
def _pattern(value: str) -> re.Pattern[str]:
    wanted = normalised(value)
    before = "" if unspaced(wanted[0]) or not wanted[0].isalnum() else r"(?<!\w)"
    after = "" if unspaced(wanted[-1]) or not wanted[-1].isalnum() else r"(?!\w)"
    before += r"(?<!\d[.,])" if wanted[0].isdecimal() else ""
    after += r"(?![.,]\d)" if wanted[-1].isdecimal() else ""
    return re.compile(before + re.escape(wanted) + after)
