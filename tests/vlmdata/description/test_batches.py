"""Runs by jobs: answers in any order, jobs that end half done, runs that are killed while a job is under way."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.description.catalog import PRICES, Catalog, described
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.gemini_jobs import BatchPlan
from tests.vlmdata.description.servers.script import Script
from tests.vlmdata.description.test_describing import SCHEMA, cost_of
from vlmdata.description import batches
from vlmdata.description.journal import BatchJob, GroupCommit, Line

pytestmark = pytest.mark.usefixtures("key", "fast")


def test_a_batch_describes_what_single_requests_would_for_half_the_price(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(12, photos=2)
    with GeminiServer() as server:
        single = described(catalog.recipe(prices=PRICES), server)
        answers = catalog.answers()
    catalog.journal.unlink()
    with GeminiServer(batch=BatchPlan(looks=3)) as server:
        result = described(catalog.recipe(prices=PRICES, batch=True), server)
        assert len(server.jobs.made) == 1
        assert described(catalog.recipe(prices=PRICES, batch=True), server).requests == 0
    assert catalog.answers() == answers
    assert (result.tally.described, result.tally.left, result.stopped) == (12, 0, None)
    assert result.tally.spent == single.tally.spent / 2
    vlmdata.build(catalog.recipe(prices=PRICES), tmp_path / "out")


def test_what_a_batch_leaves_unanswered_is_handed_in_once_more(catalog: Catalog) -> None:
    catalog.write(20)
    with GeminiServer(batch=BatchPlan(end="EXPIRED", share=0.5)) as server:
        result = described(catalog.recipe(), server, batch=True)
        assert len(server.jobs.made) == 2
        assert server.paid_twice == 0
    assert result.tally.described + result.tally.left == 20
    assert 10 < result.tally.described < 20
    with GeminiServer() as server:
        assert described(catalog.recipe(), server, batch=True).tally.described == 20
        assert server.number == result.tally.left


def test_an_answer_of_another_form_is_handed_in_once_more_and_a_fault_too(catalog: Catalog) -> None:
    catalog.write(6)
    acts = {"Chair 1 ": ["truncated_answer"], "Chair 2 ": ["server_error"], "Chair 3 ": ["blocked_answer"]}
    with GeminiServer(Script(by_text=acts)) as server:  # type: ignore[arg-type]
        result = described(catalog.recipe(schema=SCHEMA, answer="{{ answer.text }}"), server, batch=True)
        assert len(server.jobs.made) == 2
        assert server.number == 8
    assert (result.tally.described, result.tally.rejected, result.tally.repaired) == (5, {"describe.blocked": 1}, 1)


def test_a_run_that_ends_while_a_job_is_under_way_leaves_it_to_the_next(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(5)
    recipe = catalog.recipe(batch=True, prices=PRICES)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with GeminiServer() as server:
        with monkeypatch.context() as patch:
            patch.setattr(batches.BatchRunner, "_end", killed)
            with pytest.raises(KeyboardInterrupt):
                described(recipe, server)
        result = described(recipe, server)
        assert (len(server.jobs.made), server.number) == (1, 5)
        assert result.spent == cost_of(server) / 2
    assert result.tally.described == 5


def test_a_job_whose_name_was_lost_is_found_and_not_paid_twice(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(5)
    recipe = catalog.recipe(batch=True)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with GeminiServer() as server:
        with monkeypatch.context() as patch:
            patch.setattr("vlmdata.description.journal.GroupCommit.append", killed)
            with pytest.raises(KeyboardInterrupt):
                described(recipe, server)
        assert catalog.entries() == []
        assert described(recipe, server).tally.described == 5
        assert (len(server.jobs.made), server.number) == (1, 5)


def test_a_job_that_asks_again_and_whose_name_was_lost_counts_as_lost(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(5)
    recipe = catalog.recipe(batch=True, prices=PRICES)
    append = GroupCommit.append

    async def killed(self: GroupCommit, entry: Line) -> None:
        if isinstance(entry, BatchJob):
            raise KeyboardInterrupt
        await append(self, entry)

    with GeminiServer(Script(by_text={"Chair 1 ": ["blocked_answer"]})) as server:
        assert described(recipe, server).tally.rejected == {"describe.blocked": 1}
        with monkeypatch.context() as patch:
            patch.setattr(GroupCommit, "append", killed)
            with pytest.raises(KeyboardInterrupt):
                described(recipe, server, retry_failed=True)
        result = described(recipe, server, retry_failed=True)
        assert len(server.jobs.made) == 3
    assert result.tally.described == 5
    assert len([line for line in catalog.entries() if "lost" in line]) == 1
    assert result.spent >= cost_of(server) / 2


def test_the_cap_holds_for_jobs_too(catalog: Catalog) -> None:
    catalog.write(30)
    recipe = catalog.recipe(batch=True, prices=PRICES, max_cost=0.002)
    with GeminiServer() as server:
        result = described(recipe, server)
        assert result.stopped == "cost"
        assert 0 < cost_of(server) / 2 == result.spent <= Decimal("0.002")
    assert 0 < result.tally.described < 30


def test_many_rows_go_into_several_jobs(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_ASKS", 7)
    catalog.write(20)
    with GeminiServer() as server:
        result = described(catalog.recipe(), server, batch=True)
        assert len(server.jobs.made) == 3
    assert result.tally.described == 20


def test_rows_that_are_asked_alike_stand_in_a_job_once_and_a_limit_holds(catalog: Catalog) -> None:
    catalog.write(6)
    table = catalog.folder / "products.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    alike = [line.replace("P2,", f"Q{number},", 1) for number in range(5) for line in lines if line.startswith("P2,")]
    table.write_text("\n".join([*lines, *alike]) + "\n", encoding="utf-8")
    with GeminiServer() as server:
        result = described(catalog.recipe(), server, batch=True, limit=4)
        assert server.number == 4
        assert (result.tally.rows, result.tally.described, result.tally.left) == (11, 9, 2)
        assert described(catalog.recipe(), server, batch=True).tally.described == 11
        assert server.number == 6
