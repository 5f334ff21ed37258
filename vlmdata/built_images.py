"""The images of a built dataset, decoded once each, and compared with what image_info says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from itertools import islice
from secrets import randbits
from struct import Struct
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from vlmdata.arrow_bytes import bytes_at
from vlmdata.check.messages import problem_of
from vlmdata.check_settings import CheckSettings
from vlmdata.image.findings import image_findings
from vlmdata.image.inspecting import examine
from vlmdata.image.verifying import HINTS, RULES
from vlmdata.late_hashes import LateHashes, has_dhash
from vlmdata.pixels import PIXEL_LIMIT, PixelError
from vlmdata.record import ImageInfo, Problem, Severity

PACKED = Struct("<32s8siiB")
"""sha256, dhash, width, height, and the format's number."""

TOGETHER = 8
Said = tuple[str, str, str, Severity]
"""A rule, a message, a hint, and how bad it is where the rule has a milder form."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an image's bytes turned out to be, and what is to be said of them."""

    info: ImageInfo | None
    said: tuple[Said, ...] = ()


@dataclass(slots=True)
class DecodedImages:
    """Verdicts on images by the hash of their own bytes: of those with nothing wrong, equal ones are decoded once.

    What image_info lacks of dhashes is put into `late_hashes`, by the thread that asks for the problems.

    The hash has a seed of its own, so that nobody can make two images that it takes for one.
    """

    settings: CheckSettings
    late_hashes: LateHashes
    _seed: int = field(default_factory=lambda: randbits(64))
    _fine: dict[bytes, bytes] = field(default_factory=dict)
    _formats: list[str] = field(default_factory=list)

    def problems(self, batch: pa.RecordBatch, pool: Executor) -> Iterator[Problem]:
        """What is wrong with a batch's images, and with what image_info says of them."""
        lists, infos = batch.column("images"), batch.column("image_info")
        offsets = lists.offsets.to_pylist()
        data = lists.values.field("bytes")
        starts = range(offsets[0], offsets[-1], TOGETHER)
        pieces = [range(start, min(start + TOGETHER, offsets[-1])) for start in starts]
        judged = pool.map(lambda piece: [self._verdict(bytes_at(data, place)) for place in piece], pieces)
        verdicts = (verdict for piece in judged for verdict in piece)
        hashed = iter(has_dhash(batch).tolist())
        for row in range(batch.num_rows):
            found = [next(verdicts) for _ in range(offsets[row + 1] - offsets[row])]
            stored = infos[row].as_py() or []
            self._keep_hashes(found, list(islice(hashed, len(stored))))
            yield from _row_problems(batch, row, found, stored)

    def _keep_hashes(self, found: list[Verdict], hashed: list[bool]) -> None:
        """Keep the dhash of each entry that has none; which image is which is known where there are as many."""
        infos = [verdict.info for verdict in found] if len(found) == len(hashed) else [None] * len(hashed)
        for info, known in zip(infos, hashed, strict=True):
            if not known:
                self.late_hashes.add(info.dhash if info is not None else None)

    def _verdict(self, held: pa.Buffer) -> Verdict:
        key = xxhash.xxh3_128_digest(held, seed=self._seed)
        found = self._fine.get(key)
        if found is not None:
            return Verdict(self._unpacked(found))
        try:
            examined = examine(held.to_pybytes(), pixel_limit=2 * PIXEL_LIMIT)
        except PixelError as error:
            return Verdict(None, ((RULES[error.kind], f"the image {error.message}", HINTS[error.kind], "error"),))
        info = examined.image.info
        findings = image_findings(examined, self.settings)
        verdict = Verdict(info, tuple((rule, f"the image {words}", hint, bad) for rule, words, hint, bad in findings))
        if not verdict.said:
            self._fine[key] = self._packed(info)
        return verdict

    def _packed(self, info: ImageInfo) -> bytes:
        if info.format not in self._formats:
            self._formats.append(info.format)
        dhash = bytes.fromhex(info.dhash or "")
        kind = self._formats.index(info.format)
        return PACKED.pack(bytes.fromhex(info.sha256), dhash, info.width, info.height, kind)

    def _unpacked(self, packed: bytes) -> ImageInfo:
        sha, dhash, width, height, kind = PACKED.unpack(packed)
        return ImageInfo(sha256=sha.hex(), width=width, height=height, format=self._formats[kind], dhash=dhash.hex())


def miscounted(batch: pa.RecordBatch) -> Iterator[Problem]:
    """Records whose image_info has another number of entries than there are images."""
    counts = [pc.fill_null(pc.list_value_length(batch.column(name)), 0) for name in ("images", "image_info")]
    images, infos = counts
    for row in pc.indices_nonzero(pc.not_equal(images, infos)).to_pylist():
        message = f"{images[row]} images, but image_info has {infos[row]} entries"
        yield problem_of(batch, row, "contract.image_info", message, "image_info")


def _row_problems(
    batch: pa.RecordBatch, row: int, found: list[Verdict], stored: list[Mapping[str, Any] | None]
) -> Iterator[Problem]:
    if len(found) != len(stored):  # `miscounted` says so
        stored = []
    for place, verdict in enumerate(found):
        said = list(verdict.said)
        if verdict.info is not None and stored:
            said += _disagreements(verdict.info, stored[place] or {})
        for rule, message, hint, severity in said:
            yield replace(problem_of(batch, row, rule, message, f"images[{place}]"), hint=hint, severity=severity)


def _disagreements(info: ImageInfo, stored: Mapping[str, Any]) -> Iterator[Said]:
    for name in ("sha256", "width", "height", "format", "dhash"):
        value, said = getattr(info, name), stored.get(name)
        if said != value and not (name == "dhash" and said is None):
            yield "contract.image_info", f"{name} is {value!r} in the bytes, {said!r} in image_info", "", "error"
