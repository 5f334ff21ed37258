"""Reads the pages: their blocks of code in order, with what stands about each in a comment that no reader sees.

A comment before a block says how the block is tested. Without one a block is run, or loaded, as it stands.

    <!-- workshop: run -->                on top of a page: what lies ready besides the sample catalog
    <!-- prepare: cp a.csv b.csv -->      a command of the test's own, run before the block
    <!-- file: recipe.yaml -->            the block becomes this file, for the commands behind it
    <!-- server: gemini -->               a stand-in on this machine from here on: gemini, openai or hub
    <!-- fails: 1 -->                     the last command of the block exits with this code
    <!-- long -->                         takes long: run by `make test-long`, parsed by `make test`
    <!-- parse only: needs a GPU -->      can't be run here; command lines are parsed, programs compiled
    <!-- example: of another catalog -->  printed text that is not compared
    <!-- not ours: GitLab's own file -->  settings that another program reads
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
MARKS = ("workshop", "prepare", "file", "fails", "shows", "server", "long", "parse only", "example", "not ours")
MARK = re.compile(r"<!--\s*([a-z ]+?)(?::\s*(.*?))?\s*-->", re.DOTALL)
TESTED_ELSEWHERE = {"docs/command-line.md"}
"""Pages that are made from the code; a test of their own holds them to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code of a page."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        """Where it stands, as an editor takes it."""
        return f"{self.page}:{self.line}"

    @property
    def reason(self) -> str | None:
        """Why it is not run; None where it is."""
        return next((f"{mark}: {self.marks[mark]}" for mark in ("parse only", "not ours") if mark in self.marks), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, its blocks, its `code` between back quotes, and what its tests need."""

    name: str
    text: str
    blocks: tuple[Block, ...]
    inline: tuple[tuple[int, str], ...]
    workshop: frozenset[str]

    @property
    def is_long(self) -> bool:
        return any("long" in block.marks for block in self.blocks)


def pages() -> list[Page]:
    """README.md and all pages of docs/ but those of the rules, in the order of their names."""
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
    names = [file.relative_to(ROOT).as_posix() for file in files]
    return [read(name) for name in names if not name.startswith("docs/rules/") and name not in TESTED_ELSEWHERE]


def read(name: str) -> Page:
    """A page by its path from the project's root."""
    text = (ROOT / name).read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    marks = [mark for token in tokens if token.type == "html_block" for mark in _marks(token)]
    workshop = " ".join(value for mark, value in marks if mark == "workshop")
    inline = [
        (token.map[0] + 1 if token.map else 0, child.content)
        for token in tokens
        for child in token.children or []
        if child.type == "code_inline"
    ]
    return Page(
        name=name, text=text, blocks=_blocks(name, tokens), inline=tuple(inline), workshop=frozenset(workshop.split())
    )


def _blocks(page: str, tokens: list[Token]) -> tuple[Block, ...]:
    found: list[Block] = []
    waiting: dict[str, str] = {}
    for token in tokens:
        if token.type == "html_block":
            waiting |= dict(_marks(token))
        elif token.type in {"fence", "code_block"}:
            line = token.map[0] + 1 if token.map else 0
            language = token.info.strip() if token.type == "fence" else "(indented)"
            found.append(Block(page=page, line=line, language=language, text=token.content, marks=waiting))
            waiting = {}
        elif token.type == "inline":
            lost = sorted(waiting.keys() - {"workshop"})
            assert not lost, f"{page}:{(token.map or [0])[0] + 1}: text stands between the block and its comment {lost}"
    return tuple(found)


def _marks(token: Token) -> list[tuple[str, str]]:
    """What a comment says. One that is none of these words is a comment for people."""
    found = [(mark, value or "") for mark, value in MARK.findall(token.content)]
    return [(mark, value) for mark, value in found if mark in MARKS]
