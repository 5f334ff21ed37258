"""The rulebook as pages: one of each rule and an index, in Markdown for docs/rules and in text for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from vlmdata.rules import Rule, built_in_rules

WIDTH = 100
NAMED = re.compile(r"\[([a-z]+\.[a-z_0-9]+)\]")

FAMILIES: Mapping[str, str] = {
    "answer": "Answers to questions with options",
    "archive": "Images in zip files",
    "arrow": "Datasets that `save_to_disk` wrote",
    "budget": "Tokens, held to a model's budget before a training",
    "caption": "Text files beside images",
    "captions": "Translations in caption files",
    "clean": "What the steps under `clean` changed",
    "contract": "The form of a built dataset",
    "csv": "CSV and TSV files",
    "dataset": "Rows held against each other",
    "describe": "Texts that a model writes for rows without one",
    "eval": "Who is asked in an evaluation, and what scores must reach",
    "excel": "Sheets of Excel files",
    "export": "Rows that another format can't hold",
    "folder": "Folders of images",
    "hub": "Datasets on the Hub",
    "id": "The names of rows",
    "images": "Images, and how rows name them",
    "inspect": "Batches of a training: what a model sees of a row, and what it learns",
    "import": "Conversations in others' formats",
    "json": "JSON and JSON Lines files",
    "messages": "Turns, their roles and parts",
    "network": "Images that are downloaded",
    "options": "Options of questions",
    "parquet": "Parquet files",
    "push": "What a push to the Hub keeps back",
    "recipe": "Recipes that can't be built",
    "rejected": "Rows that an earlier build rejected",
    "row": "Values of a row",
    "run": "Run files of vlmtrain",
    "settings": "YAML files of settings",
    "source": "Columns that a source does not have",
    "split": "Splits, and leaks between them",
    "tar": "Tars of samples",
    "text": "Texts of turns",
    "unsupported": "What a dataset of texts and images can't hold",
    "validate": "What a validation may not read",
}

OF_DATASETS = frozenset({"contract", "split", "dataset"})
"""Families whose findings are not about one row, so that no row is rejected for them."""

STOPS = "It can't be ignored: nothing is read until it is mended."
STOPS_OF_FAMILY: Mapping[str, str] = {
    "export": "It can't be ignored: the row is not exported, and stands in `not_exported.jsonl`. With `--allow-loss`, "
    "`vlmdata export` succeeds without such rows.",
}
"""What the rules of a family stop that don't stop the reading."""

CHANGE = "It is no finding. The report counts it and shows samples; it never fails a build or a validation."
REJECTED = (
    "A build rejects such a row, writes it into `rejected.jsonl`, and publishes nothing where more rows are rejected "
    "than `max_rejected` allows (none by default; `max_rejected: 1%` lets a few go)."
)


@dataclass(frozen=True, slots=True)
class Example:
    """A line that a rule gave of a sample, and the sample's folder (`samples/bad/ragged-row`)."""

    folder: str
    line: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and below it a text, and lines that stand as they are, in the language of a code block."""

    title: str
    text: str = ""
    lines: Sequence[str] = ()
    language: str = "text"


def sections(rule: Rule, example: Example | None = None) -> Iterator[Section]:
    """A rule's page, part by part."""
    yield Section("What it finds", rule.summary)
    if example is not None:
        yield Section("Example", f"From [{example.folder}](../../{example.folder}):", (example.line,))
    yield Section("Why it is done" if rule.change else "Why it matters", rule.why)
    yield Section("What to do" if rule.change else "How to fix it", rule.fix)
    if rule.change:
        yield Section("How it is counted", CHANGE)
    elif rule.stops:
        yield Section("How to ignore it", STOPS_OF_FAMILY.get(rule.family, STOPS))
    else:
        yield from _about_settings(rule)


