"""What an examination finds, as values: one finding for a package, a device, a disk or a variable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["fine", "absent", "warning", "wrong"]
"""`absent` is what may be missing, `warning` what may hinder some work, `wrong` what has to be put right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what was found, what was expected, and what to do where that differs.

    `value` is what a program compares, such as a number of bytes.
    """

    name: str
    found: str
    state: State = "fine"
    expected: str = ""
    remedy: str = ""
    value: str | int | float | bool | None = None

    def as_data(self) -> dict[str, Any]:
        """The finding as plain values."""
        names = ("name", "state", "found", "expected", "remedy", "value")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Findings of a kind, in the order in which they are shown."""

    title: str
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All that was found. It passes where nothing is wrong: what is absent or warned of may never be used."""

    about: str
    version: str
    sections: Sequence[Section]

    @property
    def wrong(self) -> list[Finding]:
        """What has to be put right before the work can be done."""
        return [each for section in self.sections for each in section.findings if each.state == "wrong"]

    @property
    def passed(self) -> bool:
        """Whether all that is needed is here."""
        return not self.wrong

    def as_data(self) -> dict[str, Any]:
        """The examination as plain values, without a path of this machine and without any secret."""
        sections = {section.title: [each.as_data() for each in section.findings] for section in self.sections}
        return {"about": self.about, "version": self.version, "passed": self.passed, "sections": sections}


def impersonal(text: str, home: Path | None = None) -> str:
    """A text without the user's home folder and name, so that it can be shown to others."""
    home = home or Path.home()
    for form in {str(home), home.as_posix()}:
        if home != Path(home.anchor):
            text = re.sub(rf"{re.escape(form)}(?![\w.-])", "~", text, flags=re.IGNORECASE)
    return re.sub(rf"(?<=[\\/]){re.escape(home.name)}(?=[\\/]|$)", "USER", text) if home.name else text


def amount(bytes_: float) -> str:
    """`23.4 GiB`: bytes as a person reads them."""
    return f"{bytes_ / 2**30:,.1f} GiB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:,.0f} MiB"
