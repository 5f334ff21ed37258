"""Lists of messages: who speaks, and the keys beside what is said, which are the same in nearly every format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vlmdata.convert.formats.draft import Draft, Turn, is_empty, kind_of_value, shown
from vlmdata.convert.formats.unsupported import TOOL_ROLES, is_usual_loss, kind_of_key
from vlmdata.record import Part, Role

ContentReader = Callable[[Draft, Turn, Any], None]

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatgpt"), "assistant"),
}
"""Who speaks, in the words of all formats."""

ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "parts")
MESSAGES_KEYS = ("messages", "conversations", "conversation")


def read_messages(draft: Draft, messages: Any, field: str, content: ContentReader) -> None:
    """Read a list of messages into turns; `content` reads what one of them says."""
    listed = as_messages(messages)
    if not listed:
        message = f"{kind_of_value(messages)} stands where the messages belong"
        draft.fault("messages.none", field, message, "a list of messages was expected, each with a role and a content")
        return
    for index, entry in enumerate(listed):
        where = f"{field}[{index}]"
        if not isinstance(entry, Mapping):
            hint = "keys for who speaks and for what is said were expected"
            draft.fault("messages.shape", where, f"found {kind_of_value(entry)}", hint)
            continue
        read_message(draft, in_our_words(entry, draft.names), where, content)


def read_message(draft: Draft, message: Mapping[str, Any], where: str, content: ContentReader) -> None:
    """Read one message into a turn."""
    word = next((message[key] for key in ROLE_KEYS if message.get(key) is not None), None)
    if isinstance(word, str) and word.strip().lower().replace("-", "_") in TOOL_ROLES:
        draft.unsupported("tools", f"{where}.role", word)
        return
    role = role_of(draft, word, where)
    if role is None:
        return
    tools_only = _read_beside(draft, message, role, where)
    said = next((message[key] for key in CONTENT_KEYS if message.get(key) is not None), None)
    if said is None:
        if not tools_only:
            draft.fault(
                "messages.content", where, f"the {role} turn has no content", "give it one, or take the row out"
            )
        return
    content(draft, draft.turn(role, where), said)


def role_of(draft: Draft, word: Any, where: str) -> Role | None:
    """The role that a word stands for, or nothing, which is noted."""
    if isinstance(word, str) and word.strip().lower() in ROLES:
        return ROLES[word.strip().lower()]
    known = "system, user (human) and assistant (gpt, model) were expected"
    found = "says not who speaks" if word is None else f"is spoken by {shown(word)!r}"
    draft.fault("messages.unknown_role", where, found, f"{known}; another word is given with source.map")
    return None


def _read_beside(draft: Draft, message: Mapping[str, Any], role: Role, where: str) -> bool:
    """Note the keys beside a message's role and content. Whether the message holds tool calls."""
    tools = False
    for key, value in message.items():
        if key in (*ROLE_KEYS, *CONTENT_KEYS) or is_empty(value):
            continue
        kind = kind_of_key(key, value)
        tools = tools or kind == "tools"
        if kind == "loss" and is_usual_loss(role, value):
            continue
        if kind is not None:
            draft.unsupported(kind, f"{where}.{key}", value)
        else:
            draft.left_out(f"{where.partition('[')[0]}[].{key}", value)
    return tools


def add_system(draft: Draft, *keys: str) -> None:
    """Put the text of a key of the row before the turns, as the system's. A system turn among the messages wins."""
    text = draft.take(*keys)
    if text is None:
        return
    if not isinstance(text, str):
        draft.fault("messages.content", keys[0], f"found {kind_of_value(text)}, a text was expected")
    elif draft.turns and draft.turns[0].role == "system":
        if draft.turns[0].parts != [Part(type="text", text=text)]:
            draft.left_out(keys[0], text)
    else:
        draft.turns.insert(0, Turn("system", keys[0], [Part(type="text", text=text)]))


def add_text(draft: Draft, turn: Turn, text: Any) -> None:
    """Put a text into a turn, as it is."""
    if not isinstance(text, str):
        draft.fault("messages.content", turn.place, f"found {kind_of_value(text)}, a text was expected")
    elif text:
        turn.parts.append(Part(type="text", text=text))


def as_list(value: Any) -> Sequence[Any] | None:
    """A list, or one that stands as JSON in a text, as in a cell of a table; None for anything else."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list | tuple) else None


def as_messages(value: Any) -> list[Any]:
    """A list of messages, those that stand as JSON in a text read, as Arrow's JSON type gives them."""
    return [_from_json(entry) for entry in as_list(value) or ()]


def _from_json(entry: Any) -> Any:
    if isinstance(entry, str) and entry.lstrip()[:1] == "{":
        try:
            return json.loads(entry)
        except (ValueError, RecursionError):
            return entry
    return entry


def in_our_words(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Keys, and the role, as the format calls them. `names` gives the words that stand for them here."""
    ours = {here: own for own, here in names.items() if own != here}
    if not ours:
        return dict(values)
    renamed = {key: value for key, value in values.items() if key not in ours}
    renamed |= {ours[key]: value for key, value in values.items() if key in ours}
    for key in ROLE_KEYS:
        word = renamed.get(key)
        if isinstance(word, str) and word in ours:
            renamed[key] = ours[word]
    return renamed
