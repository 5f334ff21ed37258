"""Runs of descriptions against a server on this machine, through the real SDK."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.description.catalog import PRICES, Catalog, answer_of, conversations, described
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.script import Script
from vlmdata.describing import DescribeResult
from vlmdata.description.journal import Journal, Line
from vlmdata.errors import ConfigError, RecipeError

pytestmark = pytest.mark.usefixtures("key", "fast")


def test_rows_without_a_text_get_one_and_a_persons_text_stays(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(5, texts={1: "A chair that a person has described with care."}, photos=2)
    recipe = catalog.recipe()
    with GeminiServer() as server:
        result = described(recipe, server)
        assert [len(seen.pictures) for seen in server.seen] == [2, 2, 2, 2]
    assert (result.tally.rows, result.tally.asked, result.tally.described, result.stopped) == (4, 4, 4, None)
    built = vlmdata.build(recipe, tmp_path / "out")
    rows = conversations(tmp_path / "out")
    assert answer_of(rows["P1"]) == "A chair that a person has described with care."
    assert rows["P1"]["provenance"] is None
    assert {name: answer_of(row) for name, row in rows.items() if name != "P1"} == catalog.texts()
    assert rows["P0"]["provenance"] == {
        "description": "gemini",
        "model": "gemini-test-001",
        "prompt_sha256": hashlib.sha256(
            json.dumps([None, recipe.describe.prompt, None], separators=(",", ":")).encode()  # type: ignore[union-attr]
        ).hexdigest(),
    }
    manifest = json.loads((built.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["described"]["rows"] == 4
    assert vlmdata.validate(built.path).errors == 0


def test_what_the_journal_holds_is_not_asked_again(catalog: Catalog) -> None:
    catalog.write(6)
    recipe = catalog.recipe(prices=PRICES)
    with GeminiServer() as server:
        first = described(recipe, server)
        second = described(recipe, server)
        assert server.number == 6
    assert (second.tally.known, second.tally.asked, second.requests) == (6, 0, 0)
    assert second.tally.saved == first.tally.spent > 0


def test_another_prompt_or_photo_is_asked_and_nothing_else(catalog: Catalog) -> None:
    catalog.write(4)
    with GeminiServer() as server:
        described(catalog.recipe(), server)
        (catalog.folder / "2-0.png").write_bytes((catalog.folder / "3-0.png").read_bytes())
        assert described(catalog.recipe(), server).tally.asked == 1
        changed = {"limits": {"concurrency": 3}, "prices": PRICES, "language": "en", "min_characters": 30}
        assert described(catalog.recipe(**changed), server).tally.asked == 0
        assert described(catalog.recipe(system="You write for a shop."), server).tally.asked == 4


def test_on_a_slow_disk_no_more_is_asked_than_a_kill_may_lose(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(40)
    concurrency, unkept = 4, []
    with GeminiServer() as server:
        write = Journal.write

        def slow(journal: Journal, entries: Sequence[Line]) -> None:
            time.sleep(0.03)
            unkept.append(server.number - len(journal))
            write(journal, entries)

        monkeypatch.setattr(Journal, "write", slow)
        assert described(catalog.recipe(limits={"concurrency": concurrency}), server).tally.described == 40
    assert 1 <= max(unkept) <= concurrency


def test_rows_that_are_asked_alike_are_asked_once(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(1)
    catalog.rows([[f"P{number}", "Chair", "Maker", "0-0.png", ""] for number in range(40)])
    recipe = catalog.recipe(prices=PRICES)
    with GeminiServer() as server:
        result = described(recipe, server)
        assert server.number == 1
    assert (result.tally.rows, result.tally.asked, result.tally.known, result.tally.described) == (40, 1, 39, 40)
    vlmdata.build(recipe, tmp_path / "out")
    assert len(conversations(tmp_path / "out")) == 40


FAULTS: list[tuple[str, str]] = [
    ("blocked_prompt", "describe.blocked"),
    ("blocked_answer", "describe.blocked"),
    ("cut", "describe.cut"),
    ("empty", "describe.empty"),
    ("bad_image", "describe.invalid"),
]


@pytest.mark.parametrize(("act", "rule"), FAULTS)
def test_an_answer_that_is_none_rejects_its_row_by_name(catalog: Catalog, tmp_path: Path, act: Any, rule: str) -> None:
    catalog.write(3)
    recipe = catalog.recipe()
    with GeminiServer(Script(by_text={"Chair 1 ": [act]})) as server:
        result = described(recipe, server)
        assert server.number == 3, "nothing is repeated blindly"
        assert result.tally.rejected == {rule: 1}
        again = described(recipe, server)
        assert (again.requests, again.tally.rejected) == (0, {rule: 1})
    built = vlmdata.build(recipe, tmp_path / "out")
    (rejection,) = built.rejections
    assert (rejection.rules, rejection.id) == ((rule,), "P1")
    assert rejection.problems[0].line == 3
    with GeminiServer() as server:
        assert described(recipe, server, retry_failed=True).tally.described == 3
        assert server.number == 1


@pytest.mark.parametrize("act", ["server_error", "unavailable", "reset", "not_json", "odd_json", "gateway_timeout"])
def test_a_row_that_only_meets_faults_is_rejected_once_its_attempts_are_used_up(catalog: Catalog, act: Any) -> None:
    catalog.write(3)
    recipe = catalog.recipe(limits={"attempts": 4})
    with GeminiServer(Script(by_text={"Chair 1 ": [act] * 99})) as server:
        result = described(recipe, server)
        assert server.number == 2 + 4
    assert (result.tally.described, result.tally.rejected) == (2, {"describe.failed": 1})


def test_too_many_requests_are_no_fault_of_a_row(catalog: Catalog) -> None:
    catalog.write(3)
    acts: list[Any] = ["rate_limit", "rate_limit_after", "rate_limit_detail"] * 10
    with GeminiServer(Script(by_text={"Chair 1 ": acts})) as server:
        result = described(catalog.recipe(limits={"attempts": 2}), server)
    assert (result.tally.described, result.faults) == (3, {"rate_limit": 30})


@pytest.mark.parametrize(("act", "words"), [("bad_key", "key"), ("no_model", "model"), ("daily_quota", "allowance")])
def test_what_no_row_can_get_over_stops_the_run(catalog: Catalog, act: Any, words: str, key: str) -> None:
    catalog.write(30)
    recipe = catalog.recipe()
    with GeminiServer(Script(by_number=dict.fromkeys(range(1, 99), act))) as server:
        result = described(recipe, server)
        assert server.number <= 16
    assert result.stopped == "fault"
    assert words in result.message
    assert key not in result.message
    assert catalog.entries() == []


def test_where_nothing_is_answered_the_run_stops_before_every_row_has_failed(catalog: Catalog) -> None:
    catalog.write(60)
    recipe = catalog.recipe(limits={"concurrency": 4})
    with GeminiServer(Script(by_number=dict.fromkeys(range(1, 999), "server_error"))) as server:
        result = described(recipe, server)
        assert server.number < 40
    assert result.stopped == "outage"
    assert len(catalog.entries()) < 10


def test_a_provider_that_has_no_room_for_long_stops_the_run(catalog: Catalog) -> None:
    catalog.write(4)
    with GeminiServer(Script(by_number=dict.fromkeys(range(1, 9999), "rate_limit_after"))) as server:
        result = described(catalog.recipe(limits={"patience": 60}), server)
    assert result.stopped == "patience"
    assert catalog.entries() == []


SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.mark.parametrize("act", ["truncated_answer", "other_answer"])
def test_an_answer_of_another_form_is_asked_for_once_more(catalog: Catalog, act: Any) -> None:
    catalog.write(3)
    recipe = catalog.recipe(schema=SCHEMA, answer="{{ answer.text }}", prices=PRICES)
    with GeminiServer(Script(by_text={"Chair 1 ": [act]})) as server:
        result = described(recipe, server)
        assert server.number == 4
        assert result.spent == cost_of(server)
    assert (result.tally.described, result.tally.repaired) == (3, 1)
    with GeminiServer(Script(by_text={"Chair 1 ": [act, act, act]})) as server:
        result = described(catalog.recipe(schema=SCHEMA, answer="{{ answer.text }}", temperature=0.5), server)
        assert server.number == 4
    assert (result.tally.described, result.tally.rejected) == (2, {"describe.json": 1})


def cost_of(server: GeminiServer) -> Decimal:
    """What is on the server's bill, by the prices."""
    return (Decimal("0.3") * server.tokens["input"] + Decimal("2.5") * server.tokens["output"]) / 1_000_000


