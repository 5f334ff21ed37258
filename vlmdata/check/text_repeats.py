"""Answers that say the question again, and answers that say one sentence over and over."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from vlmdata.check.text_loops import loop, looping
from vlmdata.check.text_rule import Columns, Mask, Numbers, Text, TextRule
from vlmdata.check_settings import CheckSettings

SLACK = 8
"""By how many characters a question and an answer that says the same may differ: punctuation."""
ENDS = " \t\n.,:;!?。？！\"'*"

BREAK = re.compile("[.!?。\n]")
BREAKS = [ord(sign) for sign in ".!?\n"]
FULL_STOP = "。".encode()
MIN_BYTES = 12
"""Bytes from which on a sentence counts as repeated; shorter ones are `Yes` and `1`."""
MIN_WORDS = 3
LONGEST = 1 << 32


def rules(settings: CheckSettings) -> tuple[TextRule, ...]:
    """The rules of this file, with the thresholds that were settled."""
    same = int(settings.threshold("text.answer_is_question", "min_characters"))
    inside = int(settings.threshold("text.question_repeated", "min_characters"))
    often = int(settings.threshold("text.repetition", "times"))
    return (
        TextRule(
            id="text.answer_is_question",
            find=lambda text: answer_is_question(text, same),
            suspects=_as_long,
            roles=("assistant",),
            hint="write the answer; a recipe may use one column in both turns",
        ),
        TextRule(
            id="text.question_repeated",
            find=lambda text: question_repeated(text, inside),
            suspects=lambda columns: _holding(columns, inside),
            roles=("assistant",),
            hint="leave the question out of the answer",
        ),
        TextRule(
            id="text.repetition",
            find=lambda text: repetition(text, often),
            suspects=lambda columns: repeating(columns, often) | looping(columns),
            roles=("assistant",),
            hint="keep it once, or have the text generated again",
        ),
    )


def answer_is_question(text: Text, least: int) -> str | None:
    """An answer that is the question, but for punctuation and capitals."""
    answer = _bare(text.text)
    for question in text.questions:
        near = abs(len(question.encode()) - len(text.text.encode())) <= SLACK
        if text.first and text.alone and near and len(answer) >= least and _bare(question) == answer:
            return "is the question itself"
    return None


def question_repeated(text: Text, least: int) -> str | None:
    """An answer that holds the whole question."""
    for question in text.questions:
        if not text.first or len(question) < least or question not in text.text:
            continue
        if answer_is_question(text, 1) is None:
            return f"{'begins with' if text.text.startswith(question) else 'holds'} the whole question"
    return None


def repetition(text: Text, often: int) -> str | None:
    """An answer that says one sentence over and over."""
    pieces = Counter(piece.removeprefix(" ") for piece in BREAK.split(text.text))
    for piece, count in pieces.most_common():
        if count < often:
            return loop(text)
        words = len(piece.split()) if piece.isascii() else MIN_WORDS
        if len(piece.encode()) >= MIN_BYTES and words >= MIN_WORDS:
            return f"says {piece[:60]!r} {count:,} times"
    return None


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).strip(ENDS)


def question_places(columns: Columns) -> tuple[Numbers, Numbers]:
    """The places of each question's text and of the first text of the answer to it."""
    asked = np.flatnonzero(columns.of("user"))
    answer = np.searchsorted(columns.messages, columns.messages[asked] + 1)
    there = answer < len(columns.messages)
    asked, answer = asked[there], answer[there]
    follows = (
        (columns.messages[answer] == columns.messages[asked] + 1)
        & (columns.rows[answer] == columns.rows[asked])
        & columns.of("assistant")[answer]
    )
    return asked[follows], answer[follows]


def _as_long(columns: Columns) -> Mask:
    """Answers nearly as long as a part of their question."""
    asked, answer = question_places(columns)
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    found[answer[np.abs(columns.sizes[asked] - columns.sizes[answer]) <= SLACK]] = True
    return found


def _holding(columns: Columns, least: int) -> Mask:
    """Answers that hold a part of their question."""
    asked, answer = question_places(columns)
    long = (columns.sizes[asked] >= least) & (columns.sizes[answer] >= columns.sizes[asked])
    asked, answer = asked[long], answer[long]
    questions, answers = columns.texts.take(asked).to_pylist(), columns.texts.take(answer).to_pylist()
    holds = [question in said for question, said in zip(questions, answers, strict=True)]
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    found[answer[np.array(holds, dtype=np.bool_)]] = True
    return found


def repeating(columns: Columns, often: int) -> Mask:
    """Texts of which as many sentences are equally long, found on the bytes of all texts at once."""
    data, ends = columns.data, np.cumsum(columns.sizes)
    found = np.zeros(len(ends), dtype=np.bool_)
    ends_one = data == BREAKS[0]
    for sign in BREAKS[1:]:
        ends_one |= data == sign
    signs = np.flatnonzero(ends_one)
    wide = np.flatnonzero(data == FULL_STOP[2])
    wide = wide[wide >= 2]
    wide = wide[(data[wide - 2] == FULL_STOP[0]) & (data[wide - 1] == FULL_STOP[1])]
    if len(wide):
        signs = np.sort(np.concatenate([signs, wide]))
    places = np.searchsorted(signs, ends)
    stops = np.insert(signs, places, ends)
    of_text = np.zeros(len(stops), dtype=np.bool_)
    of_text[places + np.arange(len(places))] = True
    starts = np.empty_like(stops)
    starts[:1] = 0
    starts[1:] = stops[:-1] + ~of_text[:-1]
    padded = np.append(data, np.uint8(0))
    starts += padded[starts] == ord(" ")
    sizes = stops - starts
    sizes[~of_text & (padded[stops] == FULL_STOP[2])] -= 2
    parents: Numbers = np.cumsum(of_text) - of_text
    kept = sizes >= MIN_BYTES
    keys = np.sort(parents[kept] * LONGEST + sizes[kept])
    same = keys[often - 1 :][keys[often - 1 :] == keys[: len(keys) - often + 1]]
    found[same // LONGEST] = True
    return found & columns.of("assistant")
