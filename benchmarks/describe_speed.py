"""Descriptions a second against a server that answers at once: vlmdata's whole run, and the bare SDK, turn by turn.

Both send the same photos of about 200 kB through google-genai's asynchronous client, 32 at once. The bare SDK has them
in memory; vlmdata reads the catalog, verifies and hashes each photo, renders the prompt, keeps within its limits, and
has every answer on disk before it counts. The server is a process of its own. A first turn of both does not count: it
imports what the others find in memory.

    python benchmarks/describe_speed.py [requests, 1000 by default] [turns, 3]
"""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from measuring import machine
from PIL import Image

import vlmdata

KEY = "a-key-that-nobody-asks-for"
AT_ONCE = 32
RECIPE = """\
source: {{type: csv, path: products.csv}}
id: sku
images: {{from: photo}}
describe:
  provider: gemini
  model: gemini-test
  prompt: "Describe {{{{ title }}}}."
  pictures: {{max_pixels: 0}}
  limits: {{concurrency: {at_once}}}
conversations:
  - user: "Describe: {{{{ title }}}}"
    assistant: "{{{{ description }}}}"
"""


def main() -> None:
    """Print the requests a second of each turn, and the ratio of the medians."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    os.environ["GEMINI_API_KEY"] = KEY
    mine, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        photos = write_catalog(Path(folder), count)
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
        server.start()
        url = ours.recv()
        print(f"{machine()}; {count:,} photos of {sum(map(len, photos)) // count // 1000} kB, {AT_ONCE} at once")
        for turn in range(turns + 1):
            bare.append(count / bare_sdk(url, photos))
            mine.append(count / whole_run(Path(folder), url))
            print(f"turn {turn or '-'}: bare SDK {bare[-1]:,.0f}/s    vlmdata describe {mine[-1]:,.0f}/s")
        server.terminate()
    print(f"ratio of the medians: {statistics.median(mine[1:]) / statistics.median(bare[1:]):.2f}")


ANSWER = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "An oak chair with a woven seat and a straight back."}]},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 264, "candidatesTokenCount": 13, "totalTokenCount": 277},
    "modelVersion": "gemini-test",
}
BODY = json.dumps(ANSWER).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class Instant(asyncio.BufferedProtocol):
    """A server's side of a connection: each request is read to its end, and answered without a look at it."""

    def __init__(self) -> None:
        self._buffer = bytearray(1 << 18)
        self._left = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        """Where to put what comes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answer where a request has come to its end. A client sends its next one when it has the answer."""
        if not self._left:
            head, _, begun = bytes(self._buffer[:nbytes]).partition(b"\r\n\r\n")
            found = LENGTH.search(head + b"\r\n")
            assert found is not None, "a request whose length is said, in one piece up to its body"
            self._left = int(found[1]) + nbytes - len(begun)
        self._left -= nbytes
        if not self._left:
            self._transport.write(RESPONSE)


def serve(pipe: Connection) -> None:
    """A server that answers at once, until the process is ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", 0)
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()

    asyncio.run(run())


def write_catalog(folder: Path, count: int) -> list[bytes]:
    """A catalog of different photos, with noise so that each has about 160 kB; their bytes."""
    rng = np.random.default_rng(0)
    photos, lines = [], ["sku,title,photo,description"]
    base = Image.fromarray(rng.integers(0, 255, (75, 100, 3), dtype=np.uint8)).resize(
        (800, 600), Image.Resampling.BICUBIC
    )
    for number in range(count):
        image = base.copy()
        image.paste((number % 256, number // 256 % 256, 90), (20, 20, 60, 60))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=95)
        (folder / f"{number}.jpg").write_bytes(file.getvalue())
        photos.append(file.getvalue())
        lines.append(f"P{number},Chair {number},{number}.jpg,")
    (folder / "products.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE.format(at_once=AT_ONCE), encoding="utf-8")
    return photos


def bare_sdk(url: str, photos: list[bytes]) -> float:
    """Seconds that the SDK takes for all photos."""
    from google import genai
    from google.genai import types

    async def run() -> float:
        client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))
        config = types.GenerateContentConfig(temperature=0, max_output_tokens=1024)
        queue = list(enumerate(photos))

        async def work() -> None:
            while queue:
                number, data = queue.pop()
                picture = types.Part.from_bytes(data=data, mime_type="image/jpeg")
                contents = [picture, f"Describe Chair {number}."]
                await client.aio.models.generate_content(model="gemini-test", contents=contents, config=config)

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        seconds = time.perf_counter() - started
        await client.aio.aclose()
        return seconds

    return asyncio.run(run())


def whole_run(folder: Path, url: str) -> float:
    """Seconds that a run takes, from an empty journal."""
    (folder / "descriptions.jsonl").unlink(missing_ok=True)
    recipe = vlmdata.load_recipe(folder / "recipe.yaml")
    started = time.perf_counter()
    result = vlmdata.describe(recipe, endpoint=url)
    assert result.tally.described == result.tally.rows
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
