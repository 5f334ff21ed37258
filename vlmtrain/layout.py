"""Where a row's answers, end tokens and images stand in a sequence of tokens that any collator made.

The sequence is read back as text and compared with the row's own: nothing is taken from how its labels were made.
Where it is the text that the processor's template renders, every border is known to the character; where it is not,
the row's texts are looked for in it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmtrain.reading import Reader, Reading
from vlmtrain.turns import Rendered, Replacement, Span, expanded, template_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer's tokens, the position of the token that ends its turn, and a token that is half the prompt's.

    `cut` is how many characters of it the sequence does not hold.
    """

    text: str
    start: int
    end: int
    ending: int | None = None
    straddling: int | None = None
    cut: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The parts of one sequence, as positions of its tokens.

    `images` are the tokens that stand for each image of the row, None where they are not found; `loose` are blanks of
    which it is not known whose they are; `missing` are texts of the row that the sequence does not hold; `cut` says
    that it is the beginning or the end of the whole, which has `whole` tokens; `forged` are tokens that steer a model
    and were meant as text.
    """

    answers: tuple[Answer, ...] = ()
    images: tuple[Span | None, ...] = ()
    loose: frozenset[int] = frozenset()
    missing: tuple[str, ...] = ()
    cut: bool = False
    whole: int = 0
    forged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A row as its template and processor make it: its reading, and places in characters of its text."""

    reading: Reading
    answers: tuple[tuple[int, int, int], ...]
    """Of each answer: where it begins, where the token that ends it begins, and where that ends."""
    images: tuple[Span, ...] = ()
    written: int = 0
    """The characters that the template writes itself."""


def whole_of(rendered: Rendered, image_token: str, shown: Sequence[str], reader: Reader, *, closing: str = "") -> Whole:
    """The row as it should be. `shown` is what the processor puts in place of each image's placeholder.

    `closing` is what the template itself leaves out at the end of a conversation, so that nobody cut it.
    """
    replaced = list(_replacements(rendered.text, image_token, shown))

    def place(end: int) -> int:
        before = [each for each in replaced if each.end <= end]
        return len(reader.of_text(expanded(rendered.text[:end], before), marked=rendered.marked).text)

    reading = reader.of_text(expanded(rendered.text, replaced), marked=rendered.marked)
    ending = reader.tokenizer.convert_tokens_to_ids(rendered.end)
    ends = [span for token, span in zip(reading.ids, reading.spans, strict=True) if token == ending]
    starts = [place(length) for length in rendered.prompts]
    found = [(start, next((end for end in ends if end[0] >= start), None)) for start in starts]
    return Whole(
        reading=reading,
        answers=tuple((start, *end) for start, end in found if end is not None),
        images=tuple((place(each.start), place(each.end)) for each in replaced),
        written=len(reading.text.rstrip().removesuffix(closing).rstrip()),
    )


def _replacements(text: str, token: str, shown: Sequence[str]) -> Iterator[Replacement]:
    """Each image's placeholder; one that a text of the row holds is marked off and passed over."""
    place = 0
    for each in shown:
        start = text.find(token, place)
        while start > 0 and unicodedata.category(text[start - 1]) == "Co":
            start = text.find(token, start + 1)
        if start < 0:
            return
        place = start + len(token)
        yield Replacement(start=start, end=place, text=each)


def lay_out(
    reading: Reading, whole: Whole | None, row: Mapping[str, Any], shown: Sequence[str], reader: Reader
) -> Layout:
    """The parts of a sequence: by the whole row where it is one or a piece of it, else by looking for them."""
    if whole is not None:
        text = whole.reading.text
        if reading.text.startswith(text) or text.startswith(reading.text):
            return _aligned(reading, whole, 0, reader)
        if text.endswith(reading.text):
            return _aligned(reading, whole, len(text) - len(reading.text), reader)
    return _searched(reading, row, shown, reader)


