"""An examination as a person reads it, on a terminal or in a report of a bug."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vlmdata.doctor.findings import Examination, Finding, Section, State
from vlmdata.terminal import Format, say

STYLES: Mapping[State, str] = {"fine": "", "absent": "dim", "warning": "yellow", "wrong": "bold red"}
MARKS: Mapping[State, str] = {"fine": "", "absent": "", "warning": "!", "wrong": "x"}
WIDTH = 118


def show(examination: Examination, form: Format) -> None:
    """Print an examination: in colours on a terminal, as text elsewhere, or for a program."""
    if form is Format.json:
        say(json.dumps(examination.as_data(), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        Console(markup=False, highlight=False, emoji=False).print(rendered(examination))
    else:
        say(as_text(examination))


def rendered(examination: Examination) -> Group:
    """Every section, and in the end what has to be done."""
    title = Text(f"{examination.about} {examination.version}", style="bold")
    return Group(title, *(part for section in examination.sections for part in _section(section)), *_end(examination))


def as_text(examination: Examination, width: int = WIDTH) -> str:
    """The same without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(rendered(examination))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _section(section: Section) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(width=1)
    table.add_column(min_width=15, no_wrap=True)
    table.add_column(min_width=12)
    table.add_column(style="dim")
    for each in section.findings:
        style = STYLES[each.state]
        table.add_row(*(Text(word, style=style) for word in (MARKS[each.state], each.name, each.found)), _beside(each))
    yield Text(f"\n{section.title}", style="bold cyan")
    yield table


def _beside(finding: Finding) -> Text:
    """The range or the meaning; for what is absent, how to get it."""
    return Text("  ".join(words for words in (finding.expected, finding.remedy) if words))


def _end(examination: Examination) -> Iterator[RenderableType]:
    wrong = examination.wrong
    if not wrong:
        yield Text(f"\nall that {examination.about} needs is here", style="bold green")
        return
    yield Text(f"\n{len(wrong)} to put right", style="bold red")
    for each in wrong:
        wanted = f", {each.expected} is needed" if each.expected else ""
        yield Text(f"  {each.name}: {each.found}{wanted}: {each.remedy}")
