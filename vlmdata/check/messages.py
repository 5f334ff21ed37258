"""What must hold of every record's messages: roles in order, no empty text, as many image parts as images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.record import Problem

ROLES = ("system", "user", "assistant")


def check_messages(batch: pa.RecordBatch) -> Iterator[Problem]:
    """The problems of a batch's messages. Only rows that the columns make suspect become Python objects."""
    messages = batch.column("messages")
    counts = _image_counts(batch)
    for row in suspects(messages, counts):
        yield from _row_problems(batch, row, counts[row])


def _image_counts(batch: pa.RecordBatch) -> list[int]:
    name = "images" if "images" in batch.schema.names else "image_keys"
    return [count or 0 for count in pc.list_value_length(batch.column(name)).to_pylist()]


def suspects(messages: pa.ListArray, image_counts: list[int]) -> list[int]:
    """The rows that a look at whole columns can't clear."""
    clear = [
        pattern is not None and pattern[1] == count and pattern[0]
        for pattern, count in zip(_shapes(messages), image_counts, strict=True)
    ]
    return [row for row, fine in enumerate(clear) if not fine]


def _shapes(messages: pa.ListArray) -> Iterator[tuple[bool, int] | None]:
    """For each row: whether roles and texts are clearly fine, and how many image parts it has."""
    flat = messages.flatten()
    per_row = pc.list_value_length(messages).to_pylist()
    contents = flat.field("content")
    per_message = pc.list_value_length(contents).to_pylist()
    parts = contents.flatten()
    texts, types = parts.field("text"), parts.field("type")
    is_image = pc.fill_null(pc.equal(types, "image"), False)
    is_text = pc.fill_null(pc.equal(types, "text"), False)
    filled = pc.fill_null(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), False)
    fine = pc.or_(pc.and_(is_image, pc.is_null(texts)), pc.and_(is_text, filled)).to_pylist()
    images, roles = is_image.to_pylist(), flat.field("role").to_pylist()
    message, part = 0, 0
    for length in per_row:
        if not length:
            yield None
            continue
        row_roles, ok, count = roles[message : message + length], True, 0
        for offset in range(length):
            size = per_message[message + offset] or 0
            ok = ok and size > 0 and all(fine[part : part + size])
            count += sum(images[part : part + size])
            part += size
        message += length
        yield ok and roles_in_order(row_roles), count


def roles_in_order(roles: list[str]) -> bool:
    """Whether roles are: a system turn or none, then user and assistant in turn, the assistant last."""
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return (
        len(turns) >= 2
        and len(turns) % 2 == 0
        and all(role == ("user", "assistant")[index % 2] for index, role in enumerate(turns))
    )


def _row_problems(batch: pa.RecordBatch, row: int, images: int) -> Iterator[Problem]:
    record = {name: batch.column(name)[row].as_py() for name in ("id", "messages", "origin")}
    messages: list[dict[str, Any]] = [turn or {"role": None, "content": None} for turn in record["messages"] or []]

    def problem(rule: str, message: str, where: str, hint: str) -> Problem:
        origin = record["origin"] or {}
        return Problem(
            rule=rule,
            message=message,
            id=record["id"] or "",
            source=origin.get("source") or "",
            line=origin.get("line") or 0,
            field=where,
            hint=hint,
        )

    roles = [message["role"] for message in messages]
    if not roles_in_order(roles):
        found = ", ".join(map(str, roles)) or "no turn"
        hint = "a system turn or none, then user and assistant in turn, the assistant last"
        yield problem("messages.roles", f"the turns are {found}", "messages", hint)
    parts = 0
    for index, turn in enumerate(messages):
        if not turn["content"]:
            yield problem("text.empty", f"the {turn['role']} turn is empty", f"messages[{index}]", EMPTY_HINT)
        for number, part in enumerate(turn["content"] or []):
            where = f"messages[{index}].content[{number}]"
            part = part or {"type": None, "text": None}  # noqa: PLW2901
            parts += part["type"] == "image"
            if part["type"] == "text" and not (part["text"] or "").strip():
                yield problem("text.empty", f"the {turn['role']} turn is empty", f"messages[{index}]", EMPTY_HINT)
            if part["type"] == "image" and part["text"] is not None:
                yield problem("messages.part", "an image part has a text", where, "text must be null on image parts")
            if part["type"] not in {"text", "image"}:
                yield problem("messages.part", f"a part of type {part['type']!r}", where, "expected text or image")
    if parts != images:
        message = f"{parts} image part{'s' if parts != 1 else ''}, but {images} image{'s' if images != 1 else ''}"
        yield problem("messages.images", message, "messages", "each image needs one image part")


EMPTY_HINT = "fill the cell, or leave the row out with source.where"
CHECKS = (check_messages,)
