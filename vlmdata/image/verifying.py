"""Every unique image file, verified once, on a bounded pool of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Protocol

from vlmdata.image.folder import ImageFolder, ImageReferenceError
from vlmdata.image.inspecting import Verify, fingerprint, inspect
from vlmdata.pixels import FaultKind, PixelError
from vlmdata.recipe import ImagesConfig
from vlmdata.record import Change, ImageReference, Inspected, Location, Problem

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
    """A reference's verdict: what the image is, or the problem with it (without a place: the row knows that).

    `warnings` say where a model would see something else than the bytes suggest; `changes` what the recipe asked for
    and was done.
    """

    image: Inspected | None = None
    problem: Problem | None = None
    warnings: tuple[Problem, ...] = ()
    changes: tuple[Change, ...] = ()


class Spool(Protocol):
    """Where a build puts bytes aside that it could not read again as they are stored."""

    def add(self, data: bytes) -> Location:
        """Keep the bytes; safe to call from several threads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads and verifies images, whatever names them."""

    folder: ImageFolder
    verify: Verify
    pixel_limit: int

    def verdict(self, reference: ImageReference) -> Verified:
        """Read and verify one reference; every failure is a problem, never an exception."""
        assert isinstance(reference, str)
        try:
            data = self.folder.read(reference)
            return Verified(image=self._inspect(data, PurePosixPath(reference).name))
        except ImageReferenceError as error:
            problem = Problem(rule=error.rule, message=error.message, hint=error.hint)
        except PixelError as error:
            message = f"{reference!r} {error.message}"
            problem = Problem(rule=RULES[error.kind], message=message, hint=HINTS[error.kind])
        return Verified(problem=problem)

    def _inspect(self, data: bytes, name: str) -> Inspected:
        return replace(inspect(data, verify=self.verify, pixel_limit=self.pixel_limit), name=name)

    def original(self, reference: str, location: Location | None, *, size: int, xxh3: str) -> bytes:
        """The stored bytes of a verified image once more. Raises ImageReferenceError where they are no longer the same.

        `reference` is what the row said where that was a path or an address; `location` what its verdict held.
        """
        assert location is None
        data = self.folder.read(reference)
        if len(data) != size or fingerprint(data) != xxh3:
            raise ImageReferenceError("images.changed", f"{reference!r} changed while the dataset was being built")
        return data

    def matching(self, pattern: str) -> Sequence[str]:
        """The references of the image files that a glob pattern matches, in a fixed order."""
        raise NotImplementedError(pattern)


def open_reader(images: ImagesConfig) -> Reader:
    """The reader of images as a recipe asks for them. Raises SourceError where an image root is not there."""
    folder = ImageFolder(images.roots[0], images.byte_limit)
    return Reader(folder=folder, verify=images.verify, pixel_limit=images.pixel_limit)


@contextmanager
def verifying(reader: Reader, workers: int) -> Iterator[Callable[[ImageReference], Future[Verified]]]:
    """A function from a reference to its verdict to come. What has not started when this ends is dropped."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="verify")
    try:
        yield lambda reference: pool.submit(reader.verdict, reference)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
