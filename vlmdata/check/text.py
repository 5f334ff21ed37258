"""The check of texts: whole columns are screened, and only the texts that a screen stops at become Python objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check import (
    text_encoding,
    text_exchanged,
    text_gaps,
    text_leaked,
    text_length,
    text_markup,
    text_refusals,
    text_repeats,
    text_residue,
    text_shape,
    text_tokens,
)
from vlmdata.check.messages import parents
from vlmdata.check.text_rule import CALLED, ROLES, Columns, Mask, Numbers, Text, TextRule, texts_of
from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.record import Problem
from vlmdata.rules import rule as rule_named

MANY = 32
"""Suspects of a batch from which on each rule's own screen looks at them."""

THEMES = (text_tokens, text_residue, text_gaps, text_refusals, text_encoding, text_markup)


def text_rules(settings: CheckSettings = DEFAULT) -> tuple[TextRule, ...]:
    """The rules about texts that are wanted."""
    found = [rule for theme in THEMES for rule in theme.RULES]
    for theme in (text_repeats, text_length, text_shape, text_exchanged, text_leaked):
        found += theme.rules(settings)
    return tuple(rule for rule in found if settings.wants(rule.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """The patterns of several rules as one, since a text is read once whatever the number of patterns."""

    pattern: str
    rules: tuple[TextRule, ...]
    from_start: bool
    beyond_ascii: bool

    def suspects(self, columns: Columns, ascii_only: Mask) -> Numbers:
        """The places of the texts that it stops at."""
        mask = ~ascii_only if self.beyond_ascii else np.ones(len(ascii_only), dtype=np.bool_)
        if self.from_start:
            mask &= columns.of("assistant")
        places = np.flatnonzero(mask)
        if not len(places):
            return places
        texts = columns.texts if len(places) == len(mask) else columns.texts.take(pa.array(places))
        stopped: Mask = pc.match_substring_regex(texts, self.pattern).to_numpy(zero_copy_only=False)
        return places[stopped]

    def by_rule(self, columns: Columns, places: Numbers) -> Iterator[tuple[TextRule, Numbers]]:
        """Each rule with the suspects that are its own. Of a few suspects, all are everyone's: that costs less."""
        texts = columns.texts.take(pa.array(places)) if len(places) > MANY else None
        for rule in self.rules:
            if texts is None:
                yield rule, places
                continue
            pattern = rule.beyond_ascii if self.beyond_ascii else rule.screen
            own: Mask = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
            yield rule, places[own]


def screens(rules: tuple[TextRule, ...]) -> Iterator[Screen]:
    """The rules' patterns put together: those that look everywhere, from the start, and beyond ASCII."""
    for from_start in (False, True):
        alike = [rule for rule in rules if (rule.where == "start") == from_start]
        for beyond_ascii in (False, True):
            patterns = [(rule.beyond_ascii if beyond_ascii else rule.screen, rule) for rule in alike]
            patterns = [(pattern, rule) for pattern, rule in patterns if pattern]
            if patterns:
                yield Screen(
                    pattern="|".join(dict.fromkeys(f"(?:{pattern})" for pattern, _ in patterns)),
                    rules=tuple(rule for _, rule in patterns),
                    from_start=from_start,
                    beyond_ascii=beyond_ascii,
                )


class TextCheck:
    """Looks for what the given rules find in the texts of a batch."""

    def __init__(self, rules: tuple[TextRule, ...]) -> None:
        self._rules = rules
        self._screens = tuple(screens(rules))
        self._others = tuple(rule for rule in rules if rule.suspects is not None)

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Problem]:
        """The problems of a batch's texts, row by row."""
        texts = Texts(batch)
        for place, rules in sorted(self.suspects(texts.columns).items()):
            text = texts[place]
            said: dict[str, str] = {}
            for rule in self._rules:
                if rule in rules and text.role in rule.roles and rule.id not in said:
                    found = rule.find(text)
                    if found is not None:
                        said[rule.id] = found
                        yield texts.problem(place, rule, found)

    def suspects(self, columns: Columns) -> dict[int, list[TextRule]]:
        """The texts that need a closer look, each with the rules that should take it."""
        found: dict[int, list[TextRule]] = {}
        if not len(columns.rows):
            return found
        ascii_only: Mask = pc.string_is_ascii(columns.texts).to_numpy(zero_copy_only=False)
        for screen in self._screens:
            places = screen.suspects(columns, ascii_only)
            for rule, mine in screen.by_rule(columns, places):
                for place in mine.tolist():
                    found.setdefault(place, []).append(rule)
        for rule in self._others:
            assert rule.suspects is not None
            for place in np.flatnonzero(rule.suspects(columns)).tolist():
                found.setdefault(place, []).append(rule)
        return found


class Texts:
    """The texts of a batch, as columns and, one by one, as Python objects in their place."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._messages = batch.column("messages")
        self._rows: dict[int, list[dict[str, Any]]] = {}

    @cached_property
    def columns(self) -> Columns:
        """Each text with its row, message and role."""
        flat = self._messages.flatten()
        contents = pc.struct_field(flat, "content")
        parts = contents.flatten()
        all_texts = pc.struct_field(parts, "text")
        kept = np.flatnonzero(pc.is_valid(all_texts).to_numpy(zero_copy_only=False))
        texts = all_texts if len(kept) == len(all_texts) else all_texts.drop_null()
        message_of_part = parents(contents)
        row_of_message = parents(self._messages)
        roles = pc.index_in(pc.struct_field(flat, "role"), pa.array(ROLES)).fill_null(-1).to_numpy().astype(np.int64)
        messages = message_of_part[kept].astype(np.int64)
        self._parts, self._part_messages, self._message_rows = kept, message_of_part, row_of_message
        offsets, data = _bytes_of(texts)
        return Columns(
            texts=texts,
            rows=row_of_message[messages].astype(np.int64),
            messages=messages,
            roles=roles[messages],
            sizes=np.diff(offsets).astype(np.int64),
            data=data,
        )

    def __getitem__(self, place: int) -> Text:
        """One text in its place."""
        turns, index, number = self._place(place)
        parts = turns[index]["content"]
        texts = texts_of(turns[index])
        before = turns[index - 1] if index else None
        return Text(
            role=turns[index]["role"],
            text=parts[number]["text"],
            questions=texts_of(before) if before is not None and before["role"] == "user" else (),
            first=all(part is None or part["text"] is None for part in parts[:number]),
            alone=len(texts) == 1,
            whole="".join(texts),
            turns=turns,
        )

    def problem(self, place: int, rule: TextRule, said: str) -> Problem:
        """A finding in a text, with its record and the line it came from."""
        row = int(self.columns.rows[place])
        turns, index, number = self._place(place)
        origin = self._batch.column("origin")[row].as_py() or {}
        alone = len(turns[index]["content"]) == 1 or sum(map(bool, texts_of(turns[index]))) == 1
        return Problem(
            rule=rule.id,
            message=f"the {CALLED.get(turns[index]['role'], 'text')} {said}",
            id=self._batch.column("id")[row].as_py() or "",
            source=origin.get("source") or "",
            line=origin.get("line") or 0,
            field=f"messages[{index}]" if alone else f"messages[{index}].content[{number}]",
            hint=rule.hint,
            severity=rule_named(rule.id).severity,
        )

    def _place(self, place: int) -> tuple[list[dict[str, Any]], int, int]:
        """The row's turns, the turn among them, and the part in the turn."""
        row, message = int(self.columns.rows[place]), int(self.columns.messages[place])
        if row not in self._rows:
            self._rows = {row: self._messages[row].as_py()}
        first_message = int(np.searchsorted(self._message_rows, row))
        first_part = int(np.searchsorted(self._part_messages, message))
        return self._rows[row], message - first_message, int(self._parts[place]) - first_part


def _bytes_of(texts: pa.StringArray) -> tuple[Numbers, npt.NDArray[np.uint8]]:
    """Where each text begins and ends in the bytes of all, and these bytes."""
    wide = pa.types.is_large_string(texts.type)
    _, offsets, data = texts.buffers()
    if offsets is None or not len(texts):
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    places = np.frombuffer(offsets, dtype=np.int64 if wide else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    held = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return places.astype(np.int64), held[places[0] : places[-1]]
