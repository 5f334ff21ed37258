"""The rulebook against the code, the samples and the pages: nothing is named without an entry, no entry without use."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from vlmdata.cli import app
from vlmdata.convert.cleaning import STEPS
from vlmdata.convert.formats.unsupported import DROPPABLE, HELD
from vlmdata.image.traits import WORDS
from vlmdata.rule_pages import FAMILIES, Example, page, pages, text_page
from vlmdata.rules import RULEBOOK, Rule, rulebook
from vlmdata.settings import read_settings
from vlmdata.terminal import exit_code_of

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "rules"
SAMPLES = ROOT / "samples"
CODE = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for package in ("vlmdata", "vlmtrain")
    for path in sorted((ROOT / package).rglob("*.py"))
}
FILES = sorted(RULEBOOK.glob("*.yaml"))
NAME = re.compile(r"[a-z]+\.[a-z_0-9]+")
ENDINGS = {"arrow", "csv", "json", "jsonl", "parquet", "toml", "v1", "yaml"}
"""What stands behind the dot in the names of files and schemas, which otherwise look like rules."""

MADE: Mapping[str, tuple[str, ...]] = {
    "clean.": tuple(STEPS),
    "images.": tuple(WORDS),
    "import.dropped_": DROPPABLE,
    "unsupported.": tuple(kind for kind in HELD if kind != "rejected_response"),
    "caption.": (),  # columns of translations, such as caption.de
}
"""The beginnings of names that the code puts together, and what it puts behind them."""

WITHOUT_FAMILY = {"template"}
"""Names that vlmtrain's preflight gives and that are in no family."""

NEEDS_A_SERVER = "needs a server that answers so; tested in tests/vlmdata/test_download.py"
NEEDS_A_PROVIDER = "needs a provider that answers so; tested in tests/vlmdata/description/test_describing.py"
NO_SAMPLE: Mapping[str, str] = {
    "budget.context": "needs a model with a short context; tested in tests/vlmtrain/test_preflight.py",
    "caption.too_long": "a sample's file is under 20 kB; tested in tests/vlmdata/test_image_folder.py",
    "describe.blocked": NEEDS_A_PROVIDER,
    "describe.cut": NEEDS_A_PROVIDER,
    "describe.failed": NEEDS_A_PROVIDER,
    "describe.invalid": NEEDS_A_PROVIDER,
    "describe.location": "needs a provider; tested in tests/vlmdata/description/test_sending.py",
    "describe.missing": "needs a run that was ended early; tested in tests/vlmdata/description/test_describing.py",
    "describe.picture": "needs an image that changes meanwhile; tested in tests/vlmdata/description/test_sending.py",
    "folder.name": "not every file system can hold such a name; tested in tests/vlmdata/test_image_folder.py",
    "folder.unreadable": "git keeps no permissions of folders; tested in tests/vlmdata/test_image_folder.py",
    "hub.no_revision": "needs the Hub; tested in tests/vlmdata/test_hub.py",
    "images.changed": "needs a file that changes during a build; tested in tests/vlmdata/test_verifying.py",
    "images.format": "depends on whether pillow-heif is installed; tested in tests/vlmdata/test_verifying.py",
    "images.unreadable": "git keeps no such permissions; tested in tests/vlmdata/test_folder.py",
    "json.long_line": "a sample's file is under 20 kB; tested in tests/vlmdata/test_json_lines.py",
    "network.encoding": NEEDS_A_SERVER,
    "network.private_address": NEEDS_A_SERVER,
    "network.redirect": NEEDS_A_SERVER,
    "network.status": NEEDS_A_SERVER,
    "network.timeout": NEEDS_A_SERVER,
    "network.tls": NEEDS_A_SERVER,
    "network.too_large": NEEDS_A_SERVER,
    "network.unreachable": NEEDS_A_SERVER,
    "run.row_refused": "needs a model that answers; tested in tests/vlmtrain/test_generate_file.py",
}
"""Rules about data that no sample shows, each with the reason."""