def _about_settings(rule: Rule) -> Iterator[Section]:
    """How bad it is for whom, and how to be rid of it."""
    if rule.preview:
        text = f"`vlmdata validate --select {rule.id}` looks for it alone, `--preview` for new rules beside all others."
        yield Section("Preview", text)
    if rule.severity == "error" and rule.family not in OF_DATASETS:
        yield Section("In a build", REJECTED)
    thresholds = [f"{key} = {value}" for key, value in rule.thresholds.items()]
    lines = (f'[tool.vlmdata.rules."{rule.id}"]', f'severity = "{rule.severity}"', *thresholds)
    text = "In pyproject.toml (in vlmdata.toml without `tool.vlmdata.`), with what holds by default:"
    yield Section("Settings", text, lines, "toml")
    text = f"`vlmdata validate --ignore {rule.id}`, or for everybody:"
    yield Section("How to ignore it", text, ("[tool.vlmdata]", f'ignore = ["{rule.id}"]'), "toml")


def page(rule: Rule, example: Example | None = None) -> str:
    """A rule's page as Markdown."""
    parts = [f"# {rule.id}", f"{_kind(rule)} · [{rule.family}](README.md#{rule.family})"]
    for section in sections(rule, example):
        parts.append(f"## {section.title}")
        parts += [section.text] if section.text else []
        parts += ["\n".join([f"```{section.language}", *section.lines, "```"])] if section.lines else []
    return "\n\n".join(parts) + "\n"


def text_page(rule: Rule) -> str:
    """A rule's page for a terminal."""
    parts = [f"{rule.id}  {_kind(rule)}"]
    for section in sections(rule):
        lines = [*textwrap.wrap(section.text, WIDTH - 2), *(f"  {line}" for line in section.lines)]
        parts.append("\n".join([section.title, *(f"  {line}" for line in lines)]))
    return "\n\n".join(parts)


def _kind(rule: Rule) -> str:
    return f"{rule.kind}, preview" if rule.preview else rule.kind


def index(rules: Iterable[Rule]) -> str:
    """The index of all pages as Markdown, by family."""
    parts = [
        "# Rules",
        "Every problem that vlmdata or vlmtrain names has a rule. `vlmdata rule csv.ragged` prints a rule's page, "
        "`vlmdata rule csv` those of a family in a table, `vlmdata rule` all of them. An *error* keeps a row out of a "
        "dataset, or a dataset out of a training; a *warning* does not; a *change* is what a build did because the "
        "recipe asks for it, and is only counted. A rule in *preview* is looked for only where it is selected.",
    ]
    for family, members in groupby(rules, key=lambda rule: rule.family):
        rows = [f"| [{rule.id}]({rule.id}.md) | {_kind(rule)} | {_cell(rule.summary)} |" for rule in members]
        parts += [f"## {family}", FAMILIES.get(family, family), "\n".join(["| rule | | |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages(samples: Path) -> dict[str, str]:
    """Every page of docs/rules by its file name, with an example of each rule that a folder of `samples` shows."""
    rules = list(built_in_rules().values())
    examples = examples_in(samples)
    made = {f"{rule.id}.md": page(rule, examples.get(rule.id)) for rule in rules}
    return {"README.md": index(rules), **made}


def examples_in(samples: Path) -> dict[str, Example]:
    """The first line that the expected.txt files name each rule in, in the order of their folders."""
    found: dict[str, Example] = {}
    for file in sorted(samples.glob("*/*/expected.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            for name in NAMED.findall(line):
                folder = f"{samples.name}/{file.parent.relative_to(samples).as_posix()}"
                found.setdefault(name, Example(folder, line.strip()))
    return found


def table(rules: Iterable[Rule]) -> str:
    """Rules a line each, for a terminal."""
    listed = list(rules)
    name_width = max(len(rule.id) for rule in listed)
    kind_width = max(len(_kind(rule)) for rule in listed)
    return "\n".join(f"{rule.id:<{name_width}}  {_kind(rule):<{kind_width}}  {rule.summary}" for rule in listed)


def as_data(rule: Rule) -> dict[str, Any]:
    """A rule as plain data. The severity of a change is null."""
    return {
        "id": rule.id,
        "severity": None if rule.change else rule.severity,
        "preview": rule.preview,
        "change": rule.change,
        "stops": rule.stops,
        "summary": rule.summary,
        "why": rule.why,
        "fix": rule.fix,
        "thresholds": dict(rule.thresholds),
    }
