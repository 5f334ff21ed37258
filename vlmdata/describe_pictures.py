"""A row's images as they are sent: small enough to be cheap, in a format that every provider takes, and silent about
where a photo was taken. The dataset keeps them as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from vlmdata.describe_settings import SentPictures
from vlmdata.description.provider import Picture
from vlmdata.description.work import NotSentError
from vlmdata.image.inspecting import JPEG_START, examine
from vlmdata.image.jpeg_segments import has_plain_header
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.places import tells_place
from vlmdata.image.reading import reference_shown
from vlmdata.image.treating import is_asked_for, treat
from vlmdata.image.verifying import Reader, Verified
from vlmdata.pixels import PixelError
from vlmdata.recipe import Convert, ImagesConfig, Resize
from vlmdata.record import ImageInfo, ImageReference, InlineImage, Problem

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""What all providers take; other formats are sent as PNG, with nothing lost."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Makes images ready to be sent."""

    reader: Reader
    config: SentPictures

    def picture(self, reference: ImageReference, data: bytes | None = None) -> Picture:
        """An image as it is sent; `data` are its bytes where they were read before. Raises NotSentError."""
        try:
            return self._picture(self.reader.read(reference) if data is None else data, reference)
        except (ImageReferenceError, PixelError) as error:
            if isinstance(error, ImageReferenceError) and error.rule == "images.metadata":
                raise NotSentError("location", error.message) from None
            raise NotSentError("picture", error.message) from None

    def pictures(self, images: Iterable[tuple[ImageReference, bytes | None]]) -> tuple[Picture, ...]:
        """A row's images. Raises NotSentError, which names every one of them that says where it was taken."""
        made, placed = [], []
        for reference, data in images:
            try:
                made.append(self.picture(reference, data))
            except NotSentError as error:
                if error.ended != "location":
                    raise
                placed.append(error.message)
        if placed:
            raise NotSentError("location", ", ".join(placed))
        return tuple(made)

    def _picture(self, data: bytes, reference: ImageReference) -> Picture:
        placed = tells_place(data)
        if not placed and not self.config.max_pixels and data.startswith(JPEG_START) and has_plain_header(data):
            return Picture(data=data, mime=MIMES["JPEG"])  # it says of no place, and goes as it is
        limit = self.reader.images.pixel_limit
        examined = examine(data, verify="header", pixel_limit=limit)
        if self.config.location == "refuse" and (placed or "gps" in examined.traits):
            raise NotSentError("location", reference_shown(reference))
        sent = treat(data, examined, self._asked_for(examined.image.info.format))
        return Picture(data=sent.data, mime=MIMES[sent.examined.image.info.format])

    def _asked_for(self, image_format: str) -> ImagesConfig:
        return ImagesConfig(
            pixel_limit=self.reader.images.pixel_limit,
            metadata="strip_location",
            resize=Resize(max_pixels=self.config.max_pixels) if self.config.max_pixels else None,
            convert=None if image_format in MIMES else Convert(format="PNG"),
        )

    def looked_at(self, reference: ImageReference) -> tuple[Verified, bytes | None]:
        """An image's verdict and its bytes, which are read once; no bytes where the recipe has them changed first."""
        if is_asked_for(self.reader.images) or not isinstance(reference, str):
            return self.reader.verdict(reference), None
        try:
            original = self.reader.originals.find(reference)
        except ImageReferenceError as error:
            return Verified(problem=Problem(rule=error.rule, message=error.message, hint=error.hint)), None
        return self.reader.verdict(InlineImage(data=original.data, name=original.name)), original.data

    def size(self, info: ImageInfo) -> tuple[int, int]:
        """About how large an image is sent, without reading it."""
        most = self.config.max_pixels or info.width * info.height
        share = min(sqrt(most / max(info.width * info.height, 1)), 1.0)
        return max(1, round(info.width * share)), max(1, round(info.height * share))
