"""A generator's own voice in an answer: it refuses, speaks of itself, or wraps what was asked for in pleasantries.

The phrases stand in phrases.yaml, by language. The screens here are their first letters only, since a pattern is
compiled for each batch and a long one would cost more than the search.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

from vlmdata.check.text_rule import Text, TextRule, around
from vlmdata.rules import LOADER

PHRASES = Path(__file__).parent / "phrases.yaml"
LEAD = r"[\s\"'“”‘’«»*_>(¡¿-]*"
"""What may stand before the first word: quotation marks and the like."""
LEAD_SCREEN = r"\A[\s\pZ\x1c-\x1f\x{85}\"'“”‘’«»*_>(¡¿-]*"

REFUSAL_SCREEN = (
    r"i(?:['’]| ?(?:am|ap|ca|co|do|mu|un|was|wi|wo))|unab"
    r"|(?:this|your|the) (?:req|prom|con|im|que|mes|res)[a-z]+ (?:may|app|mig|viol|was|were|ha[sv]|goes"
    r"|is (?:fl|bl|fi|re|ag))"
    r"|we(?:['’]| (?:ar|ap|c|mu|do))|sorry|very s|real|so s"
    r"|dee|tru|my ap|unf"
    r"|as an? |plea|could y|can y|no (?:i|p|a)|there(?: i| wa|['’])s no|it (?:se|lo|ap)"
    r"|the (?:(?:im|pi|ph)[a-z]+ (?:[cfdi]|ap|u|li|lo|se|th|yo)|att|fil|pro|up|sup)"
    r"|(?:im|pi|ph)[a-z]+ (?:n|u|m|is|fa|c|di)|att|prov|upl|suppl"
    r"|es tu|tut m|leid|als |ich [kb]|ents|je [sn]|nous s|vrai|sinc|d.{1,2}so|en tan|malh|lo si|com[oe] |lam|desa"
    r"|no (?:pu|me)|desc|me de|sint|infe|mi [ds]|spi|in qu|purt|non [pr]|non so|het sp|helaas|ik kan|bard|prze|przy"
    r"|nies|jako |nie m|omlo|tyv|jeg |jag |bekl|des|det g|pahoi"
    r"|nu (?:p|r|v)|din p|ca (?:m|i)|saj|nem [lt]|eln|nyelvi|mester|osprav|je mi|nemo|nev|ne (?:m|p)|bohu"
    r"|valit|en [nvp]|undsk|unnsk|je m|bohu|maal|bir (?:yap|dil)|maaf|moh|seba|saya t|xin l|ai"
)
REFUSAL_BEYOND = (
    r"(?i:ursä|déso|peço|não|eu n|üzg|özür|b[iİ]r (?:yap|dil)|maal|tôi |rất|là m|îmi|nem|žia|žao|naž)"
    r"|[ИиПпКкМмЯяНнВвСсЗзАаΛλΣσΔδΩω]|मु|क्ष|मा|एक|به "
    r"|[很非真抱对對不遗遺作身我大誠申すご恐人言画写无無没沒정죄미유안인언이사그عآألنبكم]"
)
OPENING_SCREEN = (
    r"sure|cert|(?:product|image) [dcs]|of co|abso|defi|no pro|got it|ok|alri|here(?:['’]| [ia])|below [ia]|the fol"
    r"|great q|good q|exce|thank"
    r"|i['’](?:d|ll) be|i would be|happy|based on|in the (?:im|pi|ph)[a-z]+ you|gern|klar|selb|sicher|aber g|hier "
    r"|avec p|d['’]acc|voici|clar|por su|desde|con g|com c|com p|segu|aqu|vol|ovv|ecco|natuu|zeker|uit|oczy|jasn|pewn"
    r"|oto |tabi|elbe"
)
OPENING_BEYOND = r"(?i:natür|bien s|[iİ]şte|aquí)|[КкРрСсВв]|[当當好没沒以这這もか承は물네알다]"
VOICE_SCREEN = (
    r"(?i:as an? (?:ai|artif|large|lang)|i(?:['’]| a)m (?:just )?an ai|my (?:training d|knowledge)"
    r"|\bi (?:can(?:not|['’])|am un|am not)|als (?:ki|sprachm)|en tant qu|como modelo|come modello|taalmodel)"
)
VOICE_BEYOND = r"(?i:jako model|как языковая)|作为|言語モデル|언어 모델"
CLOSING_SCREEN = (
    r"(?i:let me know|hope th|feel free|anything else|would you like|if you (?:have|need|['’]|would)|mich wissen"
    r"|ich hoffe|espero que|no dudes|fammi sap|spero che)"
)
CLOSING_BEYOND = r"(?i:sitez pas|j['’]esp|avísame|fique à)|希望|如果|お役に立|도움이 되"
BEHIND_ERROR = (
    r"(?=\s*(?:\Z|\n|[.;!<{](?!\w)|\(?\d{3}\b|[:,–—-]?\s*(?:nginx|apache|openresty|cloudflare|upstream|server\b|error"
    r"|http|https?:|for (?:url|model|gpt|gemini|project|org|user)|on (?:tokens|requests)|please|try|retry|you\b|your\b"
    r"|something went|an? (?:unexpected|internal)|the (?:server|request|requested|model|service|api|upstream)\b"
    r"|no healthy|backend|gateway|quota|connection|code\b|status\b|in organi[sz]ation|per minute|[{<])))"
)
"""What follows a server's words where they are a message and no poster's title: an end, or more of such words."""
ERROR = re.compile(
    r"[\s\"'{\[]*(?:(?:api ?|http ?|server |runtime|value|timeout|internal |connection"
    r"|request )?error[\"']?[: ]+(?:code[: ]+)?\d{3}\b|error: .{0,80}"
    r"(?:token|limit|quota|timed? ?out|connection|request|api|server|model|failed)|\d{3} (?:too many requests"
    r"|internal server error|bad gateway"
    r"|service unavailable|gateway time-?out|not found|forbidden|unauthorized|bad request)"
    rf"{BEHIND_ERROR}"
    r"|traceback \(most recent call last\)"
    r"|(?:internal server error|service unavailable|bad gateway|too many requests|gateway time-?out"
    rf"|rate limit (?:exceeded|reached)){BEHIND_ERROR}|resource_exhausted\b|request (?:timed out|failed)"
    r"|(?:quota|context length|maximum context length) exceeded|(?:invalid|incorrect) api key"
    r"|(?:\w+\.)*[A-Z]\w+(?:error|exception): )",
    re.IGNORECASE,
)
ERROR_SCREEN = (
    r"[{\[]|[a-z. ]*error|\d\d\d [a-z]|trace|rate l|int|serv|bad|too|gate|reso|requ|quot|cont|max|inv|inco"
    r"|[a-z.]*exception"
)
SHOWS_ERROR = re.compile(
    r"(?i)error|message|log\b|screen|terminal|console|\bsays?\b|\bread|transcri|\btext\b|ocr|code|page|fehler"
)
"""What a question says to which an error message is an answer."""
ASKS_TO_READ = re.compile(
    r"(?i)\bwhat (?:do|does|did|is|are|was)\b[^.?!\n]{0,60}\b(?:says?|reads?|written|printed|called|titled?)\b"
    r"|\b(?:read|transcribe|copy)\b[^.?!\n]{0,30}\b(?:sign|text|words?|label|title|note|card|cover|poster|it|what)\b|\bocr\b"
)
REFUSES_IT = re.compile(
    r"(?i)\b(?:can['’]?t|cannot|can not|couldn['’]t|could not|unable|not able|won['’]t|do not|don['’]t|ai|model"
    r"|image|picture|photo|request)\b"
)
"""What is asked that is answered by the words that stand somewhere, and what a refusal says all the same."""
QUOTED = re.compile(r"\s*[\"“”„«][^\"“”»\n]{1,80}[\"”»](?!\w)")
TITLE = re.compile(r"\s*(?!I\b)[^\W\d_a-z]\w")
NEXT_WORDS = re.compile(r"(?:[ ,]+[^\W\d_][\w'’]*){1,2}")
WORD = re.compile(r"[^\W\d_][\w'’]*")
SPEAKER = re.compile(r"(?i)\W*as an? (?:[\w-]+ ){1,5}?[\w-]+, i\b")
"""A generator that speaks of itself with capitals: `As an AI Language Model, I ...`."""
OF_SELF = re.compile(r"(?i:i|i['’](?:m|d|ll|ve)|ai|an?|in|of|the|to|and|on|for|my|your)")
AS_TITLE = re.compile(r"(?: [A-Z]\w+){0,2}: [A-Z]")
"""What follows a generator's words in a title: a colon and a subtitle."""
LEAST_CAPITALS, LEAST_TITLE, LEAST_BEHIND = 6, 2, 8
"""Letters in capitals that are a sign's, capitalized words that are a title's, and characters behind a quotation."""
LAST = 240
"""Characters at the end of an answer in which a closing may stand."""


