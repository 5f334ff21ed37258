"""A conversation as its template renders it, and which tokens of it are the assistant's.

Where an answer begins is not guessed: the template is asked for the prompt of each answer, and the prompt's text and
then its token ids must be the beginning of the whole conversation's. So templates need no generation markers, and
one under which a model would be asked otherwise than it was taught is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vlmtrain.errors import TemplateError

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from vlmtrain.protocols import ModelFamily

Row = Mapping[str, Any]
Span = tuple[int, int]
Shape = tuple[Any, ...]
IGNORED = -100
"""The label of a token that is not learned, as torch's cross-entropy has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A conversation as text, image placeholders not yet expanded.

    `prompts` are the lengths, in characters of `text`, of the prompts of its learned answers; `end` is the token that
    ends a turn; `marked` says that a text of the row holds a control token, which is set apart to be read as text.
    """

    id: str
    text: str
    prompts: tuple[int, ...] = ()
    end: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A placeholder's place in the rendered text, and what the processor put there."""

    start: int
    end: int
    text: str


class Template:
    """A processor's chat template, asked for conversations and prompts."""

    def __init__(self, processor: ProcessorMixin, family: ModelFamily) -> None:
        self.processor = processor
        self.opening, self.closing = family.opening(processor), family.closing(processor)
        self.written = family.chat_template(processor)
        self._proven: set[Shape] = set()
        self.tokenizer: Any = processor.tokenizer
        written = str(processor.chat_template or "")
        added = self.tokenizer.added_tokens_decoder.values()
        self._ends = sorted({token.content for token in added if token.content.strip()}, key=len, reverse=True)
        # The rule of transformers' own `sanitize_control_tokens`: special tokens, and those that the template writes.
        self._control = re.compile(
            "|".join(
                re.escape(token.content)
                for token in sorted(added, key=lambda token: len(token.content), reverse=True)
                if token.special or (token.content in written and token.content.strip())
            )
            or "(?!)"
        )

    def conversation(self, row: Row, *, last_turn_only: bool = False) -> Rendered:
        """The whole conversation, with the places of its answers. Raises TemplateError."""
        messages, marked = self._messages(row)
        answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
        name = row_name(row)
        if not answers or answers[0] == 0:
            raise TemplateError(f"{name}: the conversation has no answer after a prompt, so there is nothing to learn")
        messages = messages[: answers[-1] + 1]
        text = self._render(messages, name, prompt=False)
        self._check_shape(messages, name, prompt=False)
        self._check_nothing_lost(messages, text, name)
        learned = answers[-1:] if last_turn_only else answers
        prompts = tuple(self._prompt_length(messages[:index], text, name) for index in learned)
        return Rendered(id=name, text=text, prompts=prompts, end=self._end_of(text, name), marked=marked)

    def prompt(self, row: Row) -> Rendered:
        """The conversation up to its last answer, which is asked for. Raises TemplateError."""
        messages, marked = self._messages({**row, "messages": asked(row["messages"])})
        name = row_name(row)
        text = self._render(messages, name, prompt=True)
        self._check_shape(messages, name, prompt=True)
        self._check_nothing_lost(messages, text, name)
        return Rendered(id=name, text=text, marked=marked)

    def _messages(self, row: Row) -> tuple[list[dict[str, Any]], bool]:
        """Messages as templates expect them, and whether control tokens in their text were set apart."""
        messages = [template_message(message) for message in row["messages"]]
        marked = any(self._control.search(text) for text in _texts(messages))
        if marked:
            from transformers.utils.chat_template_utils import mark_control_tokens

            messages = mark_control_tokens(messages, self._control)
        return messages, marked

    def _render(self, messages: Sequence[Mapping[str, Any]], name: str, *, prompt: bool) -> str:
        from jinja2 import TemplateError as JinjaError

        try:
            rendered = self.processor.apply_chat_template(
                [dict(message) for message in messages],
                chat_template=self.written,
                add_generation_prompt=prompt,
                tokenize=False,
            )
        except (JinjaError, TypeError, ValueError) as error:
            raise TemplateError(f"{name}: the chat template of {self._kind} refuses the row: {error}") from error
        text = str(rendered)
        if not prompt and not text.rstrip().endswith(self.closing):
            text += self.closing
        return text if text.startswith(self.opening) else self.opening + text

    def _check_shape(self, messages: Sequence[Mapping[str, Any]], name: str, *, prompt: bool) -> None:
        """Raise TemplateError where a conversation of this shape would lose a text or an image, or move one.

        Its texts are replaced by marks that nothing else can be taken for, once for each shape.
        """
        parts = [part["type"] for each in messages for part in each["content"]]
        shape = (prompt, *((each["role"], len(each["content"])) for each in messages), *parts)
        if shape in self._proven:
            return
        marked = self._render(_with_marks(messages), name, prompt=prompt)
        template = f"{name}: the chat template of {self._kind}"
        image, images = getattr(self.processor, "image_token", None), parts.count("image")
        if images and not image:
            raise TemplateError(f"{name}: {self._kind} names no image token, so where images go can't be proven")
        shown = marked.count(image) if image else 0
        if shown != images:
            raise TemplateError(f"{template} makes {shown} placeholders of {images} images")
        if "'type'" in marked:
            raise TemplateError(f"{template} writes out a message's structure, not its text alone (often the system's)")
        lost = [text for index, text in enumerate(_texts(messages)) if _mark(index) not in marked]
        if lost:
            raise self._dropped(lost[0], name)
        if _order(marked, image, parts.count("text")) != parts:
            raise TemplateError(
                f"{template} moves an image past a text; put the images where it puts them, mostly first"
            )
        self._proven.add(shape)

    def _dropped(self, text: str, name: str) -> TemplateError:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        return TemplateError(f"{name}: the chat template of {self._kind} drops or changes the text {shown!r}")

    def _check_nothing_lost(self, messages: Sequence[Mapping[str, Any]], text: str, name: str) -> None:
        """Raise TemplateError where a text part is not in the rendered text, in its order."""
        place = 0
        for part in _texts(messages):
            wanted = part.strip()
            found = text.find(wanted, place)
            if found < 0:
                raise self._dropped(wanted, name)
            place = found + len(wanted)

    def _prompt_length(self, before: Sequence[Mapping[str, Any]], text: str, name: str) -> int:
        prompt = self._render(before, name, prompt=True)
        if text.startswith(prompt) and len(prompt) < len(text):
            return len(prompt)
        same = next(
            (i for i, (a, b) in enumerate(zip(prompt, text, strict=False)) if a != b), min(len(prompt), len(text))
        )
        raise TemplateError(
            f"{name}: the chat template of {self._kind} asks other than it teaches: the prompt of turn {len(before)} "
            f"has {prompt[same : same + 40]!r} where the whole conversation has {text[same : same + 40]!r}"
        )

    def _end_of(self, text: str, name: str) -> str:
        trimmed = text.rstrip()
        for token in self._ends:
            if trimmed.endswith(token):
                return str(token)
        raise TemplateError(
            f"{name}: the chat template of {self._kind} ends an answer with {text[-20:]!r}, which is no token of its "
            "own, so a model could not learn to stop"
        )

    @property
    def _kind(self) -> str:
        return type(self.processor).__name__


