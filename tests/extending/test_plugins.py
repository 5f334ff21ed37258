"""Code from outside in recipes and settings: run only with leave, and to blame for what it does wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

import vlmdata
from tests.extending.outside import EXAMPLE
from vlmdata import plugins
from vlmdata.cli import main
from vlmdata.errors import ConfigError, PluginError, RecipeError, SourceError
from vlmdata.pipeline import build
from vlmdata.plugins import own_options
from vlmdata.recipe import SourceConfig
from vlmdata.reports.findings import rendered
from vlmdata.rules import built_in_rules, rulebook
from vlmdata.source import open_source

SHOP = EXAMPLE / "shop"
RULES = """
from vlmdata.record import Problem
from vlmdata.rule_plugins import RulePlugin
from vlmdata.rules import Rule

CHEAP = Rule(id="shop.cheap", severity="error", summary="It says cheap.", why="It is not.", fix="Say it otherwise.")

def check(settings):
    def look(batch):
        for name, turns in zip(batch.column("id").to_pylist(), batch.column("messages").to_pylist()):
            text = turns[-1]["content"][0]["text"]
            if "boom" in text:
                raise ZeroDivisionError("boom!")
            if "stranger" in text:
                yield Problem(rule="shop.cheap", message="x", id="nobody")
            if "foreign" in text:
                yield Problem(rule="text.empty", message="x", id=name)
            if "word" in text:
                yield "cheap"
            if "cheap" in text:
                yield Problem(rule="shop.cheap", message="says cheap", id=name)
    return look

class Whole:
    def __init__(self, settings):
        self.rows = 0
    def see(self, split, batch):
        self.rows += batch.num_rows
        if self.rows > 90:
            raise ValueError("too many")
    def findings(self):
        if self.rows > 80:
            raise ValueError("still too many")
        return []

