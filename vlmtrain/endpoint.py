"""A model behind an OpenAI-compatible endpoint (vLLM, TGI, Ollama, a vendor's), asked the same rows.

The address is named on the command line, which is the permission to send rows there; the key comes from the user's
environment. Images are sent so that every reader sees the same pixels. What a server can't take is a row that failed; a
server that is not there, or refuses the key, stops the evaluation, and what was answered is kept.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.description.provider import Secret
from vlmdata.description.refusal import shown
from vlmdata.errors import MissingPackageError
from vlmtrain.answer_cache import AnswerCache, row_digests
from vlmtrain.errors import ModelError
from vlmtrain.generation import Answer, Generation, Work
from vlmtrain.pictures import as_sent
from vlmtrain.turns import asked

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "VLMTRAIN_ENDPOINT_KEY"
AT_ONCE = 8
TIMEOUT = 300.0
RETRIES = 4

Row = Mapping[str, Any]


def ask_endpoint(
    place: str,
    rows: Sequence[Row],
    settings: Generation,
    *,
    folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Answer]:
    """The answers of `URL#MODEL` to all rows, in order, kept in `folder` as they come.

    Raises ModelError where the server can't be asked at all.
    """
    address, _, model = place.partition("#")
    client = _client(address)
    identity = {"endpoint": address, "model": model, "settings": asdict(settings)}
    kept = AnswerCache.of(folder, identity) if folder else None
    digests = row_digests(rows, answers=False) if kept else []
    known = {place: Answer(**value) for place, value in kept.known("answer", digests).items()} if kept else {}

    def keep(made: Mapping[int, Answer]) -> None:
        if kept:
            kept.keep("answer", {digests[place]: answer for place, answer in made.items()})

    with client, ThreadPoolExecutor(AT_ONCE) as pool:  # the client is closed once nobody asks any more

        def make(batch: Sequence[int]) -> dict[int, Answer]:
            made = pool.map(lambda index: _answer(client, model, rows[index], settings), batch)
            return dict(zip(batch, made, strict=True))

        work = Work(known=known, keep=keep, progress=progress)
        found = work.run(list(_batches(len(rows), 2 * AT_ONCE)), make)
    return [found[index] for index in range(len(rows))]


def _batches(count: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, count)) for start in range(0, count, size))


def _client(address: str) -> OpenAI:
    try:
        from openai import OpenAI
    except ImportError:
        raise MissingPackageError("an endpoint is asked through openai: pip install 'vlmdata[openai]'") from None
    key = os.environ.get(KEY_VARIABLE) or os.environ.get("OPENAI_API_KEY") or "none"
    return OpenAI(base_url=address, api_key=key, timeout=TIMEOUT, max_retries=RETRIES)


def _answer(client: OpenAI, model: str, row: Row, settings: Generation) -> Answer:
    import openai

    name = str(row["id"])
    try:
        made = client.chat.completions.create(
            model=model,
            messages=_messages(row),
            temperature=settings.temperature,
            max_tokens=settings.max_new_tokens,
            seed=settings.seed,
        )
    except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
        raise ModelError(f"{client.base_url}: {_said(error, client)}; the key is read from {KEY_VARIABLE}") from None
    except openai.APIStatusError as error:
        if error.status_code >= 500 or error.status_code == 429:
            times = f"{RETRIES + 1} times; what was answered is kept"
            raise ModelError(f"{client.base_url}: {_said(error, client)}, {times}") from None
        return Answer(id=name, text="", tokens=0, failed=_said(error, client))
    except openai.APIConnectionError as error:
        raise ModelError(f"{client.base_url}: can't be reached ({error.__cause__ or error})") from None
    if not made.choices:
        return Answer(id=name, text="", tokens=0, failed="the endpoint gave no choice")
    choice, tokens = made.choices[0], made.usage.completion_tokens if made.usage else 0
    text = (choice.message.content or "").strip()
    return Answer(id=name, text=text, tokens=tokens, finished=choice.finish_reason != "length")


def _said(error: Any, client: OpenAI) -> str:
    """The server's own words on one line, without the request and the key that they may quote."""
    body = error.body if isinstance(error.body, dict) else {}
    words = str(body.get("message") or error.response.reason_phrase)
    return f"HTTP {error.status_code} {shown(words, Secret(client.api_key))}"


def _messages(row: Row) -> Any:
    """The row's turns before the answer, as chat messages with images as data URLs, in their order."""
    images = iter(row["images"] or ())
    return [
        {"role": turn["role"], "content": [_part(part, images) for part in turn["content"]]}
        for turn in asked(row["messages"])
    ]


def _part(part: Row, images: Iterator[Row]) -> dict[str, Any]:
    if part["type"] != "image":
        return {"type": "text", "text": part["text"] or ""}
    data, mime = as_sent(next(images)["bytes"])
    address = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": address}}
