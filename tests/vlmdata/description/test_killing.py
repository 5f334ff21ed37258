"""A run that is killed, interrupted, or ends for want of money goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.description.catalog import PRICES, Catalog, described, environment
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.gemini_jobs import BatchPlan
from tests.vlmdata.description.servers.script import Script
from tests.vlmdata.description.test_describing import bytes_of

pytestmark = pytest.mark.usefixtures("key")


def started(catalog: Catalog, server: GeminiServer) -> subprocess.Popen[str]:
    """`vlmdata describe` in a process of its own."""
    words = [sys.executable, "-m", "vlmdata.cli", "describe", str(catalog.folder / "recipe.yaml")]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=environment(server), stdout=pipe, stderr=pipe, text=True)


def wait_for(server: GeminiServer, requests: int, process: subprocess.Popen[str]) -> None:
    """Until the server has seen so many requests, or the process is at its end."""
    while server.number < requests and process.poll() is None:
        time.sleep(0.002)


def kill_again_and_again(catalog: Catalog, kills: int, chance: random.Random) -> tuple[int, int]:
    """Kill runs until one comes to its end; how many there were, and how many answers were paid twice."""
    with GeminiServer() as server:
        for number in range(kills + 1):
            process = started(catalog, server)
            if number < kills:
                wait_for(server, server.number + chance.randrange(1, 14), process)
                process.kill()
            process.communicate()
        twice = sum(times - 1 for times in server.paid.values())
        assert process.returncode == 0
    return kills, twice


@pytest.mark.long
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_killed_at_random_moments_the_dataset_is_that_of_an_unbroken_run(
    catalog: Catalog, tmp_path: Path, kills: int
) -> None:
    catalog.write(10 * kills + 20)
    concurrency = 4
    recipe = catalog.recipe(limits={"concurrency": concurrency}, prices=PRICES)
    _, twice = kill_again_and_again(catalog, kills, random.Random(kills))
    assert twice <= kills * concurrency, "only what was on its way at a kill may be paid for again"
    broken = vlmdata.build(recipe, tmp_path / "broken")
    texts = catalog.texts()
    assert len(texts) == 10 * kills + 20
    catalog.journal.unlink()
    with GeminiServer() as server:
        described(recipe, server)
    assert catalog.texts() == texts
    assert bytes_of(vlmdata.build(recipe, tmp_path / "whole").path) == bytes_of(broken.path)


def until_killed(command: list[str], server: GeminiServer, reached: Callable[[], bool]) -> int | None:
    """Run a command and kill it where something is reached; its exit code, None where it was killed."""
    process = subprocess.Popen(command, env=environment(server), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not reached():
        time.sleep(0.001)
    ended = process.poll()
    process.kill()
    process.communicate()
    return ended


@pytest.mark.long
def test_a_build_that_describes_goes_on_wherever_it_was_killed(catalog: Catalog, tmp_path: Path) -> None:
    """Three times while it asks, three times in the scan; the bytes are those of a build that nobody disturbed."""
    rows, concurrency, chance = 90, 4, random.Random(5)
    catalog.write(rows)
    recipe = catalog.recipe(limits={"concurrency": concurrency}, prices=PRICES)
    out, scanned = tmp_path / "broken", tmp_path / ".broken.building.index"
    build = [sys.executable, "-m", "vlmdata", "build", str(catalog.folder / "recipe.yaml"), "--out", str(out)]
    with GeminiServer() as server:
        for _ in range(3):
            goal = server.number + chance.randrange(1, 14)
            assert until_killed(build, server, lambda goal=goal: server.number >= goal) is None  # type: ignore[misc]
            assert not out.exists()
        moments = (scanned.exists, lambda: any(scanned.glob("*")), lambda: len([*scanned.glob("*")]) > 1)
        assert [until_killed(build, server, moment) for moment in moments][:2] == [None, None]
        if not out.exists():
            assert until_killed(build, server, lambda: False) == 0
        twice = sum(times - 1 for times in server.paid.values())
        assert twice <= 3 * concurrency, "only what was on its way at a kill may be paid for again"
        assert len(server.paid) == len(catalog.texts()) == rows
    catalog.journal.unlink()
    with GeminiServer() as server:
        described(recipe, server)
    assert bytes_of(vlmdata.build(recipe, tmp_path / "whole").path) == bytes_of(out)


@pytest.mark.long
def test_the_cap_holds_over_kills(catalog: Catalog) -> None:
    """What was under way at a kill is on the bill, though no answer came: the next run counts it as lost."""
    catalog.write(400)
    cap = 0.02
    catalog.recipe(limits={"concurrency": 8}, prices=PRICES, max_cost=cap)
    chance = random.Random(3)
    with GeminiServer() as server:
        for _ in range(5):
            process = started(catalog, server)
            wait_for(server, server.number + chance.randrange(2, 9), process)
            process.kill()
            process.communicate()
        process = started(catalog, server)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "of at most 0.0200 USD" in out
        bill = (server.tokens["input"] * PRICES["input"] + server.tokens["output"] * PRICES["output"]) / 1_000_000
        assert cap / 4 < bill <= cap


@pytest.mark.long
def test_ctrl_c_finishes_what_is_on_its_way_and_keeps_it(catalog: Catalog) -> None:
    catalog.write(120)
    catalog.recipe(limits={"concurrency": 3})
    with GeminiServer() as server:
        process = started(catalog, server)
        wait_for(server, 10, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert len(catalog.texts()) == server.number < 120
        assert "stopped          interrupted" in out
        assert "Traceback" not in err
        process = started(catalog, server)
        process.communicate()
        assert (process.returncode, server.number, server.paid_twice) == (0, 120, 0)


@pytest.mark.long
def test_a_second_ctrl_c_does_not_wait(catalog: Catalog) -> None:
    catalog.write(4)
    catalog.recipe(limits={"concurrency": 2})
    with GeminiServer(Script(by_number=dict.fromkeys(range(1, 50), "slow"))) as server:
        process = started(catalog, server)
        wait_for(server, 2, process)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "Traceback" not in err


def test_a_run_that_is_under_way_keeps_a_second_one_out(catalog: Catalog) -> None:
    catalog.write(4)
    catalog.recipe()
    with GeminiServer(Script(by_number={1: "slow"})) as server:
        process = started(catalog, server)
        wait_for(server, 1, process)
        other = started(catalog, server)
        _, err = other.communicate(timeout=60)
        process.kill()
        process.communicate()
        assert other.returncode == 2
        assert f"another process is writing descriptions into it (process {process.pid})" in " ".join(err.split())


@pytest.mark.long
def test_the_command_speaks_to_a_person_and_to_a_program(catalog: Catalog) -> None:
    catalog.write(3)
    catalog.recipe(prices=PRICES, max_cost=1.0)
    with GeminiServer() as server:
        env = environment(server)
        words = [sys.executable, "-m", "vlmdata.cli", "describe", str(catalog.folder / "recipe.yaml")]
        dry = subprocess.run([*words, "--dry-run"], env=env, capture_output=True, text=True, check=True).stdout
        assert server.number == 0
        said = json.loads(
            subprocess.run([*words, "--format", "json"], env=env, capture_output=True, text=True, check=True).stdout
        )
        text = subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout
    assert "3 rows: 0 in the journal, 3 to be asked" in dry
    assert "by the prices of 2026-11-01" in dry
    assert (said["asked"], said["described"], said["cost"]["cap"]) == (3, 3, "1.0")
    assert "3 in the journal    0 asked    0 left" in text
    assert "saved by the journal" in text
    assert os.fspath(catalog.folder) not in text.partition("build the dataset")[0]


BY_JOBS = """
import sys
from vlmdata.description import batches
batches.MOST_ASKS, batches.POLL_SECONDS = 10, 0.02
from vlmdata.cli import main
sys.argv = ["vlmdata", "describe", sys.argv[1]]
main()
"""


@pytest.mark.long
def test_jobs_are_paid_once_wherever_a_run_is_killed(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it uploads, hands in, waits and takes answers: the next run finds the jobs, and makes none twice.

    No file of requests or answers is left behind.
    """
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    rows, kills, chance = 60, 15, random.Random(7)
    catalog.write(rows)
    catalog.recipe(batch=True, prices=PRICES)
    command = [sys.executable, "-c", BY_JOBS, str(catalog.folder / "recipe.yaml")]
    with GeminiServer(batch=BatchPlan(looks=3)) as server:
        assert until_killed(command, server, lambda: False) == 0
        steps = server.jobs.asked
    whole = catalog.answers()
    catalog.journal.unlink()
    with GeminiServer(batch=BatchPlan(looks=3)) as server:
        ended = 0
        for _ in range(kills):
            goal = server.jobs.asked + chance.randrange(1, max(steps // 4, 2))
            pause = chance.random() / 50
            code = until_killed(command, server, lambda goal=goal, pause=pause: reached(server, goal, pause))  # type: ignore[misc]
            ended += code == 0
        assert ended <= kills // 2, "most runs came to their end before they were killed"
        assert until_killed(command, server, lambda: False) == 0
        asked = [line["key"] for job in server.jobs.made.values() for line in job.lines]
        assert len(asked) == len(set(asked)) == rows
        assert max(server.paid.values()) == 1
    assert catalog.answers() == whole
    assert len(whole) == rows
    assert list(temporary.iterdir()) == []


def reached(server: GeminiServer, requests: int, pause: float) -> bool:
    """Whether so many requests for files and jobs have come, and a moment has passed since."""
    if server.jobs.asked < requests:
        return False
    time.sleep(pause)
    return True