TEXT = {"type": "string", "pattern": r"^\S(.*\S)?$"}
ENTRY = {
    "type": "object",
    "required": ["summary", "why", "fix"],
    "additionalProperties": False,
    "properties": {
        "severity": {"enum": ["error", "warning"]},
        "summary": {"type": "string", "pattern": r"^\S.*\.$", "maxLength": 109},
        "why": TEXT,
        "fix": TEXT,
        "preview": {"type": "boolean"},
        "stops": {"const": True},
        "change": {"const": True},
        "milder": {"const": True},
        "thresholds": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[a-z_]+$"},
            "additionalProperties": {"type": "number"},
        },
    },
    "oneOf": [{"required": ["severity"]}, {"required": ["change"]}],
}


def named_in_code() -> dict[str, str]:
    """Every rule that the code names, and the first file that does."""
    found: dict[str, str] = {}
    for file, tree in CODE.items():
        for name in names_in(tree):
            found.setdefault(name, file)
    return found


def names_in(tree: ast.AST) -> Iterator[str]:
    pieces = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from made_names(node)
        elif isinstance(node, ast.keyword) and node.arg == "rule" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            family, _, rest = node.value.partition(".")
            if family in FAMILIES and rest not in ENDINGS and NAME.fullmatch(node.value):
                yield node.value


def made_names(node: ast.JoinedStr) -> Iterator[str]:
    first = node.values[0]
    start = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    is_name = re.fullmatch(r"([a-z]+)\.[a-z_0-9]*", start)
    if is_name is not None and is_name[1] in FAMILIES and len(node.values) == 2:
        assert start in MADE, f"say in MADE what stands behind {start!r}"
        yield from (f"{start}{rest}" for rest in MADE[start])


NAMED = named_in_code()


def test_every_rule_in_the_code_has_an_entry() -> None:
    missing = {name: file for name, file in NAMED.items() if name not in rulebook() and name not in WITHOUT_FAMILY}
    assert missing == {}


def test_every_entry_is_named_by_the_code() -> None:
    assert [name for name in rulebook() if name not in NAMED] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_of_the_rulebook_is_well_formed(file: Path) -> None:
    entries = read_settings(file).data  # refuses a key that stands twice
    for name, entry in entries.items():
        assert NAME.fullmatch(name)
        assert name.partition(".")[0] == file.stem
        assert [error.message for error in Draft202012Validator(ENTRY).iter_errors(entry)] == [], name


def test_a_severity_that_the_code_writes_is_the_rulebooks() -> None:
    wrong = []
    for file, tree in CODE.items():
        for node in ast.walk(tree):
            said = constants_of(node) if isinstance(node, ast.Call) else {}
            rule = rulebook().get(said.get("rule", ""))
            if rule is not None and said.get("severity", rule.severity) != rule.severity:
                wrong.append(f"{file}: {rule.id} {said['severity']}")
    assert wrong == []


def test_what_the_code_counts_as_a_change_is_no_finding() -> None:
    counted = {f"{start}{rest}" for start in ("clean.", "import.dropped_") for rest in MADE[start]}
    for tree in CODE.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) == "Change":
                counted |= {constants_of(node).get("rule", "")}
            elif isinstance(node, ast.Call) and called(node) == "changed" and isinstance(node.args[0], ast.Constant):
                counted |= {str(node.args[0].value)}
    assert [name for name in sorted(counted - {""}) if not rulebook()[name].change] == []


def constants_of(call: ast.Call) -> dict[str, str]:
    return {str(each.arg): str(each.value.value) for each in call.keywords if isinstance(each.value, ast.Constant)}


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_a_sample_shows_each_rule_about_data() -> None:
    shown = "\n".join(path.read_text(encoding="utf-8") for path in SAMPLES.glob("*/*/expected.txt"))
    seen = set(NAME.findall(shown))
    unseen = {name for name, rule in rulebook().items() if name not in seen and not rule.stops}
    assert unseen - NO_SAMPLE.keys() == set()
    assert NO_SAMPLE.keys() - unseen == set()


