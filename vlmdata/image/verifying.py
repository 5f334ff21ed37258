"""Every unique image file, verified once, on a bounded pool of threads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.image.findings import image_findings
from vlmdata.image.inspecting import Examined, Known, Verify, examine, fingerprint
from vlmdata.image.names import ENDINGS, ImageReferenceError, bare_name, renamed
from vlmdata.image.reading import Download, Original, Originals, open_roots, reference_shown
from vlmdata.image.spool import Spool
from vlmdata.image.traits import WORDS
from vlmdata.image.treating import Treated, is_asked_for, treat
from vlmdata.pixels import QUIET, FaultKind, PixelError
from vlmdata.recipe import ImagesConfig
from vlmdata.record import Change, ImageReference, InlineImage, Inspected, Location, Problem

HINTS: dict[FaultKind, str] = {
    "empty": "export the photo again",
    "lfs_pointer": "run `git lfs pull` in the folder it came from",
    "html": "the download saved an error page: fetch the photo again",
    "not_an_image": "export it as JPEG or PNG",
    "format": "or export it as JPEG or PNG",
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

TURN_SECONDS = 0.0001


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads and verifies images, whatever names them. Safe to use from several threads.

    `hashed`: whether pictures are hashed and looked at, where the recipe does not leave it at their headers; otherwise
    they are held to be whole, and no more.
    """

    originals: Originals
    images: ImagesConfig
    spool: Spool | None = None
    known: Known | None = None
    settings: CheckSettings = DEFAULT
    hashed: bool = True

    def verdict(self, reference: ImageReference) -> Verified:
        """Read and verify one reference; every failure is a problem, never an exception."""
        try:
            original = self.originals.find(reference)
            return self._verdict(original, isinstance(reference, InlineImage), reference)
        except ImageReferenceError as error:
            problem = Problem(rule=error.rule, message=error.message, hint=error.hint)
        except PixelError as error:
            message = f"{reference_shown(reference)} {error.message}"
            problem = Problem(rule=RULES[error.kind], message=message, hint=HINTS[error.kind])
        return Verified(problem=problem)

    def read(self, reference: ImageReference) -> bytes:
        """The bytes that a dataset would hold of an image. Raises ImageReferenceError, also where it is no picture."""
        original = self.originals.find(reference)
        if not is_asked_for(self.images):
            return original.data
        try:
            return self._treated(original.data, reference).data
        except PixelError as error:
            message = f"{reference_shown(reference)} {error.message}"
            raise ImageReferenceError(RULES[error.kind], message, HINTS[error.kind]) from None

    def original(self, reference: str, location: Location | None, *, size: int, xxh3: str) -> bytes:
        """The stored bytes of a verified image once more. Raises ImageReferenceError where they are no longer the same.

        `reference` is what the row said where that was a path or an address; `location` what its verdict held.
        """
        data = self.originals.find(reference).data if location is None else self.originals.run(location, reference)
        if _is(data, size, xxh3):
            return data
        if is_asked_for(self.images):
            try:
                data = self._treated(data, reference).data
            except PixelError:
                data = b""
        if not _is(data, size, xxh3):
            message = f"{reference_shown(reference)} changed while the dataset was being built"
            raise ImageReferenceError("images.changed", message)
        return data

    def fill(self, reference: str, into: memoryview, xxh3: str) -> bool:
        """Read a verified image that is a plain file into a place; False where `original` must be asked."""
        return self.originals.fill(reference, into) and fingerprint(into) == xxh3

    def matching(self, pattern: str) -> Sequence[str]:
        """The references of the image files that a glob pattern matches, in a fixed order.

        Raises ImageReferenceError where it leads out of the roots, or matches more than a row can mean.
        """
        return self.originals.matching(pattern)

    def _verdict(self, original: Original, inline: bool, reference: ImageReference) -> Verified:
        images = self.images
        verify: Verify = images.verify if self.hashed or images.verify == "header" else "whole"
        examined = examine(original.data, verify=verify, pixel_limit=images.pixel_limit, known=self.known)
        if "animated" in examined.traits and images.animated == "reject":
            message = f"{reference_shown(reference)} {WORDS['animated'][0]}"
            hint = "export the frame that shows the product, or set images.animated: first"
            return Verified(problem=Problem(rule="images.animated", message=message, hint=hint))
        treated = self._treat(original.data, examined, reference)
        location = original.location
        if self.spool is not None and (inline or treated.encoded_anew):
            location = self.spool.add(treated.data)
        seen = treated.examined
        if "animated" in examined.traits:
            seen = replace(seen, traits=seen.traits | {"animated"})
        found = treated.examined.image
        return Verified(
            image=Inspected(
                info=found.info, size=found.size, xxh3=found.xxh3, name=_name(original, treated), location=location
            ),
            warnings=tuple(_warnings(seen, self.settings, reference)),
            changes=original.changes + treated.changes,
        )

    def _treated(self, data: bytes, reference: ImageReference) -> Treated:
        examined = examine(data, verify="header", pixel_limit=self.images.pixel_limit)
        return self._treat(data, examined, reference)

    def _treat(self, data: bytes, examined: Examined, reference: ImageReference) -> Treated:
        try:
            return treat(data, examined, self.images)
        except ImageReferenceError as error:
            message = f"{reference_shown(reference)} {error.message}"
            raise ImageReferenceError(error.rule, message, error.hint) from None


