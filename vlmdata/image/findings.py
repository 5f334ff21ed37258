"""What is to be said of an image that decodes: its traits and its size, held to a team's thresholds.

A build says it as warnings, a validation of a dataset with the severity that each rule has there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vlmdata.check_settings import CheckSettings
from vlmdata.image.inspecting import Examined
from vlmdata.image.traits import WORDS
from vlmdata.record import ImageInfo, Severity


class ImageFinding(NamedTuple):
    """One thing that is wrong with an image. The message goes on after the image's name: `is 20 x 16 pixels …`.

    A rule of errors that has a milder form says `warning` where it is that.
    """

    rule: str
    message: str
    hint: str
    severity: Severity = "error"


UNENDED = ImageFinding(
    "images.truncated",
    "lacks the end of its file, such as an end mark; what was decoded of it is whole",
    "copy or export the photo again; some programs leave the end mark out",
    "warning",
)


def image_findings(examined: Examined, settings: CheckSettings) -> Iterator[ImageFinding]:
    """Everything that settings ask to be told of an image that decodes."""
    for found in _findings(examined, settings):
        if settings.wants(found.rule):
            yield found


def _findings(examined: Examined, settings: CheckSettings) -> Iterator[ImageFinding]:
    if examined.traits:
        for trait, (message, hint) in WORDS.items():
            if trait in examined.traits:
                yield ImageFinding(f"images.{trait}", message, hint)
        if "unended" in examined.traits:
            yield UNENDED
    yield from _size_findings(examined.image.info, settings)


def _size_findings(info: ImageInfo, settings: CheckSettings) -> Iterator[ImageFinding]:
    width, height = info.width, info.height
    shorter, longer = (width, height) if width < height else (height, width)
    smallest = settings.threshold("images.too_small", "pixels")
    if shorter < smallest:
        message = f"is {width:,} x {height:,} pixels, at least {smallest:,g} on the shorter side were expected"
        yield ImageFinding("images.too_small", message, "find the photo that this thumbnail was made of, or drop it")
    if longer > shorter * settings.threshold("images.aspect_ratio", "ratio"):
        most = settings.threshold("images.aspect_ratio", "ratio")
        message = f"is {width:,} x {height:,} pixels, a side ratio of {longer / shorter:,.0f}, at most {most:,g} may be"
        yield ImageFinding("images.aspect_ratio", message, "crop it to what it shows, or drop it")
    elif longer > shorter * settings.threshold("images.narrow", "ratio"):
        most = settings.threshold("images.narrow", "ratio")
        message = f"is {width:,} x {height:,} pixels, a side ratio of {longer / shorter:,.0f}, over {most:,g}"
        yield ImageFinding("images.narrow", message, "look whether it is a banner or a rule; crop it, or drop it")
