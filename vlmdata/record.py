"""The values that travel through a build: where a row came from, what it holds, and what is wrong with it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b, sha256
from typing import Any, Literal, TypedDict

Role = Literal["system", "user", "assistant"]
PartType = Literal["text", "image"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record came from: the source's file name, the record's number and the physical line it starts on.

    `row` counts records from 1 (a header is none); `line` counts physical lines from 1. `last_line` is the last
    physical line that the record covers.
    """

    source: str
    row: int
    line: int
    last_line: int = 0

    @property
    def lines(self) -> int:
        """How many physical lines the record covers."""
        return max(self.last_line - self.line + 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where it is, what was found and expected, and what to do about it.

    `rule` is the rule's stable name (`images.truncated`), `source`/`line`/`field` say where, `message` says what was
    found against what was expected, `hint` what to do. `id` names the record where it has one.
    """

    rule: str
    message: str
    source: str = ""
    line: int = 0
    field: str = ""
    hint: str = ""
    severity: Severity = "error"
    id: str = ""

    @property
    def where(self) -> str:
        """`products.csv:37 images[0]`, as far as it is known; with the id where a line may hold all records."""
        place = f"{self.source}:{self.line}" if self.line else self.source
        one_of_many = self.line == 1 and self.source.lower().endswith(".json")
        return " ".join(part for part in (place, self.id if one_of_many else "", self.field) if part)

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}{self.message} [{self.rule}]{hint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    """One row as its source holds it. Values are text, or what JSON and Parquet hold; a missing value is None."""

    origin: Origin
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A row, or one conversation of it, that did not make it, with every reason and the row itself to try again.

    `row` holds the row's values where they could be read; `raw` the original text where they could not, or its bytes
    where they are no text. `conversation` is the number, from 0, of the one that was rejected out of several.
    """

    origin: Origin
    problems: tuple[Problem, ...]
    row: Mapping[str, Any] | None = None
    raw: str | bytes | None = None
    conversation: int | None = None
    id: str = ""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that rejected it, each once, in order."""
        return tuple(dict.fromkeys(problem.rule for problem in self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A row that the recipe leaves out, with the recipe's own words for it (`where: active == '1'`)."""

    origin: Origin
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a message. `text` is None exactly on image parts."""

    type: PartType
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn: who speaks, and the text and image parts in order."""

    role: Role
    content: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a generated text came from."""

    description: str
    model: str
    prompt_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A run of bytes in a file: a member of a tar, or an image that a build has put aside."""

    file: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineImage:
    """An image whose bytes the row itself holds, and the file name that it gives them."""

    data: bytes = field(repr=False)
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberImage:
    """An image that stands as it is inside the file that its row was read from."""

    location: Location
    name: str


ImageReference = str | InlineImage | MemberImage
"""How a row names an image: a path below an image root or an address, the bytes themselves, or a place in a tar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that a recipe asked for and that was done to a value: counted by `rule`, and shown as a sample.

    `rule` is a stable name such as `clean.nfc` or `images.resized`; `before` and `after` are shortened where they are
    shown.
    """

    rule: str
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A row turned into messages. `images` are references, in the image parts' order."""

    id: str
    messages: tuple[Message, ...]
    images: tuple[ImageReference, ...]
    origin: Origin
    group: str
    tags: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What is known of an image's bytes.

    `sha256` is of the stored bytes; `width` and `height` are in pixels as displayed, after the EXIF orientation;
    `dhash` is 16 hex digits, or None where only the header was read.
    """

    sha256: str
    width: int
    height: int
    format: str
    dhash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What one image's bytes turned out to be.

    `xxh3` is 32 hex digits, a cheap check that a file did not change; `size` and `xxh3` are of the bytes that the
    dataset stores. `name` is the bare file name stored with them. `location` says where the stored bytes are, where
    reading the reference again would not give them.
    """

    info: ImageInfo
    size: int
    xxh3: str
    name: str = ""
    location: Location | None = None


class PartRow(TypedDict):
    """A message part as the dataset stores it."""

    type: PartType
    text: str | None


class MessageRow(TypedDict):
    """A message as the dataset stores it."""

    role: Role
    content: list[PartRow]


class NamedValue(TypedDict):
    """A tag or a field as the dataset stores it."""

    name: str
    value: str


def message_rows(messages: tuple[Message, ...]) -> list[MessageRow]:
    """Messages as plain lists and dicts with exactly the contract's keys."""
    return [
        {"role": message.role, "content": [{"type": part.type, "text": part.text} for part in message.content]}
        for message in messages
    ]


def named_values(pairs: Mapping[str, str]) -> list[NamedValue]:
    """A mapping as the contract's list of name and value."""
    return [{"name": name, "value": value} for name, value in pairs.items()]


def row_hash(values: Mapping[str, Any]) -> str:
    """The id of a row that has none: 16 hex digits over its names and values, whatever order they stand in."""
    return blake2b(repr(sorted(values.items())).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def rejection_dict(rejection: Rejection) -> dict[str, Any]:
    """A rejection as plain data. A row that could not be read stands as its text, or as base64 where it is no text.

    Bytes inside a row, such as an image's, stand as their number and sha256: the row's origin says where they are.
    """
    origin = rejection.origin
    found: dict[str, Any] = {
        "origin": {"source": origin.source, "row": origin.row, "line": origin.line, "last_line": origin.last_line},
        "problems": [problem_dict(problem) for problem in rejection.problems],
    }
    if rejection.id:
        found["id"] = rejection.id
    if rejection.conversation is not None:
        found["conversation"] = rejection.conversation
    if rejection.row is not None:
        found["row"] = _without_bytes(dict(rejection.row))
    elif isinstance(rejection.raw, bytes):
        found["raw_base64"] = b64encode(rejection.raw).decode("ascii")
    elif rejection.raw is not None:
        found["raw"] = rejection.raw
    return found


def _without_bytes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_bytes(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_bytes(entry) for entry in value]
    if isinstance(value, bytes | bytearray):
        return {"bytes": len(value), "sha256": sha256(value).hexdigest()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def rejection_from(data: Mapping[str, Any]) -> Rejection:
    """The rejection that such plain data stands for."""
    raw = b64decode(data["raw_base64"]) if "raw_base64" in data else data.get("raw")
    return Rejection(
        origin=Origin(**data["origin"]),
        problems=tuple(Problem(**problem) for problem in data["problems"]),
        row=data.get("row"),
        raw=raw,
        conversation=data.get("conversation"),
        id=data.get("id", ""),
    )


def problem_dict(problem: Problem) -> dict[str, Any]:
    """A problem as plain data, as problem.v1 has it, without what it does not say."""
    return {key: value for key, value in asdict(problem).items() if value not in ("", 0)}
