"""What a template or an export leaves behind where a value should stand: braces, `nan`, `TODO`."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.text_rule import ANGLE, BRACE, BRACKET, Columns, Mask, Text, TextRule, around

LATEX = re.compile(r"\\[A-Za-z]{2,}")
CODE = re.compile(r"```|^\s*[\[{]\s*(?:[\"'\[{\]}0-9-]|null|true|false|None|True|False)")
QUOTED_CODE = re.compile(r"`[^`\n]+`")
"""A piece of code within a sentence, in Markdown."""

JINJA = re.compile(
    r"(?<![\w\\^_}])\{\{-?(?P<inside>\s*[A-Za-z_][\w. ]*(?:\[[^\]{}]{1,60}\])?(?:\s*\|[^{}]{1,80})?\s*)-?\}\}"
    r"|\{%-?\s*[A-Za-z]\w*[^%{}]{0,120}%\}"
)
JINJA_SCREEN = BRACE
FIELD = (
    r"(?:product|brand|title|price|colou?r|size|category|description|sku|material|manufacturer|company|customer|item"
    r"|model|store|shop|produkt|marke|titel|preis|farbe|gr(?:ö|oe)(?:ß|ss)e|kategorie|beschreibung|hersteller|artikel"
    r"|kunde|produit|marque|titre|prix|couleur|taille|producto|marca|t[ií]tulo|precio|prodotto|prezzo)"
    r"(?:[_ .-]?(?:name|title|id|number|nr|code|type|text|here|placeholder|value|description))*"
)
"""Names that a shop's fields have, for marks that stand around many other words as well."""
LEFT_OVER = re.compile(
    r"(?<![\w\\^_}${])\{(?!image)[a-z]{3,}(?:[_.][a-z0-9]+)*(?:![rs])?(?::[^{}\s]{1,8})?\}|\$\{[A-Za-z_][\w.]*\}"
    r"|%\([A-Za-z_]\w*\)[sdf]|<%=?.{1,80}?%>|\[\[[A-Za-z_][\w ]*\]\]"
    r"|(?<!\w)\{[A-Za-z_]\w*\[['\"][^'\"\]\n]{1,40}['\"]\]\}|\{0\}(?=.*\{1\})|(?<=[a-z] )\{\}(?=[ .,;!?])"
    r"|(?:(?<=[^\d\s][\s\"'(])|^)%(?:[sd]|\.[0-9]f)(?![\w%])"
    r"|\[(?i:(?:insert|your|enter|add) [^\]\n]{1,40}"
    r"|(?:product|brand|title|company|item)(?:[ _-](?:name|title|here))?)\](?!\()"
    rf"|(?<!\w)\[(?=[A-Z])(?i:{FIELD})\](?!\()"
    rf"|(?i:(?<![\w\\^_}}${{])\{{{FIELD}\}}|<{FIELD}>|(?<!\w)\$(?:{FIELD}|name)(?![\w$])|##{FIELD}##"
    rf"|(?<![\w%])%{FIELD}%"
    rf"|(?<!\w)__{FIELD}__(?!\w))"
)
LEFT_OVER_SCREEN = rf"{ANGLE}|{BRACKET}|\{{|[}}%]\}}|%[(a-zA-Z.]|\$[a-zA-Z{{]|##[a-zA-Z]|__[a-zA-Z]"

NULLS = r"nan|NaN|NAN|Nan|None|none|null|NULL|Null|undefined|NaT|<NA>|#N/A"
SIGNS = r"[\s.,:;()\[\]<>\"'“”‘’«»„*|。–—-]*"
WHOLE_NULL = re.compile(rf"(?P<before>{SIGNS})(?P<word>{NULLS})(?P<behind>{SIGNS})")
"""A missing value and nothing else, whatever signs stand around it. `None?` is a question."""
MACHINE = frozenset({"nan", "NaN", "null", "undefined", "NaT", "<NA>", "#N/A"})
"""What no person would answer, whatever was asked."""
CERTAIN = MACHINE | {"None", "NULL"}
"""What no person would write where nothing was asked, such as a description."""
DOUBTFUL = frozenset({"None", "NULL", "Null", "NAN", "Nan"})
COUNTED = re.compile(r"(?i)\bhow (?:many|much)\b|\bany(?:thing|one|body)?\b")
"""Questions that `None` answers."""
SENTENCE = re.compile(r"\s*None[.。]\s*")
"""Good English where something was asked, but for a value that a shop's column holds."""
LISTED = re.compile(rf"{COUNTED.pattern}|\b(?i:list|mention|name)\b")
"""Requests that `None.` answers, and that may be for a description too."""
FIELD_WANTED = re.compile(rf"(?i)\b{FIELD}\b")
DATA_WANTED = re.compile(r"(?i)json|yaml|\bdict|\blist\b|\barray|\btuple|\bcode\b|\bsql\b|\bpython\b")
"""Questions whose answer may be `[null]` or `"None"`."""

