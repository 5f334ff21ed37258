"""Proves labels: that they cover a row's answers and the tokens that end them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlmdata.record import Problem
from vlmtrain.layout import Answer, Layout
from vlmtrain.reading import Reading
from vlmtrain.turns import IGNORED

MOST_QUOTED = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One row of a batch, without its padding: what was read from its ids, where its parts are, and its labels.

    `shown` are the positions of image tokens; `padding_learned` counts labels on the padding; `only_last` says that
    the last answer alone is to be learned.
    """

    id: str
    reading: Reading
    layout: Layout
    labels: Sequence[int]
    shown: frozenset[int]
    padding_learned: int = 0
    only_last: bool = False

    @property
    def wanted(self) -> tuple[Answer, ...]:
        """The answers that are to be learned."""
        return self.layout.answers[-1:] if self.only_last else self.layout.answers

    @property
    def learned(self) -> frozenset[int]:
        """The positions that have a label."""
        return frozenset(index for index, label in enumerate(self.labels) if label != IGNORED)

    @property
    def images(self) -> frozenset[int]:
        """The positions that stand for images: by their ids, and by where the processor wrote."""
        return self.shown | {i for span in self.layout.images if span is not None for i in range(*span)}

    @property
    def due(self) -> frozenset[int]:
        """The positions that should have a label."""
        return frozenset(position for answer in self.wanted for position in positions(answer)) - self.images


def positions(answer: Answer) -> Iterator[int]:
    """An answer's tokens, and the one that ends its turn."""
    yield from range(answer.start, answer.end)
    if answer.ending is not None:
        yield answer.ending


def text_problems(row: Labelled, image_parts: int) -> Iterator[Problem]:
    """What of a row is not in its ids, whatever the labels are."""
    layout = row.layout
    if layout.cut:
        message = f"the row is cut: {len(row.reading.ids):,} of its {layout.whole:,} tokens are in the batch;"
        yield _problem(row, "inspect.cut", message, "raise max_length, or lower max_pixels: what is cut is not seen")
    for text in layout.missing:
        message = f"the text {_quoted(text)} is not in the ids;"
        yield _problem(row, "inspect.text_missing", message, "look at the chat template, and at what cuts the row")
    there = sum(span is not None for span in layout.images)
    if there < image_parts:
        message = f"the ids hold the tokens of {there} of the row's {image_parts} images;"
        yield _problem(row, "inspect.image_missing", message, "each image part needs one image and one placeholder")
    if layout.forged:
        message = f"a text of the row is read as the control token {_text(row, layout.forged[0])!r};"
        yield _problem(row, "inspect.control_token", message, "pass sanitize_control_tokens=True to the processor")


def label_problems(row: Labelled) -> Iterator[Problem]:
    """Where the labels are not the row's answers and their end tokens."""
    if row.padding_learned:
        message = f"{_tokens(row.padding_learned)} of padding {_are(row.padding_learned)} learned;"
        yield _problem(row, "inspect.padding_learned", message, f"label padding {IGNORED}")
    moved = _moved_values(row)
    if moved is not None:
        yield moved
        return
    for step, side in ((1, "late"), (-1, "early")):
        if _is_moved(row, step):
            message = f"the learned tokens begin and end one token too {side};"
            yield _problem(row, "inspect.labels_shifted", message, _shift_hint(row, step))
            return
    yield from _too_many(row)
    yield from _too_few(row)


def _moved_values(row: Labelled) -> Problem | None:
    """The problem of labels that are not their tokens: a trainer shifts them itself."""
    ids, learned = row.reading.ids, sorted(row.learned)
    wrong = [index for index in learned if row.labels[index] != ids[index]]
    if not wrong:
        return None
    for step, side in ((1, "left"), (-1, "right")):
        if all(0 <= i + step < len(ids) and row.labels[i] == ids[i + step] for i in learned):
            message = f"the labels are shifted by one to the {side};"
            return _problem(row, "inspect.labels_shifted", message, "leave them in place: the model's loss shifts them")
    message = f"{_tokens(len(wrong))} {_have(len(wrong))} the label of another, the first at position {wrong[0]:,};"
    return _problem(row, "inspect.label_of_another", message, "a label is its token's own id")


