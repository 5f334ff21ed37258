"""Every unique image file, verified once, on a bounded pool of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from vlmdata.image.folder import ImageFolder, ImageReferenceError
from vlmdata.image.inspecting import Verify, fingerprint, inspect
from vlmdata.pixels import FaultKind, PixelError
from vlmdata.record import Inspected, Problem

HINTS: dict[FaultKind, str] = {
    "empty": "export the photo again",
    "lfs_pointer": "run `git lfs pull` in the folder it came from",
    "html": "the download saved an error page: fetch the photo again",
    "not_an_image": "export it as JPEG or PNG",
    "format": "export it as JPEG or PNG",
    "bomb": "make it smaller, or raise images.pixel_limit",
    "truncated": "export the photo again, or drop the row",
    "corrupt": "export the photo again, or drop the row",
}
RULES: dict[FaultKind, str] = {
    "empty": "images.empty",
    "lfs_pointer": "images.lfs_pointer",
    "html": "images.not_an_image",
    "not_an_image": "images.not_an_image",
    "format": "images.format",
    "bomb": "images.bomb",
    "truncated": "images.truncated",
    "corrupt": "images.corrupt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A reference's verdict: what the image is, or the problem with it (without a place: the row knows that)."""

    reference: str
    image: Inspected | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads and verifies images of one folder."""

    folder: ImageFolder
    verify: Verify
    pixel_limit: int

    def verdict(self, reference: str) -> Verified:
        """Read and verify one reference; every failure is a problem, never an exception."""
        try:
            data = self.folder.read(reference)
            return Verified(reference=reference, image=self._inspect(data))
        except ImageReferenceError as error:
            problem = Problem(rule=error.rule, message=error.message, hint=error.hint)
        except PixelError as error:
            message = f"{reference!r} {error.message}"
            problem = Problem(rule=RULES[error.kind], message=message, hint=HINTS[error.kind])
        return Verified(reference=reference, problem=problem)

    def _inspect(self, data: bytes) -> Inspected:
        return inspect(data, verify=self.verify, pixel_limit=self.pixel_limit)

    def original(self, reference: str, *, size: int, xxh3: str) -> bytes:
        """The bytes of a verified image once more. Raises ImageReferenceError where they are no longer the same."""
        data = self.folder.read(reference)
        if len(data) != size or fingerprint(data) != xxh3:
            raise ImageReferenceError("images.changed", f"{reference!r} changed while the dataset was being built")
        return data


@contextmanager
def verifying(reader: Reader, workers: int) -> Iterator[Callable[[str], Future[Verified]]]:
    """A function from a reference to its verdict to come. What has not started when this ends is dropped."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="verify")
    try:
        yield lambda reference: pool.submit(reader.verdict, reference)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
