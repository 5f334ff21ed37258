"""Images that a validation leaves unread: all of them, where only text is asked for, or those on a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

from vlmdata.blocks import image_key
from vlmdata.image.names import bare_name
from vlmdata.image.verifying import Reader, Verified
from vlmdata.record import ImageInfo, ImageReference, Inspected

UNREAD = ""
"""The format of an image that was not read."""

OFFLINE = "network.offline"


@dataclass(slots=True, kw_only=True)
class PartialReader:
    """A reader that passes over what is not to be read, so that a row's text is looked at all the same.

    `hosts` counts the images that would be downloaded, by where from.
    """

    reader: Reader
    images: bool = True
    hosts: Counter[str] = field(default_factory=Counter)

    def verdict(self, reference: ImageReference) -> Verified:
        """The reader's verdict, or a stand-in of an image that is not read."""
        if not self.images:
            return unread(reference)
        verdict = self.reader.verdict(reference)
        if verdict.problem is not None and verdict.problem.rule == OFFLINE and isinstance(reference, str):
            self.hosts[urlsplit(reference).hostname or "?"] += 1
            return unread(reference)
        return verdict

    def matching(self, pattern: str) -> Sequence[str]:
        """The references that a glob pattern matches."""
        return self.reader.matching(pattern)


def unread(reference: ImageReference) -> Verified:
    """A stand-in of an image: equal references have equal ones. Nothing of it may be taken for what the bytes are."""
    info = ImageInfo(sha256=sha256(image_key(reference)).hexdigest(), width=0, height=0, format=UNREAD)
    name = bare_name(reference, "") if isinstance(reference, str) else reference.name
    return Verified(image=Inspected(info=info, size=0, xxh3="0" * 32, name=name))
