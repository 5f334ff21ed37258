"""The Batch API of the Gemini server: files that are uploaded, jobs that run, and files of answers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.vlmdata.description.servers.loopback import Answer, Request
from tests.vlmdata.description.servers.model_server import as_json

End = Literal["SUCCEEDED", "EXPIRED", "FAILED", "CANCELLED"]
Line = Callable[[str, Mapping[str, Any], Request], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """How jobs go: for how many looks each runs, how it ends, and what share of its lines is answered."""

    looks: int = 1
    end: End = "SUCCEEDED"
    share: float = 1.0
    in_order: bool = False
    lose_answer: bool = False
    """The job is made, and the answer that would name it is lost."""
    torn: bool = False
    """The file of answers ends in the middle of its last line."""
    answers_at: str = ""
    """Another server that holds the files of answers, to which a request for one is sent on."""


@dataclass(slots=True, kw_only=True)
class Job:
    """A job, as the server keeps it."""

    name: str
    title: str
    lines: list[dict[str, Any]]
    looks: int
    state: str = "BATCH_STATE_PENDING"
    answers: str | None = None


@dataclass(slots=True)
class Jobs:
    """All jobs and files of a server."""

    plan: BatchPlan
    line: Line
    files: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, Job] = field(default_factory=dict)
    model: str = ""
    asked: int = 0

    def respond(self, request: Request, url: str) -> Answer:
        """One request about files or jobs."""
        self.asked += 1
        name = request.path.rpartition("/")[2]
        if "/upload/" in request.path:
            return self._upload(request, url)
        if name.endswith(":batchGenerateContent"):
            self.model = name.partition(":")[0]
            return self._make(request)
        if name.endswith(":download") and self.plan.answers_at:
            return Answer(status=302, headers={"location": f"{self.plan.answers_at}{request.path}"})
        if name.endswith(":download"):
            return Answer(body=self.files[f"files/{name.partition(':')[0]}"])
        if name == "batches":
            return as_json({"operations": [self._shown(job) for job in self.made.values()]})
        job = self.made.get(f"batches/{name.partition(':')[0]}")
        if job is None:
            return as_json({"error": {"code": 404, "message": "no such job", "status": "NOT_FOUND"}}, status=404)
        if name.endswith(":cancel"):
            job.state = "BATCH_STATE_CANCELLED"
            return as_json({})
        self._look(job, request)
        return as_json(self._shown(job))

    def _upload(self, request: Request, url: str) -> Answer:
        """The two steps of a resumable upload."""
        if request.headers.get("x-goog-upload-command") == "start":
            self.files[f"files/input{len(self.files)}"] = b""
            return as_json({}, **{"X-Goog-Upload-URL": f"{url}/upload/v1/files?upload_id={len(self.files) - 1}"})
        name = f"files/input{request.query.rpartition('=')[2]}"
        self.files[name] += request.body
        final = "finalize" in request.headers["x-goog-upload-command"]
        return as_json({"file": {"name": name}}, **{"X-Goog-Upload-Status": "final" if final else "active"})

    def _make(self, request: Request) -> Answer:
        batch = json.loads(request.body)["batch"]
        data = self.files[batch["inputConfig"]["fileName"]]
        lines = [json.loads(line) for line in data.splitlines()]
        name = f"batches/job{len(self.made)}"
        job = self.made[name] = Job(name=name, title=batch["displayName"], lines=lines, looks=self.plan.looks)
        return as_json(self._shown(job), sent=5 if self.plan.lose_answer else None)

    def _look(self, job: Job, request: Request) -> None:
        """A look at a job brings it on, and ends it when its time has come."""
        if job.state.endswith(("PENDING", "RUNNING")):
            job.looks -= 1
            job.state = "BATCH_STATE_RUNNING" if job.looks >= 0 else f"BATCH_STATE_{self.plan.end}"
            if job.looks < 0:
                self._finish(job, request)

    def _finish(self, job: Job, request: Request) -> None:
        answered = job.lines[: round(len(job.lines) * self.plan.share)]
        if not self.plan.in_order:
            answered = random.Random(len(answered)).sample(answered, len(answered))
        text = "\n".join(json.dumps(self.line(self.model, line, request)) for line in answered)
        job.answers = f"files/answers-{job.name.partition('/')[2]}"
        self.files[job.answers] = (text[:-20] if self.plan.torn else text).encode()

    def _shown(self, job: Job) -> dict[str, Any]:
        """The operation that stands for a job."""
        output = {"output": {"responsesFile": job.answers}} if job.answers and self.plan.share else {}
        return {"name": job.name, "metadata": {"displayName": job.title, "state": job.state} | output}
