"""Letters that were read in the wrong encoding, lost on the way, or can't be seen."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from vlmdata.check.text_rule import Text, TextRule, around, times

TAIL = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
"""How the second and later bytes of a UTF-8 letter look in Latin-1 and in cp1252."""
SURE = "\x80-\x9f¤¥¦§¨¬¯±²³´µ¶¸¹¼½¾¡¢£¿ƒˆ˜ŠšŒœŽžŸ€‰†‡"
"""Those of them that no word has behind a capital letter; the others are quotation marks, dashes and the like."""
CYRILLIC_TAIL = "ЂЃѓЉЊЌЋЏђљњќћџЎўЈҐЁЄЇІіґєїјЅѕ‚„…†‡€‰‹‘’“”•–—™›\xa0¤¦§©«¬\xad®°±µ¶·№»"
"""The same in cp1251."""

MOJIBAKE = (
    rf"[ÂÃÄÆ][{SURE}]",
    r"Å[\x80-\x9f¤¥¦§¨¬¯´¶¸¼½¾¡¢£¿ƒˆ˜ŠšŒœŽžŸ€‰†‡]",
    rf"(?<=[a-zß-öø-ÿ])[ÂÃÄÅ][{TAIL}]",
    rf"(?<![^\W\d_])[ÃÄÅ][{TAIL}](?=[a-zà-ÿÃÄÅáâ])",
    r"(?<![^\W\d_])Â[°©®»«·º\xa0]",
    r"(?<![^\W\d_])Ã\xa0(?= )",
    rf"(?:[ÐÑ][{TAIL}]){{2}}",
    rf"(?:[ÎÏ][{TAIL}]){{2}}",
    rf"(?:[ØÙÚÛ][{TAIL}]){{2}}",
    rf"(?:×[{TAIL}]){{2}}",
    rf"â(?:€[{TAIL}\"]|\x80[\x80-\xbf]|[‚„†‡ˆ‰Š][{TAIL}]|œ[{TAIL}])",
    rf"(?:à[¤¥¦§¨©ª«¸¹º»\xad®¯°±²³´µ][{TAIL}]){{2}}",
    rf"(?:[ãäåæçèé][{TAIL}]{{2}}){{2}}",
    rf"(?:[êëìí][{TAIL}]{{2}}){{2}}",
    rf"á[º»][{SURE}™‡…©‘“”«»­\xa0]",
    rf"ðŸ[{TAIL}]{{2}}",
    r"ï»¿|ï¿½|ï¼[\x8c\x81Œ]|Ã‚Â|ÃƒÂ",
    rf"(?:[РС][{CYRILLIC_TAIL}]){{3}}",
    r"(?<![\w])(?![äöüßÄÖÜéèêàâç]+(?![À-ÿ]))[À-ÖØ-öø-ÿ]{4,}",
    r"(?:[¡-¿]{0,2}[À-ÖØ-öø-ÿ]{1,3}[¡-©«-¯±-¶¸¹»-¿]){3}",
    r"(?<![А-Яа-яЁё])[а-я][А-Я]{3,}(?![а-я])",
    r"[A-Za-z][а-яА-ЯёЁ]{1,2}[a-z]|(?<![А-Яа-яЁё])[А-Яа-яЁё][a-z]{2,}[А-Яа-яЁё](?![А-Яа-яЁё])",
    r"锟斤拷|(?:[锛銆鐨鎵杩鍜鏄鍦浠绾鍏鏂鍟鍝闂][^\s]{0,12}){3}",
    r"‚Ä[ôúùìîòöÆ]|√[§∂º©®±°†ü]|├[ñ╢╝ƒ⌐¿í▒║]|ΓÇ[ÖÿªôöÖ£ÿ¥]",
)
GARBLED = re.compile("|".join(MOJIBAKE))
GARBLED_SCREEN = (
    rf"[ÂÃÄÅÆ][{TAIL}]|[ÐÑÎÏØÙÚÛ×][{TAIL}]|â[€\x{{80}}‚„†‡ˆ‰Šœ]|à[¤¥¦§¨©ª«¸¹º»\x{{ad}}®¯°±²³´µ]"
    rf"|[ãäåæçèé][{TAIL}][{TAIL}]"
    rf"|[êëìí][{TAIL}][{TAIL}]|á[º»]|ðŸ|ï[»¿¼]|[РС][{CYRILLIC_TAIL}]|‚Ä|√|├|ΓÇ|[À-ÿ][À-ÿ][À-ÿ][À-ÿ]|[À-ÿ][¡-¿]"
    r"|[а-я][А-Я]|[A-Za-z][А-Яа-яЁё]|[А-Яа-яЁё][a-z]|锟斤|[锛銆鐨鎵杩鍜鏄鍦浠绾鍏鏂鍟鍝闂]"
).replace("\x80-\xbf", r"\x{80}-\x{bf}")

LOST = re.compile("[\ufffd\ufffc\ue000-\uf8ff\U000f0000-\U0010ffff\ufdd0-\ufdef\ufffe\uffff]+")
MARKED = re.compile(r"[A-Za-z]\?\?[a-z]|(?<![\w/?=&.%-])[A-Za-z]+\?[a-z]{2,}(?![\w=&])")
"""Letters that became question marks within words."""
MARKS = re.compile(r"\?{3,}[ ,.-]+\?{3,}")
MARKED_SCREEN = r"[A-Za-z]\?\??[a-z]|\?\?\?[ ,.-]"
LOST_SCREEN = r"[\x{fffd}\x{fffc}\x{e000}-\x{f8ff}\x{f0000}-\x{10ffff}\x{fdd0}-\x{fdef}\x{fffe}\x{ffff}]"

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
CONTROL_SCREEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{2028}\x{2029}]"

UNSEEN = re.compile(
    "[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
UNSEEN_SCREEN = (
    r"[\x{ad}\x{61c}\x{115f}\x{1160}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{feff}\x{ffa0}\x{fff9}-\x{fffb}"
    r"\x{e0000}-\x{e007f}\x{e0100}-\x{e01ef}]"
)
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
MARKS_OF_DIRECTION = frozenset("\u061c\u200e\u200f\u2066\u2067\u2068\u2069\u202a\u202b\u202c")
JOINING = re.compile("[\u0600-\u08ff\u0900-\u0dff\ufb50-\ufdff\ufe70-\ufefc]")
"""Arabic and Indic scripts, whose letters join unless a mark keeps them apart."""
SPACELESS = re.compile("[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff]")
"""Thai, Lao, Tibetan, Burmese, Khmer: where a zero-width space says between which words a line may break."""
FLAG_OF_A_REGION = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")

APART = re.compile("[^\\W\\d_][\u0300-\u036f\u3099\u309a]+|[\u1100-\u1112][\u1161-\u1175]")
"""A letter and its accent, or the parts of a Korean syllable, as signs of their own."""
APART_SCREEN = r"[\x{300}-\x{36f}\x{3099}\x{309a}\x{1100}-\x{1112}]"

ESCAPE = re.compile(
    r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\r\\n|\\n\\n|\\n(?=[-*•0-9])|\\u\{[0-9a-fA-F]+\}|(?<=[.!?,;:])\\n"
    r"|(?<=[a-z0-9%)])\\n(?=[A-Z][a-z])|(?<=\w)\\t\w+\\[tn]|(?<![\w\\])\\\"\w[^\"\\\n]{0,80}\\\"|(?<=\w)\\/(?=\w)"
    r"|\Ab(?:'[^'\n]*'|\"[^\"\n]*\")\Z"
)
ESCAPE_SCREEN = r"\\[uxrnt/\"]|\Ab['\"]"
QUOTED = re.compile(r"(?:%[89A-F][0-9A-F]){2}|(?:=[89A-F][0-9A-F]){2}|%20\S*%20", re.IGNORECASE)
QUOTED_SCREEN = r"(?i:%[0-9a-f][0-9a-f]|=[89a-f][0-9a-f])"


def mojibake(text: Text) -> str | None:
    """UTF-8 that was read in another encoding."""
    match = GARBLED.search(text.text)
    if match is None:
        return None
    return f"holds {around(text.text, match)}: UTF-8 that was read in another encoding"


def lost_letters(text: Text) -> str | None:
    """Places where a letter could not be read, and signs that only one font knows."""
    found = Counter("".join(LOST.findall(text.text)))
    if not found:
        marked = list(MARKED.finditer(text.text))
        match = marked[0] if len(marked) > 1 or (marked and "??" in marked[0][0]) else MARKS.search(text.text)
        return None if match is None else f"holds {around(text.text, match)}: letters that became question marks"
    letter, count = found.most_common(1)[0]
    what = "the mark of a letter that was lost" if letter == "\ufffd" else "a sign without a meaning of its own"
    return f"holds U+{ord(letter):04X}{times(count)}, {what}"


def control(text: Text) -> str | None:
    """Control characters other than tab and the ends of lines."""
    found = Counter(CONTROL.findall(text.text))
    if not found:
        return None
    letter, count = found.most_common(1)[0]
    return f"holds the control character U+{ord(letter):04X}{times(count)}"


def invisible(text: Text) -> str | None:
    """Characters that nobody sees, where no script or emoji needs them."""
    shown = FLAG_OF_A_REGION.sub("", text.text)
    found = Counter(match[0] for match in UNSEEN.finditer(shown) if not _needed(shown, match.start()))
    if not found:
        return None
    named = [f"U+{ord(letter):04X} ({unicodedata.name(letter, 'no name').lower()})" for letter in sorted(found)]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return f"holds {', '.join(named[:3])}{more}, which nobody sees"


def _needed(text: str, place: int) -> bool:
    """Whether an unseen character does something where it stands."""
    letter, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    if letter in MARKS_OF_DIRECTION:
        return RIGHT_TO_LEFT.search(text) is not None
    if letter == "\u200d":  # joins emoji, and letters of Indic and Arabic scripts
        joins = bool(before) and (before == "\ufe0f" or unicodedata.category(before) in {"So", "Sk", "Mn", "Mc", "Lo"})
        return joins and (not after or unicodedata.category(after) in {"So", "Lo", "Mn", "Mc", "Zs", "Po", "Sm"})
    if letter == "\u200c":
        return JOINING.search(text) is not None
    if letter == "\u200b":
        return bool(SPACELESS.match(before or " ") or SPACELESS.match(after or " "))
    if letter >= "\U000e0100":  # one of several forms of a Chinese character
        return bool(before) and unicodedata.name(before, "").startswith("CJK")
    return letter in "\u115f\u1160" and "\u1100" <= (after or before) <= "\u11ff"


def decomposed(text: Text) -> str | None:
    """Letters that Unicode has one sign for, written as several (NFD), as macOS writes the names of files."""
    found = [match[0] for match in APART.finditer(text.text) if unicodedata.normalize("NFC", match[0]) != match[0]]
    if not found:
        return None
    letter = unicodedata.normalize("NFC", found[0])
    return f"holds {letter!r} as {len(found[0])} signs{times(len(found))}: it looks the same and is other tokens"


def escape(text: Text) -> str | None:
    """Letters and line ends that stand as the codes a program has for them."""
    match = ESCAPE.search(text.text) or QUOTED.search(text.text)
    if match is None or "://" in text.text[: match.start()].rsplit(None, 1)[-1:][0:1]:
        return None
    return f"holds {around(text.text, match)}: a program's way to write a letter, never turned back"


RULES = (
    TextRule(
        id="text.mojibake",
        find=mojibake,
        beyond_ascii=GARBLED_SCREEN,
        hint="set source.encoding right, or clean the column with `mojibake`",
    ),
    TextRule(
        id="text.lost_letters",
        find=lost_letters,
        screen=MARKED_SCREEN,
        beyond_ascii=LOST_SCREEN,
        hint="export the text again from where it is still whole",
    ),
    TextRule(id="text.control", find=control, screen=CONTROL_SCREEN, hint="take it out; tabs and line ends are fine"),
    TextRule(
        id="text.invisible",
        find=invisible,
        beyond_ascii=UNSEEN_SCREEN,
        hint="take it out of the source",
    ),
    TextRule(
        id="text.decomposed",
        find=decomposed,
        beyond_ascii=APART_SCREEN,
        hint="clean the column with `nfc`",
    ),
    TextRule(
        id="text.escape",
        find=escape,
        screen=f"{ESCAPE_SCREEN}|{QUOTED_SCREEN}",
        hint="read the file as JSON, or turn the codes back into letters",
    ),
)