VALUE = r"nan|NaN|None|null|NULL|undefined|NaT|<NA>"
UNIT = r"(?:cm|mm|kg|g|ml|l|grams?|inch(?:es)?|lit(?:er|re)s?|euros?|dollars?|pieces?)"
NULL_VALUES = re.compile(
    rf"(?:[:：|(\[,;/]|(?:^|\n)(?=nan))[ \t]*(?:{VALUE})[ \t]*(?=$|[,;.)\]|/\n])"
    r"|(?:^|\n|[^\w\n])(?i:by|from|of|in|with|for|brand|size|colou?r|material|named|called|von|aus|mit|der Marke|par|du"
    r"|por|della) (?:nan|NaN|None|undefined)(?=[.,;:!?)]|$|\n| (?:in|by|from|with|and|of|for|und|et|y|e|aus|von|mit)\b)"
    r"|(?:^|\n)nan (?!\()|(?:^|[^\w])(?i:the|a|an|is|are|eine?) nan(?! ?-?(?:bread|dough|khatai))(?=[ .,;:!?]|$)"
    r"|(?:^|[^\w])(?P<twice>nan|NaN|None|null|undefined)[ ,;/x×]{1,3}(?P=twice)(?![\w])"
    r"|(?:^|[^\w])(?:nan|NaN|None)(?: (?:x|cm|mm|kg|g|ml|l|EUR|USD)(?![\w])| ?[×€$%]|cm(?![\w]))"
    rf"|(?:^|[^\w])undefined {UNIT}(?![\w])|=[ \t]+(?:{VALUE})(?=[.,;]?(?:\s|$))|[:：][ \t]?N/A(?![\w/])"
    r"|[€$£](?:nan|NaN|None)(?![\w])"
    r"|\[object Object\]|#(?:REF!|VALUE!|DIV/0!|NAME\?|NUM!|N/A)"
)
NULL_SCREEN = (
    r"\b(?:nan|NaN|NAN|Nan|None|none|null|NULL|Null|undefined|NaT)|<NA>|\[object Object|#(?:REF|VAL|DIV|NA|NUM)|N/A"
)

STAND_INS = frozenset(
    {
        *("todo", "to do", "tbd", "tba", "tbc", "fixme", "test", "testing", "test test", "test123", "qwerty", "foo"),
        *("foobar", "dummy", "sample", "sample text", "placeholder", "n/a", "n.a", "na", "description", "text here"),
        *("description here", "answer here", "not available", "coming soon", "unknown", "none given", "folgt"),
        *("entfällt", "unbekannt", "non disponible", "à compléter", "à venir", "no disponible", "non disponibile"),
        *("brak", "暂无", "无", "なし", "未定", "準備中", "준비 중", "없음"),
    }
)
STAND_IN = re.compile(
    r"x{2,}|(?:asdf|qwert[yz]?|sdfg|dfgh|fghj|hjkl|jkl)+[a-z]{0,5}|blah?(?: blah?)*|([a-z])\1{3,}|test[ _-]?\d+"
    r"|(?:todo|fixme|tbd|tbc)\b.{1,40}"
    r"|(?:insert|enter|add|your|product) (?:the |a |your )?(?:description|text|answer)(?: here)?"
    r"|no (?:product |further )?(?:description|text|information|info|details|content|caption)(?:(?: is| was"
    r"| yet)? ?(?:available|provided|found|given|yet|exists))*"
    r"|(?:the )?(?:product )?(?:description|text|content|information|details)(?: is)? (?:to be (?:added|done|written"
    r"|provided|determined|announced|filled in)"
    r"|(?:currently )?(?:not available|unavailable|missing|pending|coming soon)|will follow|not (?:yet )?(?:available"
    r"|provided|found|set))(?: yet| soon)?"
    r"|keine (?:produkt|artikel)?(?:beschreibung|angaben?|informationen|daten)(?: (?:vorhanden|verfügbar|hinterlegt"
    r"|gefunden|vorliegend))?"
    r"|(?:produkt)?(?:beschreibung|text|informationen) (?:folgt|folgen|fehlt|nicht (?:vorhanden"
    r"|verfügbar))(?: (?:in kürze|noch|bald))?"
    r"|(?:aucune|pas de|sans) description(?: (?:disponible|fournie|trouvée))?|description (?:non disponible"
    r"|indisponible|à venir|manquante)"
    r"|(?:sin|no hay|ninguna) descripci[oó]n(?: disponible)?|descripci[oó]n (?:no disponible|pendiente)"
    r"|(?:nessuna|senza) descrizione(?: disponibile)?|descrizione (?:non disponibile|in arrivo|mancante)"
    r"|(?:sem|nenhuma) descrição(?: disponível)?|descrição (?:não disponível|indisponível)"
    r"|brak opisu(?: produktu)?|geen (?:product)?(?:beschrijving|omschrijving)(?: beschikbaar)?|açıklama (?:yok"
    r"|bulunmuyor|girilmemiş)"
    r"|(?:нет|без) описания(?: товара)?|описание (?:отсутствует|скоро появится|недоступно)"
    r"|(?:暂无|暫無|没有|沒有|无|無)(?:商品|产品|產品)?(?:描述|介绍|介紹|说明|說明|内容|內容|信息|資訊|数据|简介)|(?:描述)?待(?:补充|補充|填写|填寫|定|更新)"
    r"|(?:商品)?説明(?:は|が)?(?:ありません|なし|準備中)"
    r"|(?:상품 ?)?설명(?:이|은)? ?(?:없음|없습니다|준비 중)|(?:لا يوجد|بدون) وصف"
)
EDGES = " \t\r\n.,:;!?-–—_*…()[]{}<>\"'“”‘’«»/\\|#~=+。！"
STAND_IN_BYTES = 80
STAND_IN_SCREEN = (
    r"(?i)\A[\s\pZ\pP~$^`+=<>|]*(?:\z|to|tb|fix|te|qw|foo|dum|sample|pla|n/|n\.|na|descri[pzç]|answer|not?\b|coming"
    r"|unk|non|fol|ent"
    r"|unb|à|bra|xx|as|sd|df|fg|hj|jk"
    r"|bla|insert|add|your|prod|the (?:prod|desc|text|cont|inf|det)|inf|content|detail|keine|beschreibung"
    r"|auc|pas de|san|sin desc|ni|ne|sen|sem"
    r"|gee|aç|нет|без|опи|[暂暫无無未準没沒描待商説준없상설لب]"
    rf"|{'|'.join(4 * chr(letter) for letter in range(ord('a'), ord('z') + 1))})"
)
LOREM = re.compile(r"(?i)lorem ipsum|dolor sit amet")
LOREM_SCREEN = r"(?i:lorem ipsum|dolor sit amet)"
UNASKED = frozenset(
    {"unknown", "none given", "na", "sample", "test", "description", "foo", "unbekannt", "brak", "なし"}
)
"""Stand-ins that may well be the answer to a question."""