def test_every_family_has_its_words() -> None:
    assert {rule.family for rule in rulebook().values()} == {file.stem for file in FILES}
    assert {file.stem for file in FILES} - FAMILIES.keys() == set()


def test_the_pages_on_disk_are_those_of_the_rulebook(pytestconfig: pytest.Config) -> None:
    made = pages(SAMPLES)
    if pytestconfig.getoption("--rewrite-rules"):
        rewrite(made)
    found = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    assert found == made, "run pytest tests/test_rulebook.py --rewrite-rules"


def rewrite(made: Mapping[str, str]) -> None:
    PAGES.mkdir(parents=True, exist_ok=True)
    for path in PAGES.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (PAGES / name).write_text(text, encoding="utf-8")


def test_links_of_the_pages_lead_somewhere() -> None:
    made = pages(SAMPLES)
    headings = {line.removeprefix("## ") for line in made["README.md"].splitlines() if line.startswith("## ")}
    for text in made.values():
        for target in re.findall(r"\]\(([^)]*)\)", text):
            name, _, anchor = target.partition("#")
            assert name in made or (PAGES / name).is_dir()
            assert not anchor or anchor in headings


RULE = Rule(
    id="csv.ragged",
    severity="error",
    summary="A row has more cells.",
    why="It hurts.",
    fix="Mend it.",
    preview=True,
    thresholds={"cells": 3, "share": 0.5},
)


def test_a_page_says_how_bad_a_rule_is_and_how_to_set_it() -> None:
    text = page(RULE, Example("samples/bad/ragged-row", "products.csv:3: 9 cells [csv.ragged]"))
    assert text.startswith("# csv.ragged\n\nerror, preview · [csv](README.md#csv)\n")
    for words in ("A row has more cells.", "It hurts.", "Mend it.", "products.csv:3: 9 cells [csv.ragged]"):
        assert words in text
    assert "vlmdata validate --ignore csv.ragged" in text
    assert "vlmdata validate --select csv.ragged" in text
    settings = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    assert settings == [
        {"tool": {"vlmdata": {"rules": {"csv.ragged": {"severity": "error", "cells": 3, "share": 0.5}}}}},
        {"tool": {"vlmdata": {"ignore": ["csv.ragged"]}}},
    ]


def test_what_stops_a_build_and_what_is_only_counted_are_not_to_be_ignored() -> None:
    for name in ("recipe.template", "clean.nfc"):
        assert "--ignore" not in page(rulebook()[name])
        assert "toml" not in page(rulebook()[name]).replace("pyproject.toml", "")


def test_a_page_for_a_terminal_says_the_same_in_lines_that_fit() -> None:
    for rule in rulebook().values():
        text = text_page(rule)
        assert rule.summary.split()[-1] in text
        assert max(map(len, text.splitlines())) <= 100


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = exit_code_of(lambda: app(["rule", *words]), name="vlmdata")
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_lists_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answered(capsys)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(rulebook())
    code, out, _ = answered(capsys, "csv")
    assert [line.split()[0] for line in out.splitlines()] == [name for name in rulebook() if name.startswith("csv.")]


def test_the_command_explains_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answered(capsys, "csv.ragged")
    assert code == 0
    assert out == f"{text_page(rulebook()['csv.ragged'])}\n"


def test_the_command_answers_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answered(capsys, "csv.ragged", "--format", "json")
    assert json.loads(out)["severity"] == "error"
    _, out, _ = answered(capsys, "--format", "json")
    assert [entry["id"] for entry in json.loads(out)] == list(rulebook())


def test_a_misspelt_rule_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answered(capsys, "csv.raged")
    assert (code, out) == (2, "")
    assert err == "there is no rule 'csv.raged'; did you mean 'csv.ragged'?\n"
    assert "`vlmdata rule` lists them all" in answered(capsys, "xyz.q")[2]