def _is_moved(row: Labelled, step: int) -> bool:
    """Whether the learned tokens are the right ones, moved. The first and last place don't count: a mask may roll."""
    inner = range(1, len(row.labels) - 1)
    moved = {position + step for position in row.due}.intersection(inner)
    return bool(moved) and row.learned != row.due and row.learned.intersection(inner) == moved


def _shift_hint(row: Labelled, step: int) -> str:
    last = max(row.due)
    ends = step < 0 and last not in row.learned
    return "so the model never learns to end its turn" if ends else "so the answer's first token is never learned"


def _too_many(row: Labelled) -> Iterator[Problem]:
    extra = row.learned - row.due - row.layout.loose
    shown = extra & row.images
    if shown:
        message = f"{_tokens(len(shown))} of images {_are(len(shown))} learned;"
        yield _problem(row, "inspect.image_learned", message, f"label them {IGNORED}: no answer holds an image's token")
    prompt = sorted(extra - shown)
    if prompt:
        first = _text(row, prompt[0], _run(prompt))
        message = f"{_tokens(len(prompt))} of the prompt {_are(len(prompt))} learned, such as {_quoted(first)};"
        yield _problem(row, "inspect.prompt_learned", message, f"label {IGNORED} all that is not an answer or its end")


def _too_few(row: Labelled) -> Iterator[Problem]:
    if not row.wanted:
        message = "no answer of the row is in the ids, so there is nothing to learn;"
        yield _problem(
            row, "inspect.answer_not_learned", message, "look at the chat template, and at what cuts the row"
        )
    for answer in row.wanted:
        missing = _missing(row, answer)
        if missing:
            yield _problem(row, "inspect.answer_not_learned", missing, "give every token of it its own id as label")
        if answer.ending is None or answer.ending not in row.learned:
            there = "is not learned" if answer.ending is not None else "is not in the ids"
            message = f"the token that ends the answer {_quoted(answer.text)} {there};"
            yield _problem(row, "inspect.end_not_learned", message, "without it the model never learns to stop")
        if answer.straddling is not None:
            message = f"the token {_text(row, answer.straddling)!r} is half the prompt's and half the answer's;"
            hint = "a model is asked with other tokens than it was taught after: mostly a blank ends the prompt"
            yield _problem(row, "inspect.straddling_token", message, hint)


def _missing(row: Labelled, answer: Answer) -> str:
    """What of an answer is not learned, in words; empty where all of it is."""
    tokens, quoted = set(range(answer.start, answer.end)) - row.images, _quoted(answer.text)
    left = len(tokens - row.learned)
    if not tokens and answer.text:
        return f"nothing of the answer {quoted} is in the ids;"
    if left:
        return f"{left:,} of {len(tokens):,} tokens of the answer {quoted} {_are(left)} not learned;"
    return f"the last {answer.cut:,} characters of the answer {quoted} are not in the ids;" if answer.cut else ""


def _problem(row: Labelled, rule: str, message: str, hint: str) -> Problem:
    return Problem(rule=rule, message=message, source=row.id, id=row.id, hint=hint)


def _text(row: Labelled, start: int, count: int = 1) -> str:
    return row.reading.of(start, start + count)


def _run(found: Sequence[int]) -> int:
    """How many of the positions follow each other from the first on."""
    return next((i for i, each in enumerate(found) if each != found[0] + i), len(found))


def _quoted(text: str) -> str:
    return repr(text if len(text) <= MOST_QUOTED else f"{text[: MOST_QUOTED - 3]}...")


def _tokens(count: int) -> str:
    return f"{count:,} token" if count == 1 else f"{count:,} tokens"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
