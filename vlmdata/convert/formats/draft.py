"""A conversation while a row is read: its turns and images so far, and everything that is wrong or left out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlmdata.convert.formats.unsupported import DROPPABLE, HELD, Kind
from vlmdata.record import Change, ImageReference, Message, Part, Role

IMAGE = Part(type="image")
IMAGE_FILE = re.compile(r"\.(?:jpe?g|png|webp|gif|tiff?|bmp|heic|avif)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a row: a problem without its place in the source."""

    rule: str
    field: str
    message: str
    hint: str = ""


@dataclass(slots=True)
class Turn:
    """One turn. `images` are those of its image parts in order; None where the row names them elsewhere."""

    role: Role
    place: str
    parts: list[Part] = field(default_factory=list)
    images: list[ImageReference | None] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Draft:
    """A row and what has been made of it.

    `names` turns the row's own words into the format's; `members` are images that stand beside the row in a tar, by
    their file name; `prompt` is the question of images that have only a caption; `order` the numbers of the images that
    its parts take, where they give one; `inner` the format of a tar's .json, where it is known.
    """

    row: Mapping[str, Any]
    drop: Collection[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    rebase: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, ImageReference] = field(default_factory=dict)
    prompt: str | None = None
    inner: str | None = None
    id: str | None = None
    turns: list[Turn] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    order: list[int] = field(default_factory=list)

    def take(self, *keys: str) -> Any:
        """The value of the first of these keys that the row fills; all of them count as read, an empty one as none."""
        self.read.update(keys)
        return next((self.row[key] for key in keys if not is_empty(self.row.get(key))), None)

    def take_id(self, *keys: str) -> None:
        """Name the conversation after the first of these keys that holds text or a number."""
        for key in keys:
            value = self.row.get(key)
            if isinstance(value, int | str) and not isinstance(value, bool) and str(value).strip():
                self.id = str(value).strip()
                self.read.add(key)
                return

    def fault(self, rule: str, field: str, message: str, hint: str = "") -> None:
        """Note why the row can't be used."""
        found = Fault(rule, field, message, hint)
        if found not in self.faults:
            self.faults.append(found)

    def unsupported(self, kind: Kind, field: str, value: Any) -> None:
        """Note what a dataset can't hold: the row is rejected, or the part left out where the recipe allows it."""
        if kind in DROPPABLE and kind in self.drop:
            self.changed(f"import.dropped_{kind}", field, value)
            return
        rule = "unsupported.preference" if kind == "rejected_response" else f"unsupported.{kind}"
        if any(fault.rule == rule for fault in self.faults):
            return
        or_drop = f", or leave only that out with source.drop: [{kind}] (--drop {kind})" if kind in DROPPABLE else ""
        self.fault(rule, field, f"{HELD[kind]}, which a dataset has no place for", f"take the row out{or_drop}")

    def changed(self, rule: str, field: str, value: Any, after: str = "") -> None:
        """Note what was left out or done, so that it is counted."""
        self.changes.append(Change(rule=rule, field=field, before=shown(value, 200), after=after))

    def left_out(self, field: str, value: Any) -> None:
        """Note a value that the dataset has no place for and that changes nothing of the conversation."""
        self.changed("import.left_out", field, value)

    def turn(self, role: Role, field: str) -> Turn:
        """Begin a turn."""
        turn = Turn(role, field)
        self.turns.append(turn)
        return turn

    def image(self, turn: Turn, reference: ImageReference | None) -> None:
        """Put an image into a turn; None where the row names its images elsewhere, in the order of their places."""
        if turn.role != "user":
            message = f"an image stands in the {turn.role} turn"
            hint = "a model learns to write text, not images: move it to the user's turn, or take the row out"
            self.fault("messages.image_role", turn.place, message, hint)
        turn.parts.append(IMAGE)
        turn.images.append(reference)

    @property
    def places(self) -> int:
        """How many images still have a place without a reference."""
        return sum(image is None for turn in self.turns for image in turn.images)

    def bind(self, images: list[ImageReference], *, place: str) -> None:
        """Give the row's images to their places, in order. `place` says in words what marks one."""
        if self.places != len(images):
            message = f"{counted(self.places, place)}, but {counted(len(images), 'image')}"
            hint = f"each image needs one {place}, in the same order"
            named = next((key for key, value in self.unread() if _names_images(value)), None)
            if named is not None and not images:
                hint = f"{named!r} seems to name them: source.map {{images: {named}}} (--map images={named})"
            self.fault("messages.images", "images", message, hint)
            return
        waiting = iter(images)
        for turn in self.turns:
            turn.images = [next(waiting) if image is None else image for image in turn.images]

    def lead_with_images(self, count: int) -> None:
        """Put places for images at the beginning of the first turn that is not the system's."""
        first = next((turn for turn in self.turns if turn.role != "system"), None)
        if first is not None and count > 0:
            turn = Turn(first.role, first.place)
            for _ in range(count):
                self.image(turn, None)
            first.parts[:0] = turn.parts
            first.images[:0] = turn.images

    def join_user_turns(self) -> None:
        """Make one turn of user messages that follow each other, where an image stands between their texts.

        OpenAI's own example has the question and the image in two messages. Two texts are not joined: nothing says
        what belongs between them.
        """
        kept: list[Turn] = []
        for turn in self.turns:
            before = kept[-1] if kept else None
            if before is not None and before.role == turn.role == "user" and _image_between(before, turn):
                self.changed("import.joined_turns", turn.place, "two user turns", after="one user turn")
                before.parts += turn.parts
                before.images += turn.images
            else:
                kept.append(turn)
        self.turns = kept

    def messages(self) -> tuple[Message, ...]:
        """The turns as a record's messages."""
        return tuple(Message(role=turn.role, content=tuple(turn.parts)) for turn in self.turns)

    def images(self) -> tuple[ImageReference, ...]:
        """The images, in the order of their parts."""
        return tuple(image for turn in self.turns for image in turn.images if image is not None)

    def unread(self) -> Iterator[tuple[str, Any]]:
        """The keys of the row that nothing has read, and their values, those without one left out."""
        for key, value in self.row.items():
            if key not in self.read and not is_empty(value):
                yield key, value


def _image_between(before: Turn, after: Turn) -> bool:
    return bool(before.parts and after.parts) and IMAGE in (before.parts[-1], after.parts[0])


def _names_images(value: Any) -> bool:
    """Whether a value is the path of an image file, or a list of such."""
    entries = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(entry, str) and IMAGE_FILE.search(entry) for entry in entries)


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: None, an empty text, list or mapping, or a list or mapping of nothing else."""
    if isinstance(value, str):
        return value.strip() in ("", "[]", "{}", "null")
    if value is None or isinstance(value, bytes):
        return not value
    if isinstance(value, Mapping):
        return all(is_empty(entry) for entry in value.values())
    return isinstance(value, list | tuple) and all(is_empty(entry) for entry in value)


def shown(value: Any, most: int = 80) -> str:
    """A value in few words."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value):,} bytes"
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def counted(number: int, word: str) -> str:
    """`1 image`, `2 images`, `no image`."""
    return f"{number or 'no'} {word}{'s' if number > 1 else ''}"


def kind_of_value(value: Any) -> str:
    """A value's kind in a person's words."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"the keys {', '.join(map(repr, list(value)[:8]))}" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    return shown(value) if not isinstance(value, str) else repr(shown(value))