def template_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with no key that a template could stumble over: no null text on images, no image in a text."""
    if isinstance(message["content"], str):
        return {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}
    parts = []
    for part in message["content"]:
        parts.append({"type": "image"} if part["type"] == "image" else {"type": "text", "text": part["text"] or ""})
    return {"role": message["role"], "content": parts}


def asked(messages: Sequence[Any]) -> Sequence[Any]:
    """The messages before the last answer; all of them where the last is no answer."""
    return messages[:-1] if messages and messages[-1]["role"] == "assistant" else messages


def image_parts(messages: Sequence[Mapping[str, Any]]) -> int:
    """How many image parts these messages hold."""
    contents = (message["content"] for message in messages if not isinstance(message["content"], str))
    return sum(part["type"] == "image" for content in contents for part in content)


def row_name(row: Row) -> str:
    """The row's id, for messages."""
    return str(row.get("id") or "a row without an id")


def _texts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        for part in message["content"]:
            if part["type"] == "text":
                yield part["text"]


def _mark(index: int) -> str:
    return f"({index}: a text)"


def _with_marks(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages with a mark in place of each text."""
    count = itertools.count()
    return [
        {
            **message,
            "content": [
                {**part, "text": _mark(next(count))} if part["type"] == "text" else part for part in message["content"]
            ],
        }
        for message in messages
    ]


def _order(marked: str, image: str | None, texts: int) -> list[str]:
    """The types of the parts in the order in which a rendered text shows them; texts must show in their own order."""
    places = [(marked.find(_mark(index)), "text") for index in range(texts)]
    if places != sorted(places):
        return []
    if image:
        places += [(found.start(), "image") for found in re.finditer(re.escape(image), marked)]
    return [kind for _, kind in sorted(places)]


def expanded(text: str, replacements: Sequence[Replacement]) -> str:
    """The text with what the processor put in place of each placeholder."""
    pieces, place = [], 0
    for each in replacements:
        pieces += [text[place : each.start], each.text]
        place = each.end
    return "".join([*pieces, text[place:]])


def answer_spans(
    rendered: Rendered, ids: Sequence[int], replacements: Sequence[Replacement], tokenizer: Any
) -> tuple[Span, ...]:
    """Which of a conversation's token ids are answers and their end tokens, as half-open spans.

    An image in an answer is left out, with all that the processor writes around it.
    Raises TemplateError where a prompt's ids are not the first ids of the conversation.
    """
    import numpy as np

    whole = np.asarray(ids)
    ends = np.flatnonzero(whole == tokenizer.convert_tokens_to_ids(rendered.end))
    starts = _starts_by_tails(rendered, replacements, whole, tokenizer)
    spans = []
    for start in _starts_by_prompts(rendered, replacements, whole, tokenizer) if starts is None else starts:
        after = ends[np.searchsorted(ends, start) :]
        if not len(after):
            raise TemplateError(f"{rendered.id}: an answer has no end token {rendered.end!r}")
        spans.append((start, int(after[0]) + 1))
    return tuple(_without(spans, _shown_in_answers(rendered, whole, replacements, tokenizer)))


def _starts_by_prompts(
    rendered: Rendered, replacements: Sequence[Replacement], whole: Any, tokenizer: Any
) -> Iterator[int]:
    """Where the answers' tokens start: each prompt's ids are held against the conversation's first."""
    texts = [
        expanded(rendered.text[:length], [each for each in replacements if each.end <= length])
        for length in rendered.prompts
    ]
    for prompt in encode(texts, tokenizer, marked=rendered.marked):
        if len(prompt) >= len(whole) or whole[: len(prompt)].tolist() != prompt:
            raise _not_a_prefix(rendered, whole[: len(prompt)].tolist(), prompt, tokenizer)
        yield len(prompt)


def _starts_by_tails(
    rendered: Rendered, replacements: Sequence[Replacement], whole: Any, tokenizer: Any
) -> list[int] | None:
    """The same by the end of each prompt alone, from the last end of a turn on; None where that does not settle it.

    A token that stands alone parts a text: what is before it, and it with what follows, are read by themselves. So the
    images' thousands of tokens are not read again for every answer.
    """
    text, end = rendered.text, rendered.end
    if rendered.marked or not _stands_alone(tokenizer, end) or any(end in each.text for each in replacements):
        return None
    cuts = [text.rfind(end, 0, length) for length in rendered.prompts]
    images = [max((each.end for each in replacements if each.end <= length), default=0) for length in rendered.prompts]
    if any(cut < image for cut, image in zip(cuts, images, strict=True)):
        return None
    places = (whole == tokenizer.convert_tokens_to_ids(end)).nonzero()[0]
    tails = encode([text[cut:length] for cut, length in zip(cuts, rendered.prompts, strict=True)], tokenizer)
    starts = []
    for cut, tail in zip(cuts, tails, strict=True):
        turn = text.count(end, 0, cut)
        place = int(places[turn]) if turn < len(places) else len(whole)
        start = place + len(tail)
        if start >= len(whole) or whole[place:start].tolist() != tail:
            return None
        starts.append(start)
    return starts


@lru_cache(maxsize=16)
def _stands_alone(tokenizer: Any, token: str) -> bool:
    """Whether a tokenizer cuts a text at this token before it does anything else, and takes no blank with it."""
    added = tokenizer.added_tokens_decoder.get(tokenizer.convert_tokens_to_ids(token))
    return added is not None and not (added.normalized or added.lstrip or added.rstrip or added.single_word)


def _shown_in_answers(
    rendered: Rendered, whole: Any, replacements: Sequence[Replacement], tokenizer: Any
) -> Iterator[Span]:
    """The tokens of images that stand in answers, and any token that is partly an image's."""
    answers = [(start, rendered.text.find(rendered.end, start)) for start in rendered.prompts]
    for index, each in enumerate(replacements):
        if any(start <= each.start < end for start, end in answers):
            texts = [
                expanded(rendered.text[: each.start], replacements[:index]),
                expanded(rendered.text[: each.end], replacements[: index + 1]),
            ]
            before, after = encode(texts, tokenizer, marked=rendered.marked)
            ids = whole.tolist()
            same = next((i for i, (a, b) in enumerate(zip(before, ids, strict=False)) if a != b), len(before))
            yield same, len(after)


def _without(spans: Sequence[Span], cuts: Iterable[Span]) -> list[Span]:
    """The spans, less the cuts; cuts are in order."""
    left = list(spans)
    for start, end in cuts:
        pieces = [(each, (each[0], min(each[1], start)), (max(each[0], end), each[1])) for each in left]
        left = [
            piece
            for whole, before, after in pieces
            for piece in ((before, after) if whole[0] < end and start < whole[1] else (whole,))
            if piece[0] < piece[1]
        ]
    return left


def encode(texts: Sequence[str], tokenizer: Any, *, marked: bool = False) -> list[list[int]]:
    """Token ids of rendered texts, no special token added; marked control tokens are read as text."""
    options = {"sanitize_control_tokens": True} if marked else {}
    encoded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, **options)["input_ids"]
    return encoded


def refuse_unseen(name: str, processor: Any, *, tokens: int, images: int) -> None:
    """Raise TemplateError where images left no token in a row's ids: the model would not see them."""
    if tokens < images:
        raise TemplateError(f"{name}: {type(processor).__name__} makes {tokens} image tokens of {images} images")


def says_no_place(processor: Any) -> TemplateError:
    """The refusal of a processor that expands placeholders and does not tell where."""
    kind = type(processor).__name__
    return TemplateError(f"{kind} does not say where it puts each image's tokens, so labels can't be proven")


def _not_a_prefix(rendered: Rendered, found: list[int], prompt: list[int], tokenizer: Any) -> TemplateError:
    same = next((i for i, (a, b) in enumerate(zip(found, prompt, strict=False)) if a != b), len(found))
    asked_for = tokenizer.decode(prompt[max(same - 3, 0) :])
    taught = tokenizer.decode(found[max(same - 3, 0) :])
    return TemplateError(
        f"{rendered.id}: under this chat template the prompt's tokens are not the beginning of the conversation's: "
        f"a model would be asked with {asked_for!r} and was taught after {taught!r} (often a blank at the end of the "
        "generation prompt, which belongs to the answer's first token)"
    )
