"""Captions: text files that stand beside images, with lines of translation such as `de.utf8=Ein roter Becher`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Translations = Literal["drop", "keep"] | tuple[str, ...]
LEFT_OUT = "captions.translations_left_out"
MAX_BYTES = 1_000_000
TRANSLATION = re.compile(r"\s*([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)\.utf8=(.*)")


class CaptionError(ValueError):
    """A caption that can't be read: the rule's name, what was found, what to do, and the bytes where they are few."""

    def __init__(self, rule: str, message: str, hint: str, raw: bytes | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.hint = hint
        self.raw = raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """A caption's text, its translations by language, and how many lines of other languages were left out."""

    text: str
    translations: dict[str, str]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Captions:
    """The text files below a root that stand beside its images, by their ending (`.txt`), and how they are read."""

    root: Path
    ending: str
    translations: Translations = "drop"

    def is_one(self, name: str) -> bool:
        """Whether a file is a caption by its name."""
        return not name.startswith(".") and Path(name).suffix.lower() == self.ending.lower()

    def names(self) -> tuple[str, ...]:
        """The columns that a caption gives."""
        languages = self.translations if isinstance(self.translations, tuple) else ()
        return ("caption", *(f"caption.{language}" for language in languages))

    def columns(self, caption: Caption) -> dict[str, str | None]:
        """A caption's values by column; None where a language is not there."""
        values = [caption.text, *(caption.translations.get(name.partition(".")[2]) for name in self.names()[1:])]
        return dict(zip(self.names(), values, strict=True))

    def read(self, path: str) -> Caption:
        """The caption in a file below the root. Raises CaptionError: not UTF-8, too long, outside, unreadable."""
        full = self.root / path
        real_root = os.path.realpath(self.root)
        if os.path.commonpath([os.path.realpath(full), real_root]) != real_root:
            message = f"{path!r} leads out of the folder through a symbolic link"
            raise CaptionError("caption.outside", message, "copy the file into the folder")
        try:
            with full.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise CaptionError("caption.unreadable", f"{path!r} can't be read: {error.strerror}", "") from None
        if len(data) > MAX_BYTES:
            message = f"{path!r} is more than {MAX_BYTES:,} bytes long, which no caption is"
            raise CaptionError("caption.too_long", message, "move it out of the folder, or make it shorter")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            message = f"{path!r} is not UTF-8 at byte {error.start:,}"
            raise CaptionError("caption.encoding", message, "save the file as UTF-8", data) from None
        return parse_caption(text, self.translations)


def parse_caption(text: str, translations: Translations) -> Caption:
    """A caption file's text, its lines of translation left out, kept, or read for some languages.

    A language that stands on several lines has them joined, as the caption's own lines are.
    """
    if translations == "keep":
        return Caption(text=_tidy(text.splitlines()), translations={})
    own: list[str] = []
    found: dict[str, list[str]] = {}
    left_out: Counter[str] = Counter()
    for line in text.splitlines():
        matched = TRANSLATION.fullmatch(line)
        if matched is None:
            own.append(line)
        elif translations != "drop" and matched[1] in translations:
            found.setdefault(matched[1], []).append(matched[2])
        else:
            left_out[matched[1]] += 1
    read = {language: _tidy(lines) for language, lines in found.items()}
    return Caption(text=_tidy(own), translations=read, left_out=left_out.total())


def _tidy(lines: Sequence[str]) -> str:
    """Lines as one text, without white space at its ends."""
    return "\n".join(lines).strip()
