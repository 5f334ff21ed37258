"""Answers that hold what was said to the writer: a sentence of the system message, or how the question begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import numpy as np

from vlmdata.check.text_exchanged import REQUEST
from vlmdata.check.text_repeats import ENDS, answer_is_question, question_places
from vlmdata.check.text_rule import Columns, Mask, Text, TextRule
from vlmdata.check_settings import CheckSettings

SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?。！？]+|\n|\Z)")
LEADING = 4
"""Sentences with which a question begins; what stands behind them is rather what it is about."""
AT_START = 20
"""Characters that are enough where the answer begins with them."""
EDGES = (
    ENDS
    + "\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    + "".join(map(chr, range(0x2000, 0x200B)))
)
"""What is taken off both ends of a sentence: punctuation and white space."""
NEXT = re.compile(rf"[.!?。！？\n][{re.escape(EDGES)}]*")
"""What stands between two sentences."""

INSTRUCTS = re.compile(
    r"\s*(?:please\b|(?:write|describe|summari[sz]e|explain|compose|answer|respond|reply|generate)\b"
    r"|(?:your|the assistant['’]s) (?:task|job|role|goal|answers?|response|reply|description)\b|act as\b|imagine you"
    r"|you (?:will|must|should|have to|need to) (?:be given|receive|see|write|describe|answer|look|always|never|not)\b"
    r"|you(?: are|['’]re) [^.!?\n]*\b(?:ai|assistant|\w*writer|expert|model|bot|editor|specialist|annotator"
    r"|professional|seller|marketer|agent|helper|given|asked)\b"
    r"|(?:bitte|schreib\w*|beschreib\w*|antworte\w*)\b|(?:du bist|sie sind) ein|(?:rédige|décri|répond|écri)\w*"
    r"|(?:tu es|vous êtes) une? |(?:escrib|describ|respond)\w+|eres una? |(?:scrivi|descrivi|rispondi)\b|sei una? "
    r"|(?:escrev|descrev)\w+|você é |(?:napisz|opisz)\b|jesteś |ты |вы |(?:напиш|опиш)\w+|你是|您是|请|あなたは"
    r"|당신은)",
    re.IGNORECASE,
)
"""How a sentence begins that tells a writer what to do, or who it is."""
OF_A_TALK = re.compile(
    r"(?i)\b(?:assistant|users?|ai|language model|instructions?)\b|\A(?:never|always|do not|don['’]t|avoid|make sure"
    r"|ensure|include|focus|limit|use|keep)\b.*\b(?:answers?|respon\w+|mention\w*|writ(?:e|ing)|texts?|descriptions?"
    r"|words?|sentences?|tone|language|style|format|images?|pictures?|photos?|paragraphs?|markdown|json)\b"
)
"""What system messages speak of, and descriptions do not."""
TO_REPEAT = re.compile(
    r"(?i)\b(?:passage|quote|verbatim|repeat|rewrite|rephrase|paraphrase|proofread|ocr)\b|\btransl|\btranscri"
    r"|\bread (?:the|this|it|out|aloud|what)\b"
    r"|\b(?:what|which|show|print|reveal)\b[^.?!\n]{0,40}\b(?:prompt|instructions?)\b"
)
"""What a turn says that asks for words that are already there."""


def leaked(text: Text, least: int) -> str | None:
    """A sentence of the system message, or the first ones of the question, that the answer holds."""
    if any(map(TO_REPEAT.search, text.questions)):
        return None
    for number, system in enumerate(text.system):
        for sentence in told(system, least, first=number == 0):
            if sentence in text.text:
                return f"holds {_shown(sentence)}, a sentence of the system message"
    if not text.first or answer_is_question(text, 1) or any(said and said in text.text for said in text.questions):
        return None
    for question in text.questions:
        for beginning in beginnings(question, least):
            if beginning in text.text:
                return f"holds {_shown(beginning)}, with which the question begins"
        for beginning in islice(beginnings(question, AT_START), 1):
            if text.text.lstrip(EDGES).startswith(beginning):
                return f"begins as the question does, with {_shown(beginning)}"
    return None


def _shown(sentence: str) -> str:
    return repr(sentence if len(sentence) <= 60 else f"{sentence[:60].rstrip()} ...")


def told(system: str, least: int, *, first: bool) -> Iterator[str]:
    """The sentences of a system message that no answer holds by chance: its first, and those that instruct."""
    for place, match in enumerate(SENTENCE.finditer(system)):
        sentence = match.group().strip(EDGES)
        instructs = (first and not place) or INSTRUCTS.match(sentence) or OF_A_TALK.search(sentence)
        if len(sentence) >= least and instructs:
            yield sentence


def beginnings(question: str, least: int) -> Iterator[str]:
    """As few of the question's sentences as are long enough, from its first on and from its second on.

    All of them instruct.
    """
    sentences = list(_instructing(question))
    for number, (start, _) in enumerate(sentences[:2]):
        ends = (end for _, end in sentences[number:])
        pieces = (question[start:end].strip(EDGES) for end in ends)
        yield from islice((piece for piece in pieces if len(piece) >= least), 1)


def _instructing(question: str) -> Iterator[tuple[int, int]]:
    """Where each sentence begins and ends, up to the first that does not instruct."""
    said = (match for match in SENTENCE.finditer(question) if match.group().strip(EDGES))
    for match in islice(said, LEADING):
        sentence = match.group().strip()
        if not INSTRUCTS.match(sentence) and not REQUEST.fullmatch(sentence):
            return
        yield match.span()


def suspects(columns: Columns, least: int) -> Mask:
    """Answers that hold a sentence of their record's system message, or one with which their question begins."""
    return _of_systems(columns, least) | _of_questions(columns, least)


