"""Rows that are conversations in others' formats, to conversations of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlmdata.conversation_options import AUTO, ConversationsOptions, holds_dataset_info, info_entry
from vlmdata.convert.catalog import no_mapping, value_at
from vlmdata.convert.formats import BUILT_IN, reader_of
from vlmdata.convert.formats.detecting import candidates
from vlmdata.convert.formats.draft import Draft, Fault, counted, is_empty
from vlmdata.convert.formats.messages import in_our_words
from vlmdata.convert.formats.own_record import Beside, beside
from vlmdata.convert.formats.unsupported import kind_of_key
from vlmdata.protocols import Tools
from vlmdata.recipe import Recipe
from vlmdata.record import (
    Conversation,
    ImageReference,
    Location,
    MemberImage,
    Problem,
    RawRecord,
    Rejection,
    Skip,
    row_hash,
)
from vlmdata.settings import to_dataclass
from vlmdata.templates import TemplateError, compile_expression, known_value

IMAGE_KEYS = ("image", "images", "image_path", "image_paths", "image_url", "image_urls", "image_file", "img", "picture")


@dataclass(slots=True)
class ConversationsConverter:
    """Rows in others' formats to conversations. It keeps nothing from row to row."""

    recipe: Recipe
    tools: Tools
    options: ConversationsOptions = field(init=False)
    names: Mapping[str, str] = field(init=False)
    _tar_folder: Path = field(init=False)

    def __post_init__(self) -> None:
        source = self.recipe.source
        self.options = to_dataclass(ConversationsOptions, source.options)
        self.names = dict(self.options.map)
        if source.type == "conversations" and holds_dataset_info(source.path):
            self.names = {**info_entry(source.path, self.options.dataset).names, **self.names}
            if self.options.format == AUTO:
                self.options = replace(self.options, format="sharegpt")
        self._tar_folder = source.path if source.path.is_dir() else source.path.parent

    def __call__(self, raw: RawRecord) -> Iterator[Conversation | Rejection | Skip]:
        """One skip, one rejection of the row, or its conversation."""
        try:
            wanted = self._wanted(raw)
        except TemplateError as error:
            yield self._rejection(raw, [Fault("row.where", "", error.message, "correct source.where, or the row")])
            return
        if not wanted:
            yield Skip(origin=raw.origin, reason=f"where: {self.recipe.source.where}")
            return
        draft = self._draft(raw)
        own = self._read(draft, raw)
        if draft.faults:
            yield self._rejection(raw, draft.faults, self._named(raw, draft) or "")
            return
        for change in draft.changes:
            self.tools.changed(change)
        yield self._conversation(raw, draft, own)

    def _wanted(self, raw: RawRecord) -> bool:
        where = self.recipe.source.where
        if where is None:
            return True
        condition = compile_expression(where)
        nulls = self.recipe.source.nulls
        known = {name: known_value(value, nulls) for name, value in named_values(raw).items()}
        return condition({**dict.fromkeys(condition.names), **known}) == "True"

    def _draft(self, raw: RawRecord) -> Draft:
        present = {key: value for key, value in raw.values.items() if value is not None}
        draft = Draft(
            row=in_our_words(present, self.names),
            drop=self.options.drop,
            names=self.names,
            rebase=self.options.rebase,
            members=self._members(raw),
            prompt=self.options.prompt,
        )
        for own, here in self.names.items():
            if own != here and own in present and here in present:
                draft.left_out(own, present[own])
        return draft

    def _read(self, draft: Draft, raw: RawRecord) -> Beside:
        """Read the row in its format, and say everything that is wrong with it. What stands beside the conversation."""
        name = self._format(draft)
        if not name:
            keys = ", ".join(map(repr, list(draft.row)[:12])) or "none"
            formats = ", ".join(BUILT_IN)
            hint = f"name the format (--from): {formats}; or say with source.map what its keys are called here"
            draft.fault("unsupported.format", "", f"the row is in no format that is known; its keys are {keys}", hint)
            return Beside()
        reader_of(name)(draft)
        own = beside(draft) if name == "trl" else Beside()
        self._settle_unread(draft, raw)
        self._judge_number_of_images(draft)
        if any(fault.rule == "unsupported.preference" for fault in draft.faults):
            draft.faults = [fault for fault in draft.faults if fault.rule not in ("messages.none", "messages.images")]
        if not draft.faults and self._named(raw, draft) == "":
            draft.fault("id.empty", self.recipe.id or "id", "the id is empty", "give the row an id")
        return own

    def _format(self, draft: Draft) -> str:
        """The format of a row: the recipe's, else the likeliest; none where it is like none of them.

        A sample of a tar stands in its own format, and what its .json holds in the recipe's.
        """
        name = self.options.format
        if "__key__" in draft.row and name != AUTO:
            draft.inner = name if name != "webdataset" else None
            return "webdataset"
        return name if name != AUTO else next(iter(candidates(draft.row, self.names)), "")

    def _judge_number_of_images(self, draft: Draft) -> None:
        """Hold the row to `images.max`, and to `images.min` where the recipe says it: text-only rows are fine."""
        images, count = self.recipe.images, len(draft.images())
        if images.max is not None and count > images.max:
            hint = "raise images.max; a conversation does not lose images without losing its sense"
            draft.fault("images.too_many", "images", f"{count} images, expected at most {images.max}", hint)
        if "min" in self.recipe.settings.data.get("images", {}) and count < images.min:
            rule = "images.too_few" if count else "images.none"
            found = f"{counted(count, 'image')}, expected at least {images.min}"
            draft.fault(rule, "images", found, "lower images.min, or take the row out")

    def _members(self, raw: RawRecord) -> dict[str, ImageReference]:
        """The images beside a row in a tar, by the name of their member."""
        if "__key__" not in raw.values:
            return {}
        tar = str(self._tar_folder / raw.origin.source)
        return {
            image["member"]: MemberImage(
                location=Location(file=tar, offset=image["offset"], size=image["size"]),
                name=image["member"].rpartition("/")[2],
            )
            for image in raw.values.get("images") or ()
            if isinstance(image, Mapping) and {"member", "offset", "size"} <= image.keys()
        }

    def _settle_unread(self, draft: Draft, raw: RawRecord) -> None:
        """Say of every key that was not read what becomes of it: kept, left out and counted, or a reason to reject."""
        recipe = self.recipe
        kept = {recipe.id, recipe.group, *recipe.fields, *recipe.tags} - {None}
        values = named_values(raw)
        for key, value in draft.unread():
            if key in kept:
                continue
            kind = kind_of_key(key, value)
            if kind is not None:
                draft.unsupported(kind, key, value)
            elif key.lower() in IMAGE_KEYS:
                hint = "name another format (--from), or say with source.map what the key is called in this one"
                draft.fault("messages.images", key, "holds images that the conversation does not name", hint)
            else:
                draft.left_out(key, value)
        for name in sorted(filter(None, kept)):
            if found := no_mapping(values, name):
                draft.fault("row.value", name, found, "take the part behind the dot out, or correct the row")
            elif as_text(value_at(values, name)) is None:
                draft.fault("row.value", name, "the value holds bytes, text was expected", "name another key")

    def _conversation(self, raw: RawRecord, draft: Draft, own: Beside) -> Conversation:
        recipe, values = self.recipe, named_values(raw)
        row_id = self._named(raw, draft) or row_hash(raw.values)
        tags = {key: as_text(value_at(values, key)) for key in recipe.tags}
        fields = {key: as_text(value_at(values, key)) for key in recipe.fields}
        return Conversation(
            id=row_id,
            messages=draft.messages(),
            images=draft.images(),
            origin=raw.origin,
            group=(as_text(value_at(values, recipe.group)) if recipe.group is not None else own.group) or row_id,
            tags={**own.tags, **{key: value for key, value in tags.items() if value}},
            fields={**own.fields, **{key: value for key, value in fields.items() if value}},
            provenance=own.provenance,
        )

    def _named(self, raw: RawRecord, draft: Draft) -> str | None:
        """The row's id: of the recipe's key, else the format's own; None where it has none, and a hash names it."""
        if self.recipe.id is not None:
            return (as_text(value_at(named_values(raw), self.recipe.id)) or "").strip()
        return draft.id

    def _rejection(self, raw: RawRecord, faults: list[Fault], name: str = "") -> Rejection:
        """The rejection of a row; its problems name it where it has a name, which another row may still bear."""
        origin = raw.origin
        problems = [
            Problem(
                rule=fault.rule,
                message=fault.message,
                source=origin.source,
                line=origin.line,
                field=fault.field,
                hint=fault.hint,
                id=name,
            )
            for fault in faults
        ]
        return Rejection(origin=origin, problems=tuple(problems), row=raw.values)


def named_values(raw: RawRecord) -> Mapping[str, Any]:
    """The values that a recipe may name: the row's; of a sample in a tar, also those of its .json."""
    inner = raw.values.get("json") if "__key__" in raw.values else None
    return {**raw.values, **inner} if isinstance(inner, Mapping) else raw.values


def as_text(value: Any) -> str | None:
    """A value as text: empty where it is missing, JSON where it is nested, None where it holds bytes."""
    if isinstance(value, str) or is_empty(value):
        return value if isinstance(value, str) else ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return None
