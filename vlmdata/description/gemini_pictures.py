"""Pictures that go past the SDK: it is given a short mark for each, and the request's body gets the picture.

The SDK writes a picture as base64 into a dictionary, looks through that several times, and has JSON look at each of its
characters: half of a request's time, all of it on the one thread that sends. What is sent is the same to the byte but
for base64's alphabet, of which the API reads both (https://protobuf.dev/programming-guides/json).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from vlmdata.description.encoded import b64encode

if TYPE_CHECKING:
    import httpx2

MARK_BYTES = 24
"""A multiple of three, so that base64 needs no padding; nobody guesses so many to put them into a prompt."""

MARK = re.compile(rb'(?<=")[A-Za-z0-9_-]{%d}(?=")' % (MARK_BYTES // 3 * 4))

WAITING: ContextVar[dict[bytes, bytes] | None] = ContextVar("WAITING", default=None)
"""The pictures of the request that this task sends, as base64, by that of the marks that stand for them."""


@contextmanager
def standing_in(turns: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """A conversation's turns with marks in the place of pictures, which `put_in` knows meanwhile.

    Raises RuntimeError where a request was sent with a mark in it.
    """
    waiting: dict[bytes, bytes] = {}
    marked = [{**turn, "parts": [_marked(part, waiting) for part in turn["parts"]]} for turn in turns]
    token = WAITING.set(waiting)
    try:
        yield marked
    finally:
        WAITING.reset(token)
    if waiting:
        raise RuntimeError("the SDK did not let a picture be put into its request")


def _marked(part: Mapping[str, Any], waiting: dict[bytes, bytes]) -> Mapping[str, Any]:
    if "inlineData" not in part:
        return part
    mark = secrets.token_bytes(MARK_BYTES)
    waiting[b64encode(mark, b"-_")] = b64encode(part["inlineData"]["data"])
    return {"inlineData": {**part["inlineData"], "data": mark}}


async def put_in(request: httpx2.Request) -> None:
    """Replace the marks in a request's body. Raises RuntimeError, before anything is sent, where one is not there."""
    import httpx2

    waiting = WAITING.get()
    if not waiting:
        return
    body = MARK.sub(lambda found: waiting.pop(found[0], found[0]), await request.aread())
    if waiting:
        raise RuntimeError("the SDK wrote a picture in another way than was expected")
    request.stream = httpx2.ByteStream(body)
    request.headers["Content-Length"] = str(len(body))
