"""Places where a value should stand and nothing does: commas around nothing, two spaces, a label without a value."""

from __future__ import annotations

import re
from collections import Counter

from vlmdata.check.text_residue import CODE
from vlmdata.check.text_rule import Text, TextRule, around

LABEL = r"[^\W\d_][^\n:]{0,30}"
EMPTY_VALUE = re.compile(
    r",[ \t]+,|,,(?=[ \t])|(?<=[ \t])\([ \t]*\)(?=[\s.,;]|$)|(?<=[^\W\d_]):[ \t]*[,;](?=\s|$)"
    r"|(?<=[^\W\d_]):[ \t]+\.(?=\s|$)|(?<=\s)(?:\"\"|“”|„“|«[ \u00a0]*»)(?=[\s.,;])"
    rf"|(?:^|\n){LABEL}:[ \t]*\n{LABEL}:[ \t]*(?:\n[^\W\d_]|$)"
)
OWNER = r"[Tt]he|[Oo]ur|[Yy]our|[Ii]ntroducing"
"""Words that a name follows. Two spaces behind most others are a slip of the thumb."""
GAP = re.compile(
    r"(?<=[a-zäöüß])  (?:cm|mm|kg|EUR|USD|€)(?![\w])"
    r"|(?<!\w)(?:(?:by|from|von|aus|par|por|called|named)  (?=[a-z.,])"
    rf"|(?:(?:{OWNER})  (?:is|are|has|comes|of|for|in)|(?:{OWNER}|an?|of|with)  (?:by|from|with)|of  in"
    r"|(?:comes|available) in  (?:by|from|with|for|and))(?![\w'’-])"
    rf"|(?:{OWNER}|of|with)  [.,:](?=\s|$)"
    r"|(?:[Tt]he|[Oo]ur|[Yy]our|[Tt]his)(?: [^\W\d_]{1,20}){1,3}(?<=[a-zäöüß])  :(?=\s|$))"
)
EMPTY_SCREEN = (
    r",[ \t]+,|,,[ \t]|[ \t]\([ \t]*\)|:[ \t]*[,;]|:[ \t]+\.|\s(?:\"\"|“”|„“|«[ \x{a0}]*»)|:[ \t\r]*\n.{1,31}:"
    r"|[a-zäöüß]  [cmkgEU€a-z.,:]"
)

EMPTY_LABEL = re.compile(
    rf"(?m)^(?P<label>{LABEL}):(?P<space>[ \t]*)\r?\n(?P<next>{LABEL}):[ \t]+(?=\S)",
)
"""A label line with nothing behind its colon above one with something: a missing value, or a heading."""
LABELS = re.compile(rf"(?m)^({LABEL}):")
FULL = re.compile(rf"{LABEL}:[ \t]+\S.*")
NAMED = r"name|title|brand|sku|manufacturer|marke|hersteller|titel|marque|titre|marca|t[ií]tulo"
NAME_LABEL = re.compile(rf"(?i)(?:(?:product|item|brand|model)[ _-]name)|{NAMED}")
"""Labels that head nothing."""
FIELD_LABEL = re.compile(
    r"(?i)(?:product|item|brand|model)[ _-](?:name|title|id|number)|title|brand|sku|manufacturer|colou?r|price|category"
    r"|material|size|model|marke|hersteller|titel|preis|farbe|größe|kategorie|marque|titre|prix|couleur|taille|marca"
    r"|t[ií]tulo|precio|prezzo"
)
"""Labels that stand beside each other in a shop. None of them is a part of another."""
HEADING = re.compile(
    r"(?i).*\d.*|.*[^s]s|.* .* .* .*|.*(?:ungen|daten|details?|maße|specification|description|beschreibung|composition"
    r"|size|größe|material|care|pflege|notes?|hinweis|information|info|data|summary|package|inhalt|lieferumfang|product"
    r"|produkt|item|article|artikel|image|example|context|input|output|task|question|answer|response|caption)"
)
"""Labels that head others, and those that leave room for an answer."""


def empty_value(text: Text) -> str | None:
    """Punctuation, two spaces or a label where a value is missing."""
    match = EMPTY_VALUE.search(text.text) or ("  " in text.text and GAP.search(text.text)) or empty_label(text)
    if not match or CODE.search(text.text):
        return None
    return f"holds {around(text.text, match)}: a value is missing there"


def empty_label(text: Text) -> re.Match[str] | None:
    """A label line with nothing behind its colon that is no heading of the label line under it."""
    labels: Counter[str] | None = None
    for match in EMPTY_LABEL.finditer(text.text):
        label, below = match["label"].rstrip(), match["next"].rstrip()
        if label[0].isupper() and not below[0].isupper():
            continue  # a heading over its parts: `Ingredients:`, `water: 80 %`
        fields = FIELD_LABEL.fullmatch(label) is not None and FIELD_LABEL.fullmatch(below) is not None
        if fields or (match["space"] and NAME_LABEL.fullmatch(label)):
            return match
        if labels is None:
            labels = Counter(LABELS.findall(text.text))
        sections = labels[match["next"]] > 1  # `Front:` and `Back:`, each with its own `Colour:`
        if not sections and not HEADING.fullmatch(label) and _among_others(text, match):
            return match
    return None


def _among_others(text: Text, match: re.Match[str]) -> bool:
    """Whether a full label line stands above too. A question may be a form that waits for its answer."""
    end = max(match.start() - 1, 0)
    above = text.text[text.text.rfind("\n", 0, end) + 1 : end]
    return FULL.fullmatch(above) is not None and (text.role == "assistant" or bool(match["space"]))


RULES = (
    TextRule(
        id="text.empty_value",
        find=empty_value,
        screen=EMPTY_SCREEN,
        hint="leave the value out where it is missing ({% if brand %}), or name it in source.nulls",
    ),
)
