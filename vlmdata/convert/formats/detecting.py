"""Which formats a row could be of, by its keys and the shape of what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmdata.convert.formats.draft import is_empty
from vlmdata.convert.formats.markers import MARKER
from vlmdata.convert.formats.messages import MESSAGES_KEYS, as_list, as_messages, in_our_words
from vlmdata.convert.formats.swift import QUERY, RESPONSE

Candidates = tuple[str, ...]

ANY_MESSAGES: Candidates = ("openai", "sharegpt", "swift", "trl", "oumi", "anthropic")
"""Messages of plain text without images read the same in all of these."""

MARKED: Candidates = ("sharegpt", "swift", "llava")
MEDIA = ("images", "image", "videos", "video", "audios", "audio")
PREFERENCES = ("chosen", "preferred_output", "chosen_messages")
PART_TYPES: dict[str, str] = {
    "image_path": "oumi",
    "image_binary": "oumi",
    "input_image": "openai",
    "input_text": "openai",
    "output_text": "openai",
    "input_audio": "openai",
    "refusal": "openai",
    "tool_use": "anthropic",
    "tool_result": "anthropic",
    "thinking": "anthropic",
    "document": "anthropic",
    "reasoning": "sharegpt",
}


def candidates(row: Mapping[str, Any], names: Mapping[str, str] | None = None) -> Candidates:
    """The formats that a row could be of, the likeliest first; none where it is like none of them.

    The row's keys are the formats' own already; `names` are words that stand for those of its messages.
    """
    if isinstance(row.get("__key__"), str) and {"json", "txt", "images"} & row.keys():
        return ("webdataset",)
    if as_list(row.get("contents")) is not None:
        return ("gemini",)
    if {"question", "answer"} <= row.keys() and {"image_id", "video_id"} & row.keys():
        return ("tao_vl_reason",)
    if isinstance(row.get("conversation"), Mapping) and "messages" in row["conversation"]:
        return ("oumi",)
    for key in MESSAGES_KEYS:
        messages = as_messages(row.get(key))
        if messages:
            ours = [in_our_words(entry, names or {}) for entry in messages if isinstance(entry, Mapping)]
            return _of_messages(row, ours)
    if ("prompt" in row and "completion" in row) or any(not is_empty(row.get(key)) for key in PREFERENCES):
        return ("trl", "swift")
    if "instruction" in row:
        return ("sharegpt", "swift")
    keys = {key.lower() for key in row}
    if keys & set(QUERY) and keys & set(RESPONSE):
        return ("swift",)
    return ()


def _of_messages(row: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> Candidates:
    if not messages:
        return ()
    if not any({"role", "from"} & message.keys() for message in messages):
        paired = any({"human", "user", "assistant", "gpt"} & message.keys() for message in messages)
        return ("swift",) if paired else ()
    if any("from" in message for message in messages):
        return ("llava", "sharegpt", "swift") if not is_empty(row.get("image")) else MARKED
    parts = [part for message in messages for part in _parts(message) if isinstance(part, Mapping)]
    if parts:
        return _of_parts(row, parts)
    return _of_texts(row, messages)


def _parts(message: Mapping[str, Any]) -> Sequence[Any]:
    content = message.get("content")
    return content if isinstance(content, list | tuple) else ()


def _of_parts(row: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> Candidates:
    kinds = {part.get("type") for part in parts}
    for part in parts:
        if not is_empty(part.get("value")):
            return ("sharegpt",)
        if not is_empty(part.get("content")) or not is_empty(part.get("binary")):
            return ("oumi",)
        if not is_empty(part.get("source")):
            return ("anthropic",)
        if not is_empty(part.get("image_url")):
            return ("openai", "trl")
    for kind in sorted(str(kind) for kind in kinds):
        if kind in PART_TYPES:
            return (PART_TYPES[kind],)
    if "image" in kinds or not is_empty(row.get("images")) or not is_empty(row.get("image")):
        return ("trl",)
    return ("openai", "trl", "anthropic")


def _of_texts(row: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> Candidates:
    texts = [message.get("content") for message in messages]
    marked = any(isinstance(text, str) and MARKER in text for text in texts)
    media = any(not is_empty(row.get(key)) for key in MEDIA)
    if marked and not media:
        return ("sharegpt", "swift", *(name for name in ANY_MESSAGES if name not in MARKED))
    if marked:
        return ("sharegpt", "swift")
    if media or any("<img>" in str(text) for text in texts):
        return ("swift", "trl")
    return ANY_MESSAGES
