"""A family from outside, as if it were ours: what it raises is told as its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.plugins import blamed
from vlmtrain.protocols import ModelFamily

if TYPE_CHECKING:
    from vlmtrain.config import Part


@dataclass(frozen=True, slots=True)
class Plugged:
    """A family, and the `package.module:NAME` that it was imported by. Raises PluginError for whatever it raises."""

    plugin: str
    family: ModelFamily

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.name

    @property
    def attention(self) -> str | None:
        """The attention implementation that is right for it."""
        return self.family.attention

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """The modules that make up each part of the model."""
        return self.family.parts

    @property
    def expands_placeholders(self) -> bool:
        """Whether the processor makes several tokens of an image's placeholder, and says where."""
        return self.family.expands_placeholders

    def batch_key(self, images: int) -> int:
        """Rows share a batch only where this is equal."""
        with self._asked("batch_key"):
            return self.family.batch_key(images)

    def opening(self, processor: Any) -> str:
        """What the processor itself puts before a rendered text that does not begin with it."""
        with self._asked("opening"):
            return self.family.opening(processor)

    def closing(self, processor: Any) -> str:
        """What ends an answer where the template leaves that to the next turn."""
        with self._asked("closing"):
            return self.family.closing(processor)

    def chat_template(self, processor: Any) -> str | None:
        """The template to render with where the processor's own asks otherwise than it teaches."""
        with self._asked("chat_template"):
            return self.family.chat_template(processor)

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """Every token id that stands for an image or a part of its frame."""
        with self._asked("image_token_ids"):
            return self.family.image_token_ids(processor)

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound an image's pixels through the processor's own settings."""
        with self._asked("set_pixels"):
            self.family.set_pixels(processor, low, high)

    def _asked(self, member: str) -> AbstractContextManager[None]:
        return blamed(f"the family {self.plugin}", lambda: f"in {member}")
