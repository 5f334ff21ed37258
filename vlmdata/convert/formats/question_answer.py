"""Rows of a question and an answer under keys of their own, with the turns before them in a history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmdata.convert.formats.draft import Draft, is_empty, kind_of_value
from vlmdata.convert.formats.markers import add_marked_text
from vlmdata.convert.formats.messages import as_list


def add_history(draft: Draft) -> None:
    """Put the earlier turns of `history`, pairs of a question and an answer, before the others."""
    value = draft.take("history")
    if value is None:
        return
    for index, pair in enumerate(as_list(value) or [value]):
        said = as_list(pair)
        where = f"history[{index}]"
        if said is None or len(said) != 2:
            found = kind_of_value(pair)
            draft.fault("messages.shape", where, f"found {found}", "a question and its answer were expected")
            continue
        add_marked_text(draft, draft.turn("user", where), said[0])
        add_marked_text(draft, draft.turn("assistant", where), said[1])


def read_instruction(draft: Draft) -> None:
    """The user's turn of an alpaca row: the instruction and, on a line of its own, its input."""
    texts = [(key, draft.take(key)) for key in ("instruction", "input")]
    for key, text in texts:
        if text is not None and not isinstance(text, str):
            draft.fault("messages.content", key, f"found {kind_of_value(text)}, a text was expected")
            return
    add_marked_text(draft, draft.turn("user", "instruction"), "\n".join(text for _, text in texts if text))


def read_answer(draft: Draft, answer: Any, field: str) -> None:
    """The assistant's turn; none where there is no answer, which the check of roles then says."""
    if not is_empty(answer):
        add_marked_text(draft, draft.turn("assistant", field), answer)


def read_pairs(draft: Draft, pairs: list[Mapping[str, Any]], field: str) -> None:
    """Messages that stand in pairs, as `{"human": …, "assistant": …}`."""
    for index, pair in enumerate(pairs):
        asked = next((key for key in ("human", "user") if key in pair), None)
        answered = next((key for key in ("assistant", "gpt", "bot") if key in pair), None)
        where = f"{field}[{index}]"
        if asked is None or answered is None:
            hint = "a question (human) and its answer (assistant) were expected"
            draft.fault("messages.shape", where, f"found {kind_of_value(pair)}", hint)
            continue
        add_marked_text(draft, draft.turn("user", where), pair[asked])
        add_marked_text(draft, draft.turn("assistant", where), pair[answered])
        for key in pair.keys() - {asked, answered}:
            if not is_empty(pair[key]):
                draft.left_out(f"{field}[].{key}", pair[key])