RULES = RulePlugin(rules=(CHEAP,), check=check, dataset_check=Whole)
HALF = RulePlugin(rules=(Rule(id="text.cheap", summary="x", why="x", fix="x"),))
OTHER = RulePlugin(rules=(Rule(id="shop.cheap", summary="Other.", why="x", fix="x"),))
NOTHING = None
"""


def recipe_file(folder: Path, *texts: str, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    rows = "\n".join(json.dumps({"id": f"r{number}", "text": text}) for number, text in enumerate(texts))
    (folder / "rows.jsonl").write_text(f"{rows}\n", encoding="utf-8")
    data = {
        "contract": "record.v1",
        "source": {"type": "jsonl", "path": "rows.jsonl"},
        "id": "id",
        "conversations": [{"user": ["What is it?"], "assistant": "{{ text }}"}],
        "check": {"plugins": ["shop_rules:RULES"]},
        **more,
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return file


@pytest.fixture
def rules(outside: Path) -> Path:
    (outside / "shop_rules.py").write_text(RULES, encoding="utf-8")
    return outside


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["vlmdata", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.usefixtures("shop_plugins")
def test_without_leave_a_recipe_is_refused_and_nothing_is_imported() -> None:
    with pytest.raises(RecipeError) as caught:
        vlmdata.load_recipe(SHOP / "recipe.yaml", allow_plugins=False)
    said = [(problem.rule, problem.field, problem.line) for problem in caught.value.problems]
    assert said == [("settings.plugin", "source.type", 4), ("settings.plugin", "check.plugins[0]", 14)]
    assert "is code that does not come with vlmdata, and is not run unasked;" in str(caught.value)
    assert "shop_plugins" not in sys.modules


@pytest.mark.usefixtures("shop_plugins")
def test_the_command_line_asks_for_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(monkeypatch, "build", SHOP / "recipe.yaml", "--out", out) == 2
    assert "add --allow-plugins if you trust it" in capsys.readouterr().err
    assert not out.exists()
    assert run(monkeypatch, "build", SHOP / "recipe.yaml", "--out", out, "--allow-plugins") == 0
    said = capsys.readouterr().out
    assert "products.till:20: found 'Tray of wood', expected `key: value` [shop.line] put the key before it" in said
    assert "products.till:13 messages[1]: the description names a price [shop.price]" in said
    assert vlmdata.open(out)["train"]["id"] == ["MUG-1", "LAMP-1"]


def test_the_manifest_names_what_was_run(shop_plugins: Path, tmp_path: Path) -> None:
    built = vlmdata.build(vlmdata.load_recipe(SHOP / "recipe.yaml"), tmp_path / "out")
    manifest = json.loads((built.path / "manifest.json").read_text(encoding="utf-8"))
    names = [each["name"] for each in manifest["plugins"]]
    assert names == ["shop_plugins.till:open_till", "shop_plugins.rules:RULES"]
    assert all(len(each["sha256"]) == 64 and each["package"] is None for each in manifest["plugins"])
    assert str(shop_plugins) not in json.dumps(manifest)


def test_other_code_of_a_plugin_begins_the_scan_anew(rules: Path, tmp_path: Path) -> None:
    from vlmdata.journal import scan_key

    recipe = vlmdata.load_recipe(recipe_file(tmp_path / "a", "A mug."))
    key = scan_key(recipe, open_source(recipe.source))
    assert scan_key(recipe, open_source(recipe.source)) == key
    (rules / "shop_rules.py").write_text(RULES + "\n# changed\n", encoding="utf-8")
    plugins.identity.cache_clear()
    assert scan_key(recipe, open_source(recipe.source)) != key


def test_an_installed_plugin_is_named_with_its_version() -> None:
    assert str(plugins.identity("yaml:safe_load")["package"]).lower().startswith("pyyaml ")


@pytest.mark.usefixtures("shop_plugins")
def test_a_built_dataset_renders_without_its_plugins(tmp_path: Path) -> None:
    vlmdata.build(vlmdata.load_recipe(SHOP / "recipe.yaml"), tmp_path / "out")
    sys.modules.pop("shop_plugins.till")
    (prompt,) = vlmdata.render([{"title": "Pot", "images": [SHOP / "photos" / "mug.png"]}], using=tmp_path / "out")
    assert prompt.messages[0].content[-1].text == "Describe this product: Pot."
    assert "shop_plugins.till" not in sys.modules
    with pytest.raises(PluginError, match="is not run unasked"):
        vlmdata.render_source(tmp_path / "out", input=SHOP / "products.till")
    rows = vlmdata.render_source(
        tmp_path / "out", input=SHOP / "products.till", image_roots=[SHOP / "photos"], allow_plugins=True
    )
    assert len(list(rows.rows())) == 4


@pytest.mark.usefixtures("shop_plugins")
def test_a_built_dataset_is_split_anew_without_its_plugins(tmp_path: Path) -> None:
    built = vlmdata.build(vlmdata.load_recipe(SHOP / "recipe.yaml"), tmp_path / "out")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_plugins"]:
        del sys.modules[name]
    vlmdata.split(built.path, tmp_path / "anew", {"train": 0.5, "test": 0.5})
    assert "shop_plugins" not in sys.modules
    before, after = (
        json.loads((path / "manifest.json").read_text(encoding="utf-8")) for path in (built.path, tmp_path / "anew")
    )
    assert after["plugins"] == before["plugins"]
    assert after["recipe"]["check"] == before["recipe"]["check"]


@pytest.mark.usefixtures("shop_plugins")
def test_a_validation_knows_the_rules_everywhere() -> None:
    found = vlmdata.validate(SHOP / "recipe.yaml", allow_plugins=True)
    assert {problem.rule: problem.severity for problem in found.problems} == {
        "shop.line": "error",
        "shop.price": "error",
        "shop.brand": "warning",
    }
    (price,) = [problem for problem in found.problems if problem.rule == "shop.price"]
    assert (price.id, price.source, price.line) == ("BOX-1", "products.till", 13)
    (driver,) = [run["tool"]["driver"] for run in json.loads(rendered(found, "sarif"))["runs"]]
    (rule,) = [rule for rule in driver["rules"] if rule["id"] == "shop.price"]
    assert "Prices change" in rule["help"]["text"]
    assert "docs/rules" not in rule["help"]["text"]
    assert "A description names a price" in rendered(found, "html")


@pytest.mark.usefixtures("rules")
def test_rules_of_a_plugin_are_selected_ignored_and_settled_as_ours_are(
    tmp_path: Path,
) -> None:
    file = recipe_file(tmp_path / "a", "A cheap mug.", "A mug of stoneware.")
    assert vlmdata.validate(file, ignore=["shop.cheap"], allow_plugins=True).problems == ()
    assert vlmdata.validate(file, select=["text"], allow_plugins=True).problems == ()
    assert [problem.rule for problem in vlmdata.validate(file, select=["shop"], allow_plugins=True).problems] == [
        "shop.cheap"
    ]
    settled = {"plugins": ["shop_rules:RULES"], "rules": {"shop.cheap": {"severity": "warning"}}}
    (problem,) = vlmdata.validate(
        recipe_file(tmp_path / "b", "A cheap mug.", check=settled), allow_plugins=True
    ).problems
    assert problem.severity == "warning"
    with pytest.raises(ConfigError, match=r"did you mean 'shop\.cheap'"):
        vlmdata.validate(file, select=["shop.chep"], allow_plugins=True)


@pytest.mark.usefixtures("rules")
def test_a_settings_file_brings_rules_to_a_built_dataset(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = recipe_file(tmp_path / "a", "A cheap mug.", "A mug of stoneware.", check={})
    out = tmp_path / "a" / "out"
    vlmdata.build(vlmdata.load_recipe(plain), out)
    (tmp_path / "a" / "vlmdata.toml").write_text('plugins = ["shop_rules:RULES"]\n', encoding="utf-8")
    assert [problem.rule for problem in vlmdata.validate(out, allow_plugins=True).problems] == ["shop.cheap"]
    with pytest.raises(ConfigError, match="1 problem") as refused:
        vlmdata.validate(out)
    assert "is code that does not come with vlmdata" in str(refused.value.problems[0])
    assert run(monkeypatch, "validate", out) == 2
    assert (
        "vlmdata.toml:1 plugins[0]: shop_rules:RULES is code that does not come with vlmdata" in capsys.readouterr().out
    )
    assert run(monkeypatch, "validate", out, "--allow-plugins", "--select", "shop.cheap") == 1
    assert "rows.jsonl:1 r0: says cheap [shop.cheap]" in capsys.readouterr().out


@pytest.mark.usefixtures("rules")
def test_settings_that_a_recipe_extends_bring_their_rules(tmp_path: Path) -> None:
    file = recipe_file(tmp_path / "a", "A cheap mug.", check={"extends": "shared.toml", "ignore": ["shop.cheap"]})
    (tmp_path / "a" / "shared.toml").write_text('plugins = ["shop_rules:RULES"]\n', encoding="utf-8")
    assert vlmdata.load_recipe(file).check.plugins == ("shop_rules:RULES",)
    with pytest.raises(ConfigError, match="is not run unasked"):
        vlmdata.load_recipe(file, allow_plugins=False)


@pytest.mark.usefixtures("rules")
def test_a_rule_of_a_plugin_is_explained(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "rule", "shop.cheap") == 2
    capsys.readouterr()
    assert run(monkeypatch, "rule", "shop.cheap", "--plugin", "shop_rules:RULES") == 0
    assert "It is not." in capsys.readouterr().out


@pytest.mark.usefixtures("rules")
def test_our_rulebook_stays_ours(tmp_path: Path) -> None:
    vlmdata.load_recipe(recipe_file(tmp_path / "a", "A mug."))
    assert set(rulebook()) - set(built_in_rules()) == {"shop.cheap"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shop_rulez:RULES", "there is no module 'shop_rulez'; install its package, or name its folder in PYTHONPATH"),
        ("shop_rules:RULEZ", "the module 'shop_rules' has no 'RULEZ'; did you mean 'RULES'?"),
        ("shop_rules:CHEAP", "shop_rules:CHEAP is of the type Rule, expected a vlmdata.rule_plugins.RulePlugin"),
        ("shop_rules:NOTHING", "shop_rules:NOTHING is of the type NoneType, expected"),
        ("shop_rules:HALF", "the family 'text' of text.cheap is vlmdata's own; take another"),
        ("shop_rules", "found 'shop_rules', expected package.module:NAME"),
        (
            "needs_more:RULES",
            "needs_more:RULES raised ModuleNotFoundError: No module named 'more_of_it' (needs_more.py:1)",
        ),
        ("broken:RULES", "broken:RULES raised ZeroDivisionError: division by zero (broken.py:2) while it was imported"),
        ("wrong:RULES", "wrong:RULES raised SyntaxError"),
    ],
)
def test_a_plugin_that_can_not_be_used_is_explained_where_it_is_named(
    name: str, words: str, rules: Path, tmp_path: Path
) -> None:
    (rules / "needs_more.py").write_text("import more_of_it\n", encoding="utf-8")
    (rules / "broken.py").write_text("\nRULES = 1 / 0\n", encoding="utf-8")
    (rules / "wrong.py").write_text("RULES = (\n", encoding="utf-8")
    file = recipe_file(tmp_path / "a", "A mug.", check={"plugins": [name]})
    with pytest.raises(RecipeError) as caught:
        vlmdata.load_recipe(file)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert (problem.rule, problem.field) == ("settings.plugin", "check.plugins[0]")
    assert problem.line


@pytest.mark.usefixtures("rules")
def test_two_plugins_with_one_rule_are_refused(tmp_path: Path) -> None:
    both = {"plugins": ["shop_rules:RULES", "shop_rules:OTHER"]}
    with pytest.raises(RecipeError, match=r"the rule shop\.cheap is another plug-in's already"):
        vlmdata.load_recipe(recipe_file(tmp_path / "a", "A mug.", check=both))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("boom", r"shop_rules:RULES raised ZeroDivisionError: boom! \(shop_rules.py:13\) at rows.jsonl:2"),
        ("stranger", "names the record 'nobody', which is not in the batch it was given"),
        ("foreign", r"names the rule 'text.empty', which is none of its own \(shop.cheap\)"),
        ("word", "found 'cheap', which is no vlmdata.Problem"),
    ],
)
@pytest.mark.usefixtures("rules")
def test_a_check_that_fails_stops_the_build_and_is_named_with_its_row(
    text: str,
    words: str,
    tmp_path: Path,
) -> None:
    file = recipe_file(tmp_path / "a", "A mug.", text, "A pot.")
    with pytest.raises(PluginError, match=words):
        build(vlmdata.load_recipe(file), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(PluginError, match=words):
        vlmdata.validate(file, allow_plugins=True)


@pytest.mark.usefixtures("rules")
def test_a_failure_of_a_plugin_is_not_said_to_be_our_bug(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = recipe_file(tmp_path / "a", "A mug.", "boom")
    assert run(monkeypatch, "build", file, "--out", tmp_path / "out", "--allow-plugins") == 2
    assert "shop_rules:RULES raised ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(("rows", "words"), [(85, "still too many"), (95, "too many")])
@pytest.mark.usefixtures("rules")
def test_a_dataset_check_that_fails_is_named(rows: int, words: str, tmp_path: Path) -> None:
    file = recipe_file(tmp_path / "a", *(f"A mug of kind {number}." for number in range(rows)))
    with pytest.raises(PluginError, match=rf"shop_rules:RULES raised ValueError: {words} \(shop_rules.py:\d+\)"):
        vlmdata.validate(file, allow_plugins=True)


SOURCES = """
from dataclasses import dataclass
from vlmdata.record import Origin, RawRecord