@cache
def phrases(kind: str) -> re.Pattern[str]:
    """The phrases of a kind (refusals, generator, openings, closings) as one pattern."""
    said = yaml.load(PHRASES.read_text(encoding="utf-8"), Loader=LOADER)
    lines = "".join(said[kind].values()).splitlines()
    pattern = "|".join(f"(?:{line})" for line in lines)
    for word, stands_for in said["words"].items():
        pattern = pattern.replace(word, stands_for)
    lead = LEAD if kind in ("refusals", "openings") else ""
    return re.compile(f"{lead}(?:{pattern})", re.IGNORECASE)


def refusal(text: Text) -> str | None:
    """An answer that begins by refusing."""
    match = phrases("refusals").match(text.text)
    if match is None or is_quotation(text.text, match) or _is_read_off(text, match):
        return None
    return f"begins with {around(text.text, match)}, a refusal"


def is_quotation(text: str, match: re.Match[str]) -> bool:
    """Whether a refusal's words are a title's or a sign's: in capitals, in quotation marks, a colon behind them."""
    said = match.group()
    if said.isupper():
        return sum(map(str.isalpha, said)) >= LEAST_CAPITALS and not REFUSES_IT.search(text)
    if said.endswith(":") and TITLE.match(text, match.end()):
        return True
    quoted = QUOTED.match(text)
    if quoted is not None and len(text) - quoted.end() >= LEAST_BEHIND:
        return True
    if SPEAKER.match(text, match.start()):
        return False
    more = NEXT_WORDS.match(text, match.end())
    words = [word for word in WORD.findall(said + (more.group() if more else ""))[1:] if not OF_SELF.fullmatch(word)]
    return len(words) >= LEAST_TITLE and all(word[0].isupper() for word in words)


