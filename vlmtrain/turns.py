"""A conversation as its template renders it, and which tokens of it are the assistant's.

Where an answer begins is not guessed: the template is asked for the prompt of each answer, and the prompt's text and
then its token ids must be the beginning of the whole conversation's. So templates need no generation markers, and
one under which a model would be asked otherwise than it was taught is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmtrain.errors import TemplateError

if TYPE_CHECKING:
    from transformers import ProcessorMixin

Row = Mapping[str, Any]
Span = tuple[int, int]
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

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor = processor
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
        self._check_nothing_lost(messages, text, name)
        learned = answers[-1:] if last_turn_only else answers
        prompts = tuple(self._prompt_length(messages[:index], text, name) for index in learned)
        return Rendered(id=name, text=text, prompts=prompts, end=self._end_of(text, name), marked=marked)

    def prompt(self, row: Row) -> Rendered:
        """The conversation up to its last answer, which is asked for. Raises TemplateError."""
        messages, marked = self._messages({**row, "messages": asked(row["messages"])})
        name = row_name(row)
        text = self._render(messages, name, prompt=True)
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
                [dict(message) for message in messages], add_generation_prompt=prompt, tokenize=False
            )
        except (JinjaError, TypeError, ValueError) as error:
            raise TemplateError(f"{name}: the chat template of {self._kind} refuses the row: {error}") from error
        return str(rendered)

    def _check_nothing_lost(self, messages: Sequence[Mapping[str, Any]], text: str, name: str) -> None:
        """Raise TemplateError where a text part is not in the rendered text, in its order."""
        place = 0
        for part in _texts(messages):
            wanted = part.strip()
            found = text.find(wanted, place)
            if found < 0:
                shown = wanted if len(wanted) <= 60 else f"{wanted[:57]}..."
                raise TemplateError(f"{name}: the chat template of {self._kind} drops or changes the text {shown!r}")
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

    Raises TemplateError where a prompt's ids are not the first ids of the conversation.
    """
    import numpy as np

    whole = np.asarray(ids)
    ends = np.flatnonzero(whole == tokenizer.convert_tokens_to_ids(rendered.end))
    spans = []
    for prompt in _encoded_prompts(rendered, replacements, tokenizer):
        start = len(prompt)
        if start >= len(whole) or not np.array_equal(whole[:start], prompt):
            raise _not_a_prefix(rendered, whole[:start].tolist(), prompt, tokenizer)
        after = ends[np.searchsorted(ends, start) :]
        if not len(after):
            raise TemplateError(f"{rendered.id}: an answer has no end token {rendered.end!r}")
        spans.append((start, int(after[0]) + 1))
    return tuple(spans)


def _encoded_prompts(rendered: Rendered, replacements: Sequence[Replacement], tokenizer: Any) -> list[list[int]]:
    texts = [
        expanded(rendered.text[:length], [each for each in replacements if each.end <= length])
        for length in rendered.prompts
    ]
    return encode(texts, tokenizer, marked=rendered.marked)


def encode(texts: Sequence[str], tokenizer: Any, *, marked: bool) -> list[list[int]]:
    """Token ids of rendered texts, no special token added; marked control tokens are read as text."""
    options = {"sanitize_control_tokens": True} if marked else {}
    encoded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, **options)["input_ids"]
    return encoded


def _not_a_prefix(rendered: Rendered, found: list[int], prompt: list[int], tokenizer: Any) -> TemplateError:
    same = next((i for i, (a, b) in enumerate(zip(found, prompt, strict=False)) if a != b), len(found))
    asked_for = tokenizer.decode(prompt[max(same - 3, 0) :])
    taught = tokenizer.decode(found[max(same - 3, 0) :])
    return TemplateError(
        f"{rendered.id}: under this chat template the prompt's tokens are not the beginning of the conversation's: "
        f"a model would be asked with {asked_for!r} and was taught after {taught!r} (often a blank at the end of the "
        "generation prompt, which belongs to the answer's first token)"
    )