@pytest.mark.parametrize("count", [150, pytest.param(2_000, marks=pytest.mark.long)])
def test_every_row_ends_described_or_rejected_through_a_fifth_of_faults(
    catalog: Catalog, tmp_path: Path, count: int
) -> None:
    catalog.write(count)
    recipe = catalog.recipe(prices=PRICES, max_cost=50.0, limits={"attempts": 3})
    acts: Any = (
        "rate_limit",
        "rate_limit_after",
        "server_error",
        "unavailable",
        "reset",
        "blocked_answer",
        "cut",
        "empty",
    )
    with GeminiServer(Script(chance=0.2, faults=acts), keep=False) as server:
        result = described(recipe, server)
        assert server.paid_twice == 0
    tally = result.tally
    assert result.stopped is None
    assert (tally.rows, tally.left) == (count, 0)
    assert tally.described + tally.rejected.total() == count
    assert tally.described > count * 0.8
    assert tally.spent <= cost_of(server) <= tally.spent + result.lost == result.spent
    built = vlmdata.build(recipe, tmp_path / "out")
    assert built.ledger.rows_read == count
    assert built.ledger.rejected_by_rule == tally.rejected
    assert built.ledger.conversations_accepted == tally.described


@pytest.mark.parametrize("cap", [0.001, 0.00251, 0.01])
def test_the_cap_holds_to_the_last_digit(catalog: Catalog, tmp_path: Path, cap: float) -> None:
    catalog.write(150)
    recipe = catalog.recipe(prices=PRICES, max_cost=cap)
    acts: Any = ("reset", "server_error", "blocked_answer")
    with GeminiServer(Script(chance=0.2, faults=acts), keep=False) as server:
        result = described(recipe, server)
        assert result.stopped == "cost"
        assert cost_of(server) <= result.spent <= Decimal(str(cap))
        again = described(recipe, server)
        assert (again.stopped, again.requests) == ("cost", 0)
    assert 0 < result.tally.asked < 150
    with GeminiServer() as server:
        built = built_with(recipe, server, tmp_path / "out")
        assert server.number == 0
    assert built.ledger.rejected_by_rule["describe.missing"] == 150 - result.tally.described - missing(result)