def _aligned(reading: Reading, whole: Whole, skipped: int, reader: Reader) -> Layout:
    """`skipped`: how many characters of the whole stand before this sequence."""
    answers = []
    length = len(reading.text)
    for start, ending, end in whole.answers:
        low, high, last = (min(max(place - skipped, 0), length) for place in (start, ending, end))
        first, stop = reading.tokens(low, high)
        half = first if first < stop and reading.spans[first][0] < low else None
        there = reading.tokens(high, last)
        answers.append(
            Answer(
                text=whole.reading.text[start:ending],
                start=first,
                end=stop,
                ending=there[0] if there[0] < there[1] else None,
                straddling=half,
                cut=(ending - start) - (high - low),
            )
        )
    images = [_clipped(reading, start - skipped, end - skipped) for start, end in whole.images]
    return Layout(
        answers=tuple(answers),
        images=tuple(images),
        cut=length < whole.written,
        whole=len(whole.reading.ids),
        forged=tuple(_forged(reading, whole, skipped, reader.tokenizer)),
    )


def _clipped(reading: Reading, start: int, end: int) -> Span | None:
    """The tokens of a whole image; None where a part of it is not there."""
    if start < 0 or end > len(reading.text):
        return None
    return reading.tokens(start, end)


def _forged(reading: Reading, whole: Whole, skipped: int, tokenizer: Any) -> Iterator[int]:
    """Tokens of the tokenizer's own where the whole row has the same characters as plain text."""
    meant = set(zip(whole.reading.ids, whole.reading.spans, strict=True))
    for index, (token, (start, end)) in enumerate(zip(reading.ids, reading.spans, strict=True)):
        within = end + skipped <= len(whole.reading.text)
        if (
            token in tokenizer.added_tokens_decoder
            and within
            and (token, (start + skipped, end + skipped)) not in meant
        ):
            yield index


def _searched(reading: Reading, row: Mapping[str, Any], shown: Sequence[str], reader: Reader) -> Layout:
    ends = _steering(reader.tokenizer)
    place, missing, answers, loose = 0, [], [], set()
    for message in map(template_message, row["messages"]):
        found: list[Span] = []
        for part in message["content"]:
            wanted = reader.of_text(part.get("text", "").strip()).text if part["type"] == "text" else ""
            if not wanted:
                continue
            start = _found(reading.text, wanted, place, ends if message["role"] == "assistant" else ())
            if start < 0:
                missing.append(wanted)
                continue
            place = start + len(wanted)
            found.append((start, place))
        if message["role"] == "assistant" and found:
            answer = _answer(reading, found[0][0], found[-1][1], ends)
            answers.append(answer)
            loose |= set(_blanks_before(reading, answer.start))
    return Layout(
        answers=tuple(answers),
        images=tuple(_shown_images(reading, shown)),
        loose=frozenset(loose),
        missing=tuple(missing),
        whole=len(reading.ids),
    )


def _steering(tokenizer: Any) -> tuple[str, ...]:
    return tuple(token.content for token in tokenizer.added_tokens_decoder.values() if token.content.strip())


def _found(text: str, wanted: str, place: int, ends: tuple[str, ...]) -> int:
    """Where a text stands; an answer rather where its turn ends behind it, since a short one may stand anywhere."""
    first = start = text.find(wanted, place)
    while ends and start >= 0:
        if text[start + len(wanted) :].lstrip().startswith(ends):
            return start
        start = text.find(wanted, start + 1)
    return first


def _answer(reading: Reading, start: int, end: int, ends: tuple[str, ...]) -> Answer:
    first, last = reading.tokens(start, end)
    ending = last
    while ending < len(reading.ids) and not reading.of(ending, ending + 1).strip():
        ending += 1
    steers = ending < len(reading.ids) and reading.of(ending, ending + 1).strip() in ends
    return Answer(text=reading.text[start:end], start=first, end=last, ending=ending if steers else None)


def _blanks_before(reading: Reading, start: int) -> Iterator[int]:
    while start > 0 and not reading.of(start - 1, start).strip():
        start -= 1
        yield start


def _shown_images(reading: Reading, shown: Sequence[str]) -> Iterator[Span | None]:
    place = 0
    for each in shown:
        start = reading.text.find(each, place) if each else -1
        if start < 0:
            yield None
        else:
            place = start + len(each)
            yield reading.tokens(start, place)