def _of_systems(columns: Columns, least: int) -> Mask:
    """Answers in records with a system message; a message is taken apart once, however many records it stands in."""
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    systems = np.flatnonzero(columns.of("system"))
    if not len(systems):
        return found
    sentences: dict[str, list[str]] = {}
    of_row: dict[int, list[str]] = {}
    for row, said in zip(columns.rows[systems].tolist(), columns.texts.take(systems).to_pylist(), strict=True):
        if said not in sentences:
            sentences[said] = list(told(said, least, first=True))
        of_row[row] = [*of_row[row], *sentences[said]] if row in of_row else sentences[said]
    answers = np.flatnonzero(columns.of("assistant") & np.isin(columns.rows, columns.rows[systems]))
    texts = columns.texts.take(answers).to_pylist()
    for place, row, text in zip(answers.tolist(), columns.rows[answers].tolist(), texts, strict=True):
        found[place] = any(sentence in text for sentence in of_row[row])
    return found


def _of_questions(columns: Columns, least: int) -> Mask:
    """Answers to questions, by the first characters of a sentence near the question's beginning."""
    asked, answer = question_places(columns)
    long = (columns.sizes[asked] >= AT_START) & (columns.sizes[answer] >= AT_START)
    asked, answer = asked[long], answer[long]
    questions, answers = columns.texts.take(asked).to_pylist(), columns.texts.take(answer).to_pylist()
    holds = [_may_begin(question, said, least) for question, said in zip(questions, answers, strict=True)]
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    found[answer[np.array(holds, dtype=np.bool_)]] = True
    return found


def _may_begin(question: str, answer: str, least: int) -> bool:
    """Whether an answer holds the first characters of the question's first or second sentence."""
    begun = question.lstrip(EDGES)
    if begun[:least] in answer or answer.lstrip(EDGES).startswith(begun[:AT_START]):
        return True
    match = NEXT.search(begun)
    return match is not None and begun[match.end() : match.end() + least] in answer


def rules(settings: CheckSettings) -> tuple[TextRule, ...]:
    """The rule of this file, with the threshold that was settled."""
    least = int(settings.threshold("text.prompt_leaked", "min_characters"))
    return (
        TextRule(
            id="text.prompt_leaked",
            find=lambda text: leaked(text, least),
            suspects=lambda columns: suspects(columns, least),
            roles=("assistant",),
            hint="leave what was said to the writer out of the answer",
        ),
    )