def missing(result: DescribeResult) -> int:
    return result.tally.rejected.total()


def built_with(recipe: vlmdata.Recipe, server: GeminiServer, out: Path) -> vlmdata.BuildResult:
    """A build that may ask a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMDATA_DESCRIBE_ENDPOINT", server.url)
        return vlmdata.build(recipe, out)


def test_a_build_asks_for_what_is_missing_and_the_same_journal_gives_the_same_bytes(
    catalog: Catalog, tmp_path: Path
) -> None:
    catalog.write(40, texts={7: "A person wrote this text about the chair."})
    recipe = catalog.recipe()
    with GeminiServer(Script(by_text={"Chair 9 ": ["blocked_answer"]})) as server:
        built = built_with(recipe, server, tmp_path / "first")
        assert server.number == 39
    for workers in (1, 3):
        again = vlmdata.build(recipe, tmp_path / f"again-{workers}", workers=workers)
        assert bytes_of(again.path) == bytes_of(built.path)


def bytes_of(out: Path) -> dict[str, str]:
    """The sha256 of every file but the log."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "build-log.json")
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_without_a_key_nothing_is_asked_and_its_variable_is_named(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(2)
    monkeypatch.delenv("GEMINI_API_KEY")
    with pytest.raises(ConfigError, match="GEMINI_API_KEY or GOOGLE_API_KEY is not set"):
        vlmdata.describe(catalog.recipe())
    monkeypatch.setenv("VLMDATA_OFFLINE", "1")
    with pytest.raises(ConfigError, match="VLMDATA_OFFLINE is set"):
        vlmdata.describe(catalog.recipe())


def test_examples_of_the_catalog_show_language_and_voice(catalog: Catalog) -> None:
    texts = {2: "Ein Stuhl aus Eiche.", 3: "Ein Stuhl aus Buche.", 4: "Ein Stuhl aus Esche."}
    catalog.write(6, texts=texts)
    with GeminiServer() as server:
        described(catalog.recipe(examples={"rows": 2}), server)
        seen = server.seen[0]
        assert [text for role, text in seen.earlier if role == "model"] == [texts[2], texts[3]]
        described(catalog.recipe(examples={"ids": ["P4", "P2"], "pictures": False}), server)
        assert [text for role, text in server.seen[-1].earlier if role == "model"] == [texts[4], texts[2]]
    with pytest.raises(RecipeError, match="has the id 'P9'"):
        vlmdata.describe(catalog.recipe(examples={"ids": ["P9"]}))


def test_a_limit_asks_for_so_many_rows(catalog: Catalog) -> None:
    catalog.write(20)
    with GeminiServer() as server:
        described(catalog.recipe(), server, limit=7)
        assert server.number == 7
        described(catalog.recipe(), server, limit=7)
        assert server.number == 14


def test_redo_asks_again_for_what_a_rule_rejected(catalog: Catalog) -> None:
    catalog.write(5)
    with GeminiServer(Script(by_text={"Chair 1 ": ["cut"], "Chair 2 ": ["blocked_answer"]})) as server:
        described(catalog.recipe(), server)
        result = described(catalog.recipe(), server, redo="describe.cut")
        assert server.number == 6
    assert (result.tally.described, result.tally.rejected) == (4, {"describe.blocked": 1})


def test_a_column_that_the_source_has_not_is_made_where_the_recipe_says_so(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(3)
    table = catalog.folder / "products.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",description", "").replace(".png,", ".png"), "utf-8")
    with GeminiServer() as server:
        with pytest.raises(RecipeError, match="the source has no column 'description'"):
            described(catalog.recipe(), server)
        recipe = catalog.recipe(new_column=True)
        assert described(recipe, server).tally.described == 3
    vlmdata.build(recipe, tmp_path / "out")
    assert len(conversations(tmp_path / "out")) == 3


def test_a_rule_that_is_ignored_rejects_no_written_text(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(2)
    with GeminiServer() as server:
        strict = described(catalog.recipe(min_characters=5_000), server)
        assert strict.tally.rejected == {"describe.too_short": 2}
        recipe = catalog.recipe(min_characters=5_000, beside={"check": {"ignore": ["describe.too_short"]}})
        assert described(recipe, server).tally.described == 2
    assert vlmdata.build(recipe, tmp_path / "out").ledger.conversations_accepted == 2


def test_a_journal_that_holds_everything_is_left_as_it_is(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(3)
    recipe = catalog.recipe()
    with GeminiServer() as server:
        described(recipe, server)
    before = (catalog.journal.stat().st_mtime_ns, catalog.journal.read_bytes())
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.setenv("VLMDATA_OFFLINE", "1")
    vlmdata.build(recipe, tmp_path / "out")
    assert (catalog.journal.stat().st_mtime_ns, catalog.journal.read_bytes()) == before


def test_a_recipe_can_be_validated_before_and_after(catalog: Catalog) -> None:
    catalog.write(3)
    catalog.recipe()
    path = catalog.folder / "recipe.yaml"
    before = vlmdata.validate(path)
    assert {problem.rule for problem in before.problems if problem.severity == "error"} >= {"describe.missing"}
    with GeminiServer() as server:
        described(catalog.recipe(), server)
    assert vlmdata.validate(path).errors == 0


def test_shards_look_up_what_was_written_and_ask_nobody(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(30)
    recipe = catalog.recipe()
    with GeminiServer() as server:
        whole = built_with(recipe, server, tmp_path / "whole")
        asked = server.number
        for shard in ("1/2", "2/2"):
            vlmdata.build_shard(recipe, tmp_path / "joined", shard)
        joined = vlmdata.join(tmp_path / "joined")
        assert server.number == asked == 30
    assert joined is not None
    assert bytes_of(joined.path) == bytes_of(whole.path)
