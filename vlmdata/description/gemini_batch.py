"""Jobs of Gemini's Batch API: many requests with their images in one file, answered within a day for half the price.

The requests are uploaded as JSON Lines, since what stands inside a request is limited to 20 MB
(https://ai.google.dev/gemini-api/docs/batch-api), which a few dozen photos reach.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.description.encoded import b64encode
from vlmdata.description.gemini_messages import contents_of, generation_of, reply_of
from vlmdata.description.provider import Ask, Fault, JobState, ProviderSettings, Reply
from vlmdata.description.refusal import GRPC, google_refusal

if TYPE_CHECKING:
    from google import genai

STATES: Mapping[str, JobState] = {
    "JOB_STATE_SUCCEEDED": "done",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "done",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_EXPIRED": "expired",
    "JOB_STATE_CANCELLED": "cancelled",
}
"""Every other state is one on the way to one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The calls of the SDK that jobs take."""

    client: genai.Client
    settings: ProviderSettings
    safety: list[dict[str, str]]

    async def submit(self, asks: Sequence[Ask]) -> str:
        """Hand in a job; its name."""
        with nameless_file() as lines:
            await asyncio.to_thread(self._write, lines, asks)
            file = await self.client.aio.files.upload(file=lines, config={"mime_type": "application/jsonl"})
        job = await self.client.aio.batches.create(
            model=self.settings.model, src=file.name or "", config={"display_name": title_of(asks)}
        )
        return _named(job.name)

    async def find(self, asks: Sequence[Ask]) -> str | None:
        """A job of exactly these asks, where an earlier run handed one in and was ended before it knew the name."""
        title = title_of(asks)
        async for job in await self.client.aio.batches.list():
            if job.display_name == title and job.state and STATES.get(job.state.value) in {None, "done"}:
                return _named(job.name)
        return None

    async def state(self, job: str) -> JobState:
        """How far a job is."""
        found = await self.client.aio.batches.get(name=job)
        return STATES.get(found.state.value, "running") if found.state else "running"

    async def cancel(self, job: str) -> None:
        """Stop a job."""
        await self.client.aio.batches.cancel(name=job)

    async def fetch(self, job: str, into: io.IOBase) -> None:
        """Put the job's answers into a file, from which `answers` reads them; nothing where there are none."""
        found = await self.client.aio.batches.get(name=job)
        if found.dest and found.dest.file_name:
            await self.client.aio.files.download(file=found.dest.file_name, destination=into)
        into.seek(0)

    def answers(self, lines: io.IOBase) -> Iterator[tuple[str, Reply | Fault]]:
        """The answers of a file, by key. A line that can't be read answers nothing."""
        for line in lines:
            try:
                body = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                continue
            if isinstance(body, dict) and isinstance(body.get("key"), str):
                yield body["key"], self._answer(body)

    def _answer(self, line: Mapping[str, Any]) -> Reply | Fault:
        if "response" in line:
            try:
                return reply_of(line["response"], self.settings.model)
            except Fault as fault:
                return fault
        error = line.get("error") or line.get("status") or {}
        code = error.get("code") if isinstance(error, Mapping) else None
        status = GRPC.get(code, code) if isinstance(code, int) else 500
        return google_refusal(status, error, {}).fault(self.settings.key)

    def _write(self, lines: io.IOBase, asks: Sequence[Ask]) -> None:
        for ask in asks:
            line = json.dumps({"key": ask.key, "request": self._request(ask)}, default=_base64) + "\n"
            lines.writelines([line.encode()])
        lines.seek(0)

    def _request(self, ask: Ask) -> dict[str, Any]:
        request: dict[str, Any] = {
            "contents": contents_of(ask),
            "generationConfig": generation_of(ask, self.settings),
        }
        if ask.system is not None:
            request["systemInstruction"] = {"parts": [{"text": ask.system}]}
        if self.safety:
            request["safetySettings"] = self.safety
        return request


def title_of(asks: Sequence[Ask]) -> str:
    """The display name of a job: the same for the same asks, in any order."""
    keys = "\n".join(sorted(ask.key for ask in asks))
    return f"vlmdata-{hashlib.sha256(keys.encode()).hexdigest()[:32]}"


@contextmanager
def nameless_file() -> Iterator[io.IOBase]:
    """A file without a name in the folder of temporary ones: whatever ends this process, nothing is left of it."""
    with tempfile.TemporaryFile() as file:
        yield file if isinstance(file, io.IOBase) else file.file  # the latter on Windows


def _named(name: str | None) -> str:
    if not name:
        raise Fault("server", "the provider made a job without a name")
    return name


def _base64(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} has no place in a request")
    return b64encode(value).decode()
