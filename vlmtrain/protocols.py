"""The plug-in points of training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from vlmtrain.config import Part
    from vlmtrain.metric import Answered


class ModelFamily(Protocol):
    """What differs between model families, chosen by the `model_type` of the model's config."""

    @property
    def name(self) -> str:
        """The family's name, as messages have it."""

    @property
    def attention(self) -> str | None:
        """The attention implementation that is right for it; None leaves the choice to transformers."""

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """The modules that make up each part of the model, by their paths. A longer path wins over a shorter one."""

    @property
    def expands_placeholders(self) -> bool:
        """Whether the processor makes several tokens of an image's placeholder, and says where."""

    def batch_key(self, images: int) -> int:
        """Rows share a batch only where this is equal, by how many images they have."""

    def opening(self, processor: Any) -> str:
        """What the processor itself puts before a rendered text that does not begin with it; mostly nothing."""

    def closing(self, processor: Any) -> str:
        """What ends an answer where the template leaves that to the next turn; mostly nothing."""

    def chat_template(self, processor: Any) -> str | None:
        """The template to render with where the processor's own asks otherwise than it teaches; None takes its own."""

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """Every token id that stands for an image or a part of its frame, and is never learned."""

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound an image's pixels through the processor's own settings. Raises ModelError where it has none."""


class Metric(Protocol):
    """A measure of answers: a score per row, and one for all rows."""

    @property
    def name(self) -> str:
        """The name in run files and result files."""

    @property
    def higher_is_better(self) -> bool:
        """Which way is good."""

    @property
    def about(self) -> str:
        """What it measures, in a few words, with its range."""

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's scores by name; empty where it has none."""

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        """The scores of all rows together, by name."""
