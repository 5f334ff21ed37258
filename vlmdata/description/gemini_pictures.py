"""Pictures that go past the SDK: it is given a short mark for each, and the request's body gets the picture.

The SDK writes a picture as base64 into a dictionary, looks through that several times, and has JSON look at each of its
characters: half of a request's time, all of it on the one thread that sends. What is sent is the same to the byte but
for base64's alphabet, of which the API reads both (https://protobuf.dev/programming-guides/json).
"""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vlmdata.description.provider import Ask, Picture

if TYPE_CHECKING:
    import httpx2

MARK_BYTES = 24
"""A multiple of three, so that base64 needs no padding; nobody guesses so many to put them into a prompt."""

MARK = re.compile(rb'(?<=")[A-Za-z0-9_-]{%d}(?=")' % (MARK_BYTES // 3 * 4))


@dataclass(slots=True)
class Pictures:
    """The pictures of the requests that are under way, by the base64 of the marks that stand for them."""

    _encoded: dict[bytes, bytes] = field(default_factory=dict)

    @contextmanager
    def standing_in(self, ask: Ask) -> Iterator[Ask]:
        """An ask with marks in the place of its own pictures, which `put_in` knows meanwhile."""
        marks = [secrets.token_bytes(MARK_BYTES) for _ in ask.pictures]
        names = [b64encode(mark, b"-_") for mark in marks]
        self._encoded.update((name, b64encode(each.data)) for name, each in zip(names, ask.pictures, strict=True))
        marked = (Picture(data=mark, mime=each.mime) for mark, each in zip(marks, ask.pictures, strict=True))
        try:
            yield replace(ask, pictures=tuple(marked))
        finally:
            for name in names:
                del self._encoded[name]

    async def put_in(self, request: httpx2.Request) -> None:
        """Replace the marks in a request's body."""
        import httpx2

        if not self._encoded or request.method != "POST":
            return
        body = MARK.sub(lambda found: self._encoded.get(found[0], found[0]), await request.aread())
        request.stream = httpx2.ByteStream(body)
        request.headers["Content-Length"] = str(len(body))
