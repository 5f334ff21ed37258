"""What must hold of every record's messages: roles in order, no empty text, as many image parts as images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.record import Problem

ROLES = ("system", "user", "assistant")
RULES = (
    "messages.roles",
    "messages.unknown_role",
    "messages.part",
    "messages.images",
    "messages.image_role",
    "text.empty",
)

UNSEEN = "\u00ad\u180e\u200b\u200c\u200d\u2060\ufeff"
"""Characters without a width: a text of these alone is as empty as one of spaces."""
BLANK = r"\A[\s\pZ\x1c-\x1f\x{85}\x{ad}\x{180e}\x{200b}-\x{200d}\x{2060}\x{feff}]*\z"

EMPTY_HINT = "fill the cell, or leave the row out with source.where"
ORDER_HINT = "a system turn or none, then user and assistant in turn, the assistant last"
UNKNOWN_HINT = "write one of these; an import takes other words with source.map"
IMAGES = ("images", "image_info", "image_keys")
"""Columns that have an entry for each image, one of which every batch has."""


def check_messages(batch: pa.RecordBatch) -> Iterator[Problem]:
    """The problems of a batch's messages. Only rows that the columns make suspect become Python objects."""
    counts = _image_counts(batch)
    for row in suspects(batch.column("messages"), counts):
        yield from _row_problems(batch, row, int(counts[row]))


