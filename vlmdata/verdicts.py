"""What has been found out about each unique image so far, in about 200 bytes each."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from struct import Struct
from typing import Any

import pyarrow as pa

from vlmdata.blocks import notes_of, notes_text
from vlmdata.image.reading import reference_shown
from vlmdata.image.verifying import Submit, Verified
from vlmdata.record import Change, ImageInfo, ImageReference, Inspected, Location, Problem

TOGETHER = 8
"""Images that are handed to a thread at once: handing over, and waking up for an answer, cost time of their own."""

PACKED = Struct("<32s16s8sqiiBB")
"""sha256, xxh3, dhash, size, width, height, the format's number, and whether there is a dhash."""


@dataclass(slots=True)
class Verdicts:
    """Verdicts by image key. A reference is verified once, whatever the number of rows that name it."""

    submit: Submit
    verified: int = 0
    _place: dict[bytes, int] = field(default_factory=dict)
    _packed: bytearray = field(default_factory=bytearray)
    _formats: list[str] = field(default_factory=list)
    _more: dict[bytes, tuple[str, Location | None, tuple[Problem, ...], tuple[Change, ...]]] = field(
        default_factory=dict
    )
    _warned: dict[bytes, tuple[Problem, ...]] = field(default_factory=dict)
    _words: dict[tuple[Problem, ...], tuple[Problem, ...]] = field(default_factory=dict)
    _bad: dict[bytes, Problem] = field(default_factory=dict)
    _pending: dict[bytes, tuple[Future[list[Verified]], int]] = field(default_factory=dict)
    _latest: tuple[Future[list[Verified]] | None, list[Verified]] = (None, [])
    _asked: dict[bytes, ImageReference] = field(default_factory=dict)

    def ask(self, key: bytes, reference: ImageReference) -> None:
        """Have a reference verified, unless that was done, or is under way. A few are handed on at a time."""
        if not (key in self._place or key in self._pending or key in self._asked or key in self._bad):
            self._asked[key] = reference
            if len(self._asked) >= TOGETHER:
                self.hand_on()

    def hand_on(self) -> None:
        """Hand on what was asked for and waits for company."""
        if self._asked:
            future = self.submit(list(self._asked.values()))
            self._pending.update((key, (future, place)) for place, key in enumerate(self._asked))
            self._asked.clear()

    def answer(self, key: bytes, reference: ImageReference) -> Verified:
        """The verdict on a reference that was asked about; waits for it."""
        if key in self._pending:
            future, place = self._pending.pop(key)
            if future is not self._latest[0]:  # the answers of one thread's turn follow one another
                self._latest = future, future.result()
            verdict = self._latest[1][place]
            self._keep(key, reference, verdict)
            self.verified += 1
            if verdict.image is not None:
                return verdict
        if key in self._bad:
            return Verified(problem=self._bad[key])
        name, location, warnings, changes = self._more.get(key) or (_plain_name(reference), None, (), ())
        sha, xxh3, dhash, size, width, height, kind, hashed = PACKED.unpack_from(self._packed, self._place[key])
        info = ImageInfo(
            sha256=sha.hex(),
            width=width,
            height=height,
            format=self._formats[kind],
            dhash=dhash.hex() if hashed else None,
        )
        image = Inspected(info=info, size=size, xxh3=xxh3.hex(), name=name, location=location)
        if key in self._warned:
            shown = reference_shown(reference)
            warnings = tuple(replace(each, message=f"{shown} {each.message}") for each in self._warned[key])
        return Verified(image=image, warnings=warnings, changes=changes)

    def remember(self, images: pa.RecordBatch) -> None:
        """Take over the images of a block that was scanned before."""
        for row in images.to_pylist():
            if row["key"] not in self._place:
                self._keep(row["key"], row["reference"], verified_from(row))

    def _keep(self, key: bytes, reference: ImageReference | None, verdict: Verified) -> None:
        image = verdict.image
        if image is None:
            self._bad[key] = verdict.problem or Problem(rule="images.corrupt", message="no verdict")
            return
        info = image.info
        if info.format not in self._formats:
            self._formats.append(info.format)
        self._place[key] = len(self._packed)
        self._packed += PACKED.pack(
            bytes.fromhex(info.sha256),
            bytes.fromhex(image.xxh3),
            bytes.fromhex(info.dhash or "00" * 8),
            image.size,
            info.width,
            info.height,
            self._formats.index(info.format),
            info.dhash is not None,
        )
        warnings = verdict.warnings
        if warnings and (short := _without_reference(warnings, reference)):
            self._warned[key], warnings = self._words.setdefault(short, short), ()
        plain = reference is not None and image.name == _plain_name(reference) and image.location is None
        if not plain or warnings or verdict.changes:
            self._more[key] = (image.name, image.location, warnings, verdict.changes)


def _without_reference(warnings: tuple[Problem, ...], reference: ImageReference | None) -> tuple[Problem, ...] | None:
    """Warnings without the name that each begins with, so that all photos of a phone share the words of one."""
    if reference is None:
        return None
    shown = f"{reference_shown(reference)} "
    if not all(each.message.startswith(shown) for each in warnings):
        return None
    return tuple(
        replace(each, message=each.message.removeprefix(shown), source="", line=0, field="") for each in warnings
    )


def _plain_name(reference: ImageReference) -> str:
    """The name that nearly every image has, so that it need not be kept: the last part of its path."""
    return reference.rpartition("/")[2] if isinstance(reference, str) else reference.name


def image_row(key: bytes, reference: ImageReference, verdict: Verified) -> dict[str, Any]:
    """A good verdict as a row of a block's images."""
    image = verdict.image
    assert image is not None
    info, place = image.info, image.location
    return {
        "key": key,
        "reference": reference if isinstance(reference, str) and place is None else None,
        "name": image.name,
        "size": image.size,
        "xxh3": image.xxh3,
        "sha256": info.sha256,
        "width": info.width,
        "height": info.height,
        "format": info.format,
        "dhash": info.dhash,
        "file": place.file if place else None,
        "offset": place.offset if place else None,
        "stored": place.size if place else None,
        "notes": notes_text(verdict.warnings, verdict.changes),
    }


def verified_from(row: dict[str, Any]) -> Verified:
    """A row of a block's images as the verdict that it was made of."""
    place = None
    if row["file"] is not None:
        place = Location(file=row["file"], offset=row["offset"], size=row["stored"])
    info = ImageInfo(**{name: row[name] for name in ("sha256", "width", "height", "format", "dhash")})
    image = Inspected(info=info, size=row["size"], xxh3=row["xxh3"], name=row["name"], location=place)
    warnings, changes = notes_of(row["notes"])
    return Verified(image=image, warnings=warnings, changes=changes)
