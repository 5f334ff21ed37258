"""ms-swift: `messages` and `images`; query, response and history under many names; pairs of human and assistant; and
the parts of OpenAI and Anthropic, which it reads too.

Facts: modelscope/ms-swift docs/source_en/Customization/Custom-dataset.md and swift/template/base.py: places for images
that no `<image>` marks come first in the first turn; `<img>path</img>` names an image where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vlmdata.convert.formats.draft import Draft, Turn, is_empty
from vlmdata.convert.formats.image_values import images_of
from vlmdata.convert.formats.images_and_text import add_marked_content
from vlmdata.convert.formats.markers import MARKER, PLACE, images_for_markers
from vlmdata.convert.formats.messages import MESSAGES_KEYS, add_system, as_messages, read_messages
from vlmdata.convert.formats.question_answer import add_history, read_answer, read_instruction, read_pairs

QUERY = ("query", "prompt", "input", "instruction", "question", "problem")
RESPONSE = (
    *("response", "answer", "output", "targets", "target", "answer_key", "answers", "solution"),
    *("text", "completion", "content"),
)
NAMED_IN_TEXT = re.compile(r"<img>(.+?)</img>")
PLACES_OF_BOXES = re.compile(r"<bbox>|<ref-object>")


def read(draft: Draft) -> None:
    """Read a row."""
    draft.take_id("id")
    _in_lower_case(draft)
    messages = draft.take(*MESSAGES_KEYS)
    named = _read_query(draft) if messages is None else _read_messages(draft, messages)
    add_system(draft, "system", "system_prompt")
    images = images_for_markers(draft, "images", "image")
    images += images_of(draft, named, "<img>")
    draft.lead_with_images(len(images) - draft.places)
    draft.bind(images, place=PLACE)
    _refuse_places_of_boxes(draft)


def _in_lower_case(draft: Draft) -> None:
    """Know the row's keys whatever their case, as ms-swift does."""
    known = {*MESSAGES_KEYS, *QUERY, *RESPONSE, "images", "image", "system", "system_prompt", "history"}
    names = {key: key.lower() for key in draft.row if key not in known and key.lower() in known - draft.row.keys()}
    draft.row = {names.get(key, key): value for key, value in draft.row.items()}


def _read_messages(draft: Draft, messages: Any) -> list[str]:
    key = next(key for key in MESSAGES_KEYS if not is_empty(draft.row.get(key)))
    listed = as_messages(messages)
    if listed and all(isinstance(entry, Mapping) and not {"role", "from"} & entry.keys() for entry in listed):
        read_pairs(draft, listed, key)
        return []
    named: list[str] = []
    named_in_text = is_empty(draft.row.get("images")) and is_empty(draft.row.get("image"))

    def content(draft: Draft, turn: Turn, said: Any) -> None:
        add_marked_content(draft, turn, _marked(said, named) if named_in_text else said)

    read_messages(draft, messages, key, content)
    return named


def _read_query(draft: Draft) -> list[str]:
    """Read a row of query, response and history. Of several keys that could be one, ms-swift would take none."""
    named: list[str] = []
    order = ("history", *(key for key in draft.row if key in QUERY))
    draft.row = {**draft.row, **{key: _marked(draft.row[key], named) for key in order if key in draft.row}}
    add_history(draft)
    if "instruction" in draft.row and "input" in draft.row:
        read_instruction(draft)
    else:
        query = _only_one(draft, QUERY, "question")
        if query:
            add_marked_content(draft, draft.turn("user", query), draft.take(query))
    answer = _only_one(draft, RESPONSE, "answer")
    if answer:
        said = draft.take(answer)
        read_answer(draft, said[0] if isinstance(said, list | tuple) and len(said) == 1 else said, answer)
    return named


def _only_one(draft: Draft, names: tuple[str, ...], what: str) -> str | None:
    if not is_empty(draft.row.get(names[0])):
        return names[0]
    found = [name for name in names if not is_empty(draft.row.get(name)) and name not in draft.read]
    if len(found) > 1:
        message = f"each of {', '.join(found)} could be the {what}"
        draft.fault("import.ambiguous", found[0], message, f"say which with source.map: {{{names[0]}: {found[0]}}}")
    return found[0] if len(found) == 1 else None


def _marked(said: Any, named: list[str]) -> Any:
    """Texts whose `<img>path</img>` have become markers; their paths go into `named`."""
    if isinstance(said, list | tuple):
        return [_marked(entry, named) for entry in said]
    if not isinstance(said, str) or "<img>" not in said:
        return said
    named += NAMED_IN_TEXT.findall(said)
    return NAMED_IN_TEXT.sub(MARKER, said)


def _refuse_places_of_boxes(draft: Draft) -> None:
    """A text with the places of boxes says nothing without them, so that dropping the boxes is not enough."""
    for turn in draft.turns:
        for part in turn.parts:
            if "objects" in draft.row and PLACES_OF_BOXES.search(part.text or ""):
                draft.fault("unsupported.boxes", turn.place, "the text holds places for boxes", "take the row out")