def _image_counts(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    name = next(name for name in IMAGES if name in batch.schema.names)
    lengths = pc.fill_null(pc.list_value_length(batch.column(name)), 0)
    counts: npt.NDArray[np.int64] = lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    return counts


def suspects(messages: pa.ListArray, image_counts: Sequence[int] | npt.NDArray[np.int64]) -> list[int]:
    """The rows that a look at whole columns can't clear."""
    bad = np.zeros(len(messages), dtype=np.bool_)
    flat = messages.flatten()
    row_of_message = parents(messages)
    role = pc.struct_field(flat, "role")
    bad |= _roles_wrong(role, row_of_message, len(messages))
    contents = pc.struct_field(flat, "content")
    parts = contents.flatten()
    kind, text = pc.struct_field(parts, "type"), pc.struct_field(parts, "text")
    message_of_part = parents(contents)
    row_of_part = row_of_message[message_of_part]
    bad[row_of_message[np.bincount(message_of_part, minlength=len(flat)) == 0]] = True
    is_image = _true(pc.equal(kind, "image"))
    is_text = _true(pc.equal(kind, "text"))
    null = _true(pc.is_null(text))
    blank = null | _true(pc.match_substring_regex(text, BLANK))
    from_user = _true(pc.equal(role, "user"))[message_of_part]
    fine = (is_image & null & from_user) | (is_text & ~blank)
    bad[row_of_part[~fine]] = True
    bad |= np.bincount(row_of_part[is_image], minlength=len(messages)) != np.asarray(image_counts)
    return [int(row) for row in np.flatnonzero(bad)]


def parents(lists: pa.ListArray) -> npt.NDArray[np.int64]:
    """For each value of the flattened lists, the place of the list that it is in. A null list has none."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return np.repeat(np.arange(len(lists)), lengths)


def _roles_wrong(roles: pa.StringArray, rows: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.bool_]:
    """Rows whose turns do not follow each other as they should, or are fewer than two."""
    codes = pc.fill_null(pc.index_in(roles, pa.array(ROLES)), -1).to_numpy(zero_copy_only=False)
    turns = np.bincount(rows, minlength=count)
    first = np.cumsum(turns) - turns
    bad: npt.NDArray[np.bool_] = turns < 2
    leads = np.zeros(count, dtype=np.int64)
    leads[turns > 0] = codes[first[turns > 0]] == ROLES.index("system")
    place = np.arange(len(rows)) - first[rows] - leads[rows]
    expected = np.where(place < 0, ROLES.index("system"), 1 + place % 2)
    bad[rows[codes != expected]] = True
    bad |= (turns - leads < 2) | ((turns - leads) % 2 != 0)
    return bad


def _true(found: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    """Whether each is true, which null is not."""
    truth: npt.NDArray[np.bool_] = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return truth


def roles_in_order(roles: list[str]) -> bool:
    """Whether roles are: a system turn or none, then user and assistant in turn, the assistant last."""
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return (
        len(turns) >= 2
        and len(turns) % 2 == 0
        and all(role == ("user", "assistant")[index % 2] for index, role in enumerate(turns))
    )


def is_blank(text: str | None) -> bool:
    """Whether a text holds nothing that a reader would see."""
    return text is None or all(character.isspace() or character in UNSEEN for character in text)


def problem_of(batch: pa.RecordBatch, row: int, rule: str, message: str, field: str) -> Problem:
    """A problem of a record of a batch, at the source line it came from."""
    origin = batch.column("origin")[row].as_py() or {}
    return Problem(
        rule=rule,
        message=message,
        id=batch.column("id")[row].as_py() or "",
        source=origin.get("source") or "",
        line=origin.get("line") or 0,
        field=field,
    )


def _row_problems(batch: pa.RecordBatch, row: int, images: int) -> Iterator[Problem]:
    stored = batch.column("messages")[row].as_py()
    messages: list[dict[str, Any]] = [turn or {"role": None, "content": None} for turn in stored or []]

    def problem(rule: str, message: str, where: str, hint: str) -> Problem:
        return replace(problem_of(batch, row, rule, message, where), hint=hint)

    roles = [message["role"] for message in messages]
    unknown = [index for index, role in enumerate(roles) if role not in ROLES]
    for index in unknown:
        said = f"a turn of {roles[index]!r}" if roles[index] is not None else "a turn that says not who speaks"
        message = f"{said}, expected {', '.join(ROLES[:-1])} or {ROLES[-1]}"
        yield problem("messages.unknown_role", message, f"messages[{index}]", UNKNOWN_HINT)
    if not unknown and not roles_in_order(roles):
        yield problem("messages.roles", f"the turns are {_in_words(roles)}", "messages", ORDER_HINT)
    for index, turn in enumerate(messages):
        for rule, message, where, hint in _turn_problems(turn, f"messages[{index}]"):
            yield problem(rule, message, where, hint)
    parts = sum((part or {}).get("type") == "image" for turn in messages for part in turn["content"] or ())
    if parts != images:
        message = f"{parts} image part{'s' if parts != 1 else ''}, but {images} image{'s' if images != 1 else ''}"
        yield problem("messages.images", message, "messages", "each image needs one image part")


def _turn_problems(turn: dict[str, Any], where: str) -> Iterator[tuple[str, str, str, str]]:
    """Rule, message, field and hint of what is wrong with a turn's parts."""
    if not turn["content"]:
        yield "text.empty", f"the {turn['role']} turn is empty", where, EMPTY_HINT
    for number, part in enumerate(turn["content"] or []):
        at = f"{where}.content[{number}]"
        kind, text = (part["type"], part["text"]) if part else (None, None)
        if kind == "text" and is_blank(text):
            yield "text.empty", f"the {turn['role']} turn is empty", where, EMPTY_HINT
        if kind == "image" and text is not None:
            yield "messages.part", "an image part has a text", at, "text must be null on image parts"
        if kind == "image" and turn["role"] in ("system", "assistant"):
            hint = "a model learns to write text, not images: move it to the user's turn"
            yield "messages.image_role", f"an image stands in the {turn['role']} turn", at, hint
        if kind not in {"text", "image"}:
            yield "messages.part", f"a part of type {kind!r}", at, "expected text or image"


def _in_words(roles: list[str | None]) -> str:
    """The roles in order, cut where they are many."""
    if not roles:
        return "no turn"
    shown = ", ".join(map(str, roles[:8]))
    return f"{shown} ... {roles[-1]} ({len(roles)} turns)" if len(roles) > 8 else shown


CHECKS = (check_messages,)