def _is_read_off(text: Text, match: re.Match[str]) -> bool:
    """Whether it is asked what is written somewhere, and the answer says of nothing that it can't be done."""
    return any(map(ASKS_TO_READ.search, text.questions)) and not REFUSES_IT.search(text.text, match.start())


def error_message(text: Text) -> str | None:
    """The message of a program that failed to write the answer."""
    match = ERROR.match(text.text)
    if match is None or any(map(SHOWS_ERROR.search, text.questions)):
        return None
    return f"begins with {around(text.text, match)}, the message of a program that failed"


def of_itself(text: Text) -> str | None:
    """A generator that speaks of itself, where the answer does not begin so."""
    match = phrases("generator").search(text.text)
    if match is None or refusal(text) is not None or AS_TITLE.match(text.text, match.end()):
        return None
    return f"holds {around(text.text, match)}: a generator speaks of itself"


def opening(text: Text) -> str | None:
    """What a generator says before what it was asked for."""
    match = phrases("openings").match(text.text)
    return (
        None if match is None else f"begins with {around(text.text, match)}, which a generator says before it answers"
    )


def closing(text: Text) -> str | None:
    """What a generator adds behind what it was asked for."""
    match = phrases("closings").search(text.text, max(len(text.text) - LAST, 0))
    return None if match is None else f"ends with {around(text.text, match)}, which is said to a person in a chat"


AGAIN = "have the text generated or written again, or take these words out"
REFUSED = "have the text generated or written again, or leave the row out"
RULES = (
    TextRule(
        id="text.refusal",
        find=refusal,
        screen=f"{LEAD_SCREEN}(?i:{REFUSAL_SCREEN})",
        beyond_ascii=f"{LEAD_SCREEN}(?:{REFUSAL_BEYOND})",
        where="start",
        roles=("assistant",),
        hint=REFUSED,
    ),
    TextRule(
        id="text.error_message",
        find=error_message,
        screen=f"{LEAD_SCREEN}(?i:{ERROR_SCREEN})",
        where="start",
        roles=("assistant",),
        hint="have the text generated again, or leave the row out",
    ),
    TextRule(
        id="text.generator",
        find=of_itself,
        screen=VOICE_SCREEN,
        beyond_ascii=VOICE_BEYOND,
        roles=("assistant",),
        hint=AGAIN,
    ),
    TextRule(
        id="text.boilerplate",
        find=opening,
        screen=f"{LEAD_SCREEN}(?i:{OPENING_SCREEN})",
        beyond_ascii=f"{LEAD_SCREEN}(?:{OPENING_BEYOND})",
        where="start",
        roles=("assistant",),
        hint=AGAIN,
    ),
    TextRule(
        id="text.boilerplate",
        find=closing,
        screen=CLOSING_SCREEN,
        beyond_ascii=CLOSING_BEYOND,
        roles=("assistant",),
        hint=AGAIN,
    ),
)