@dataclass
class Shard:
    kind: str
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0
    def __iter__(self):
        for number in range(1, 4):
            if self.kind == "raises" and number == 3:
                raise KeyError("title")
            if self.kind == "gives" and number == 3:
                yield {"text": "x"}
            self.lines_read += 0 if self.kind == "miscounts" and number == 3 else 1
            yield RawRecord(origin=Origin(source="rows", row=number, line=number), values={"text": f"A mug {number}."})

@dataclass
class Source:
    kind: str
    columns = ("text",)
    files = ()
    def shards(self):
        return [Shard(self.kind)]

def open_rows(config):
    if config.options["kind"] == "opens":
        raise OSError("no till")
    if config.options["kind"] == "leaves":
        raise SystemExit(0)
    return 7 if config.options["kind"] == "is none" else Source(config.options["kind"])

ROWS = 7
"""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("raises", r"shop_rows:open_rows raised KeyError: 'title' \(shop_rows.py:14\) after rows:2"),
        ("gives", "shop_rows:open_rows gave a dict after rows:2, expected a RawRecord, Rejection or Skip"),
        ("miscounts", "its shard read 2 lines, and its rows and header have 3; every line belongs to"),
        ("opens", r"shop_rows:open_rows raised OSError: no till \(shop_rows.py:30\) while the source was opened"),
        ("leaves", r"shop_rows:open_rows raised SystemExit: 0 \(shop_rows.py:32\) while the source was opened"),
        ("is none", "shop_rows:open_rows made a int, which is no source: it has no columns, files, shards"),
    ],
)
def test_a_source_that_fails_stops_the_build_and_is_named_with_its_row(
    kind: str, words: str, outside: Path, tmp_path: Path
) -> None:
    (outside / "shop_rows.py").write_text(SOURCES, encoding="utf-8")
    source = {"type": "shop_rows:open_rows", "kind": kind}
    file = recipe_file(tmp_path / "a", source=source, id="text", check={})
    with pytest.raises(PluginError, match=words):
        build(vlmdata.load_recipe(file), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(PluginError, match=words):
        vlmdata.validate(file, allow_plugins=True)


def test_a_source_without_files_is_built(outside: Path, tmp_path: Path) -> None:
    (outside / "shop_rows.py").write_text(SOURCES, encoding="utf-8")
    source = {
        "type": "shop_rows:open_rows",
        "kind": "right",
        "delimiter": ["\n"],
        "dataset": 7,
        "of": "x",
        "where": "1",
    }
    built = build(
        vlmdata.load_recipe(recipe_file(tmp_path / "a", source=source, id="text", check={})), tmp_path / "out"
    )
    assert built.ledger.rows_read == 3
    with pytest.raises(
        RecipeError, match=r"shop_rows:ROWS is of the type int, expected a function \[settings.plugin\]"
    ):
        vlmdata.load_recipe(recipe_file(tmp_path / "a", source={"type": "shop_rows:ROWS"}, id="text", check={}))


@pytest.mark.usefixtures("shop_plugins")
def test_the_shards_of_a_build_and_their_join_ask_for_leave(tmp_path: Path) -> None:
    recipe = vlmdata.load_recipe(SHOP / "recipe.yaml")
    whole = vlmdata.build(recipe, tmp_path / "whole")
    for number in (1, 2):
        vlmdata.build_shard(recipe, tmp_path / "out", f"{number}/2")
    with pytest.raises(RecipeError, match="is not run unasked"):
        vlmdata.join(tmp_path / "out", allow_plugins=False)
    joined = vlmdata.join(tmp_path / "out")
    assert joined is not None
    assert (joined.path / "manifest.json").read_bytes() == (whole.path / "manifest.json").read_bytes()


@pytest.mark.parametrize("kind", ["shop.till:open_till:x", "7:x", "till:", ":till", "till till:x"])
def test_what_is_no_place_of_an_object_is_refused(kind: str, tmp_path: Path) -> None:
    file = recipe_file(tmp_path / "a", source={"type": kind}, id="text", check={})
    with pytest.raises(RecipeError, match=r"expected package.module:NAME \[settings.plugin\]"):
        vlmdata.load_recipe(file)


def test_a_misspelt_type_still_has_its_nearest_spelling(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"expected one of csv, json, .* did you mean 'jsonl'"):
        vlmdata.load_recipe(recipe_file(tmp_path / "a", source={"type": "jsnl", "path": "a"}, check={}))


@pytest.mark.usefixtures("shop_plugins")
def test_the_keys_of_a_source_are_checked_by_its_dataclass(tmp_path: Path) -> None:
    from shop_plugins.till import TillOptions

    def options(**keys: Any) -> Any:
        return own_options(TillOptions, SourceConfig(type="shop_plugins.till:open_till", options=keys))

    assert options().encoding == "utf-8"
    assert options(encoding="cp1252").encoding == "cp1252"
    with pytest.raises(SourceError) as caught:
        options(encodng="cp1252", encoding=7)
    assert str(caught.value) == dedent(
        """\
        shop_plugins.till:open_till: 2 of its keys can't be used
        source.encodng: unknown key 'encodng'; [settings.unknown_key] did you mean 'encoding'?
        source.encoding: found 7, expected text [settings.value]"""
    )
    recipe = vlmdata.load_recipe(SHOP / "recipe.yaml", set={"source.encodng": "cp1252"})
    with pytest.raises(SourceError, match="did you mean 'encoding'"):
        vlmdata.build(recipe, tmp_path / "out")


@pytest.mark.usefixtures("shop_plugins")
def test_a_run_names_a_family_and_a_metric_from_outside(tmp_path: Path) -> None:
    import vlmtrain
    from vlmtrain.metric import find

    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "dataset_dict.json").write_text("{}", encoding="utf-8")
    file = tmp_path / "run.yaml"
    file.write_text((SHOP / "run.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    config = vlmtrain.load_run(file)
    assert config.model.family == "shop_plugins.families:FAMILY"
    assert [metric.name for metric in find(config.eval.metrics)] == ["chrf", "brand_named"]
    with pytest.raises(vlmtrain.errors.RunError) as caught:
        vlmtrain.load_run(file, allow_plugins=False)
    assert [problem.field for problem in caught.value.problems] == ["model.family", "eval.metrics[1]"]
    with pytest.raises(vlmtrain.errors.RunError, match=r"found 'a b:c', expected package\.module:NAME \[run\.plugin\]"):
        vlmtrain.load_run(file, set={"eval.metrics": ["a b:c"]})


@pytest.mark.long
def test_other_processes_run_the_same_plugins(
    shop_plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(shop_plugins))
    recipe = vlmdata.load_recipe(SHOP / "recipe.yaml")
    here = vlmdata.build(recipe, tmp_path / "here")
    there = vlmdata.build(recipe, tmp_path / "there", engine="ray", workers=2)
    for name in ("manifest.json", "rejected.jsonl"):
        assert (there.path / name).read_bytes() == (here.path / name).read_bytes()
    with pytest.raises(SourceError, match="did you mean 'encoding'"):
        vlmdata.build(
            vlmdata.load_recipe(SHOP / "recipe.yaml", set={"source.encodng": "x"}), tmp_path / "other", engine="ray"
        )


@pytest.mark.long
def test_a_failure_in_another_process_is_named_the_same(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(rules))
    recipe = vlmdata.load_recipe(recipe_file(tmp_path / "a", "A mug.", "boom"))
    with pytest.raises(PluginError, match=r"shop_rules:RULES raised ZeroDivisionError: boom! .* at rows\.jsonl:2"):
        vlmdata.build(recipe, tmp_path / "out", engine="ray", workers=1)
