"""Jobs of the Batch API, through google-genai: the same requests, any order, and what is left of a job that expires."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from tests.vlmdata.description.asking import ASK, FULL, reply, settings_for
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.gemini_jobs import BatchPlan, End
from tests.vlmdata.description.servers.model_server import KEY
from tests.vlmdata.description.servers.script import Script
from vlmdata.description.gemini import Gemini, open_provider
from vlmdata.description.provider import Fault, Reply

T = TypeVar("T")
ASKS = [replace(ASK, key=f"k{number}", prompt=f"Describe mug {number}.") for number in range(10)]


def working(server: GeminiServer, work: Callable[[Gemini], Awaitable[T]]) -> T:
    """What some work with a provider gives."""

    async def run() -> T:
        provider = open_provider(settings_for(server))
        try:
            return await work(provider)
        finally:
            await provider.close()

    return asyncio.run(run())


async def finished(provider: Gemini, job: str) -> tuple[list[str], list[tuple[str, Reply | Fault]]]:
    """The states that a job goes through, and what it answered."""
    states = ["running"]
    while states[-1] == "running":
        states.append(await provider.state(job))
    return states[1:], [answer async for answer in provider.results(job)]


def done(server: GeminiServer, asks: list | None = None) -> tuple[list[str], dict[str, Reply | Fault]]:
    """A job from its beginning to its end."""

    async def work(provider: Gemini) -> tuple[list[str], list[tuple[str, Reply | Fault]]]:
        return await finished(provider, await provider.submit(asks or ASKS))

    states, answers = working(server, work)
    assert len(dict(answers)) == len(answers)
    return states, dict(answers)


def test_a_job_in_any_order_answers_what_single_requests_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with GeminiServer(batch=BatchPlan(looks=2)) as server:
        states, answers = done(server, [FULL, *ASKS])
        assert states == ["running", "running", "done"]
        assert list(answers) != [FULL.key, *(ask.key for ask in ASKS)]
        for ask in (FULL, ASKS[3]):
            assert answers[ask.key] == reply(open_provider, settings_for(server), ask)
    assert not list(tmp_path.iterdir())


def test_a_line_of_a_job_asks_exactly_what_a_single_request_does() -> None:
    with GeminiServer() as server:
        done(server, [FULL])
        reply(open_provider, settings_for(server), FULL)
    line, single = server.seen
    assert line == single
    assert len(line.pictures) == 2


def test_a_job_that_expires_half_done_gives_the_half_that_was_answered() -> None:
    with GeminiServer(batch=BatchPlan(end="EXPIRED", share=0.5)) as server:
        states, answers = done(server)
    assert states[-1] == "expired"
    assert set(answers) == {f"k{number}" for number in range(5)}
    assert all(isinstance(answer, Reply) and answer.finish == "stop" for answer in answers.values())


@pytest.mark.parametrize(("end", "state"), [("EXPIRED", "expired"), ("FAILED", "failed"), ("CANCELLED", "cancelled")])
def test_a_job_that_ends_without_answers_gives_none(end: End, state: str) -> None:
    with GeminiServer(batch=BatchPlan(end=end, share=0)) as server:
        states, answers = done(server)
    assert states[-1] == state
    assert not answers


def test_lines_that_fail_are_faults_beside_the_answers_of_others() -> None:
    script = Script(by_text={"mug 1.": ["bad_image"], "mug 2.": ["server_error"], "mug 3.": ["blocked_answer"]})
    with GeminiServer(script) as server:
        _, answers = done(server)
    kinds = {key: answer.kind for key, answer in answers.items() if isinstance(answer, Fault)}
    assert kinds == {"k1": "invalid", "k2": "server"}
    assert isinstance(answers["k3"], Reply)
    assert answers["k3"].finish == "blocked"
    assert len(answers) == 10


def test_a_torn_last_line_answers_nothing_and_takes_no_other_along() -> None:
    with GeminiServer(batch=BatchPlan(torn=True)) as server:
        _, answers = done(server)
    assert len(answers) == 9


def test_a_job_whose_name_was_lost_is_found_by_its_asks_in_any_order() -> None:
    async def work(provider: Gemini) -> list[str | None]:
        with pytest.raises(Fault):
            await provider.submit(ASKS)
        return [await provider.find(ASKS[::-1]), await provider.find(ASKS[:-1])]

    with GeminiServer(batch=BatchPlan(lose_answer=True)) as server:
        assert working(server, work) == ["batches/job0", None]


def test_a_cancelled_job_is_cancelled_and_not_found_again() -> None:
    async def work(provider: Gemini) -> tuple[str, str | None]:
        job = await provider.submit(ASKS)
        await provider.cancel(job)
        return await provider.state(job), await provider.find(ASKS)

    with GeminiServer() as server:
        assert working(server, work) == ("cancelled", None)


def test_a_job_that_is_not_there_is_a_fault() -> None:
    async def work(provider: Gemini) -> str:
        with pytest.raises(Fault) as caught:
            await provider.state("batches/gone")
        return caught.value.kind

    with GeminiServer() as server:
        assert working(server, work) == "model"


def test_answers_that_lie_elsewhere_are_fetched_without_the_key() -> None:
    with GeminiServer() as elsewhere, GeminiServer(batch=BatchPlan(answers_at=elsewhere.url)) as server:
        elsewhere.open_files = server.jobs.files
        _, answers = done(server)
    assert len(answers) == 10
    assert elsewhere.headers
    assert not any(KEY in str(headers) for headers in elsewhere.headers)


def test_large_jobs_are_uploaded_in_parts() -> None:
    noise = base64.b64encode(bytes(range(256)) * 40_000)  # more than the 8 MiB of one part
    asks = [replace(ASK, key="k1", prompt=f"Describe {noise.decode()}.")]
    with GeminiServer() as server:
        _, answers = done(server, asks)
    assert isinstance(answers["k1"], Reply)