def template_residue(text: Text) -> str | None:
    """A template's braces around a name, or a statement of one."""
    latex = LATEX.search(text.text)
    for match in JINJA.finditer(QUOTED_CODE.sub("", text.text)):
        if not (latex and match["inside"] and match["inside"] == match["inside"].strip()):
            return f"holds {match[0]!r}, which a template should have filled"
    return None


def template_left_over(text: Text) -> str | None:
    """Half a pair of braces, and the marks of other template languages."""
    if LATEX.search(text.text) or CODE.search(text.text) or template_residue(text) is not None:
        return None
    said = QUOTED_CODE.sub("", text.text)
    match = LEFT_OVER.search(said)
    if match is not None and match[0].startswith("<") and "</" in said:
        match = None  # XML: a field's name around its value
    if match is None:
        for opened, closed in (("{{", "}}"), ("{%", "%}")):
            if said.count(opened) != said.count(closed) and said.count("{") != said.count("}"):
                match = re.search(f"{re.escape(opened)}|{re.escape(closed)}", said)
                break
    return None if match is None else f"holds {around(said, match)}, which looks like a template that was not filled"


def whole_null(text: Text) -> str | None:
    """The missing value that a text is, without the signs around it. `(none)` counts as `None`: programs print it."""
    match = WHOLE_NULL.fullmatch(text.text)
    if match is None:
        return None
    quoted = match["before"].strip() and match["behind"].strip()
    if quoted and any(map(DATA_WANTED.search, text.questions)):
        return None
    bracketed = match["before"].endswith(("(", "[", "<")) and match["behind"].startswith((")", "]", ">"))
    return "None" if bracketed and match["word"] == "none" else match["word"]


def answers(text: Text) -> bool:
    """Whether `None` or the like may well be the answer to what was asked."""
    counted = any(map(COUNTED.search, text.questions))
    if SENTENCE.fullmatch(text.text) is None:
        return counted
    return text.asked and (counted or not any(map(FIELD_WANTED.search, text.questions)))


def speaks(text: Text) -> bool:
    """Whether somebody may have written `None.` who was not asked a question."""
    called_for = text.role == "user" or any(map(LISTED.search, text.questions))
    return called_for and SENTENCE.fullmatch(text.text) is not None


def null(text: Text) -> str | None:
    """A missing value printed as a word, and nothing else."""
    if whole_null(text) not in (MACHINE if text.asked or speaks(text) else CERTAIN):
        return None
    return f"is {text.text.strip()!r} and nothing else"


def null_value(text: Text) -> str | None:
    """A missing value printed among words: behind a colon, between commas, after `by`."""
    if WHOLE_NULL.fullmatch(text.text) is not None:
        doubtful = whole_null(text) in DOUBTFUL and null(text) is None and not answers(text)
        return f"is {text.text.strip()!r}" if doubtful else None
    if CODE.search(text.text):
        return None
    said = QUOTED_CODE.sub("", text.text)
    match = NULL_VALUES.search(said)
    return None if match is None else f"holds {around(said, match)}: a missing value was printed"


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
    texts = columns.texts.take(pa.array(places))
    stopped = pc.match_substring_regex(texts, STAND_IN_SCREEN).to_numpy(zero_copy_only=False)
    found[places] = stopped
    places = places[stopped]
    found[places] = [stands_in(text) for text in columns.texts.take(pa.array(places)).to_pylist()]
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