def _warnings(examined: Examined, settings: CheckSettings, reference: ImageReference) -> Iterator[Problem]:
    for rule, message, hint, _ in image_findings(examined, settings):
        yield Problem(rule=rule, message=f"{reference_shown(reference)} {message}", hint=hint, severity="warning")


def _name(original: Original, treated: Treated) -> str:
    """The bare name stored with an image. One that was encoded in another format gets its ending."""
    image_format = treated.examined.image.info.format
    name = bare_name(original.name, image_format)
    return renamed(name, image_format) if treated.encoded_anew and image_format in ENDINGS else name


def _is(data: bytes, size: int, xxh3: str) -> bool:
    return len(data) == size and fingerprint(data) == xxh3


def open_reader(
    images: ImagesConfig,
    *,
    spool: Spool | None = None,
    download: Download | None = None,
    known: Known | None = None,
    settings: CheckSettings = DEFAULT,
) -> Reader:
    """The reader of images as a recipe asks for them. Raises SourceError where an image root is not there.

    `spool` keeps what can't be read again as it is stored; `download` fetches an address; `known` tells by sha256 what
    was found when the same bytes were verified before; `settings` say what is to be warned of.
    """
    originals = Originals(
        roots=open_roots(images.roots, images.byte_limit),
        byte_limit=images.byte_limit,
        accept=frozenset(images.accept),
        download=download,
    )
    return Reader(originals=originals, images=images, spool=spool, known=known, settings=settings)


class Verifier(Protocol):
    """What gives a verdict on a reference."""

    def verdict(self, reference: ImageReference) -> Verified:
        """Whether it is a whole picture, and which."""
        ...


Submit = Callable[[Sequence[ImageReference]], Future[list[Verified]]]
"""From a few references to their verdicts, in the same order, once a thread has come to them."""


@contextmanager
def quick_turns() -> Iterator[None]:
    """Let threads take turns at the interpreter fifty times as often as they would.

    A thread that decodes needs the interpreter for moments between its calls. With the usual turns of 5 ms it waits
    as long as a whole picture takes, whenever the thread that converts rows is busy.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(TURN_SECONDS, before))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def verifying(reader: Verifier, workers: int) -> Iterator[Submit]:
    """A function from references to their verdicts to come. What has not started when this ends is dropped."""

    def verdicts(references: Sequence[ImageReference]) -> list[Verified]:
        return [reader.verdict(reference) for reference in references]

    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="verify")
    with QUIET, quick_turns():
        try:
            yield lambda references: pool.submit(verdicts, references)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


__all__ = ["HINTS", "RULES", "Reader", "Spool", "Verified", "Verifier", "open_reader", "verifying"]
