"""Whole runs by the Batch API against a server on this machine: any order, half a job, lines that fail."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.description.catalog import PRICES, Catalog, described
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.gemini_jobs import BatchPlan
from tests.vlmdata.description.servers.script import Script
from vlmdata.errors import RecipeError

pytestmark = pytest.mark.usefixtures("key", "fast")


def half_price(server: GeminiServer) -> Decimal:
    """What the server's bill comes to, at half the price."""
    tokens = server.tokens
    return (tokens["input"] * Decimal("0.3") + tokens["output"] * Decimal("2.5")) / 1_000_000 / 2


def texts(catalog: Catalog) -> dict[str, str]:
    """What the journal holds, by the requests' keys."""
    return {entry["key"]: entry["text"] for entry in catalog.entries() if entry.get("ended") == "stop"}


def test_a_batch_in_any_order_gives_each_row_the_text_that_a_single_request_does(catalog: Catalog) -> None:
    catalog.write(20)
    with GeminiServer(batch=BatchPlan(looks=2)) as server:
        result = described(catalog.recipe(), server, batch=True)
        in_batch = texts(catalog)
    assert (result.tally.described, result.stopped, result.requests) == (20, None, 1)
    catalog.journal.unlink()
    with GeminiServer() as server:
        described(catalog.recipe(), server)
    assert texts(catalog) == in_batch


def test_what_an_expired_batch_left_is_handed_in_once_more_and_nothing_is_paid_twice(catalog: Catalog) -> None:
    catalog.write(16)
    with GeminiServer(batch=BatchPlan(end="EXPIRED", share=0.5)) as server:
        first = described(catalog.recipe(prices=PRICES), server, batch=True)
        assert (first.tally.described, first.tally.left) == (12, 4)  # half of 16, and half of what was left
        server.jobs.plan = BatchPlan()
        second = described(catalog.recipe(prices=PRICES), server, batch=True)
        assert server.paid_twice == 0
        assert second.spent == half_price(server)
    assert (second.tally.known, second.tally.described, second.tally.left) == (12, 16, 0)
    assert len(texts(catalog)) == 16


def test_a_batch_that_fails_as_a_whole_describes_nothing_and_reserves_nothing(catalog: Catalog) -> None:
    catalog.write(4)
    recipe = catalog.recipe(prices=PRICES, max_cost=0.01)
    with GeminiServer(batch=BatchPlan(end="FAILED", share=0)) as server:
        result = described(recipe, server, batch=True)
        assert (result.tally.left, result.spent) == (4, 0)
    with GeminiServer() as server:
        assert described(recipe, server).tally.described == 4


def test_lines_that_fail_reject_their_rows_and_no_other(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(5)
    acts: Any = {"Chair 1 ": ["bad_image"], "Chair 2 ": ["blocked_answer"], "Chair 3 ": ["cut"]}
    recipe = catalog.recipe()
    with GeminiServer(Script(by_text=acts)) as server:
        described(recipe, server, batch=True)
    built = vlmdata.build(recipe, tmp_path / "out")
    assert built.ledger.rejected_by_rule == {"describe.invalid": 1, "describe.blocked": 1, "describe.cut": 1}
    assert built.ledger.conversations_accepted == 2


def test_a_torn_file_of_answers_loses_one_row_which_is_asked_again(catalog: Catalog) -> None:
    catalog.write(5)
    with GeminiServer(batch=BatchPlan(torn=True, in_order=True)) as server:
        result = described(catalog.recipe(), server, batch=True)
    assert result.tally.described >= 4
    assert all(json.loads(line) for line in catalog.journal.read_text(encoding="utf-8").splitlines())


def test_only_gemini_takes_batches(catalog: Catalog) -> None:
    catalog.write(1)
    recipe = catalog.recipe(provider="openai_compatible")
    with pytest.raises(RecipeError, match="takes no batches"):
        vlmdata.describe(recipe, batch=True)
