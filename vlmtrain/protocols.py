"""The plug-in points of training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

    from vlmtrain.config import Part
    from vlmtrain.metric import Answered


class ModelFamily(Protocol):
    """What differs between model families, chosen by the `model_type` of the model's config, or named by the run.

    It holds no state: each member is asked again whenever it is needed, in several processes too. A processor is left
    as it is by all but `set_pixels`.
    """

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
        """Rows share a batch only where this is equal, by how many images they have. A row in a batch is as alone."""

    def opening(self, processor: Any) -> str:
        """What the processor itself puts before a rendered text that does not begin with it; mostly nothing."""

    def closing(self, processor: Any) -> str:
        """What ends an answer where the template leaves that to the next turn; mostly nothing."""

    def chat_template(self, processor: Any) -> str | None:
        """The template to render with where the processor's own asks otherwise than it teaches; None takes its own."""

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """Every token id that stands for an image or a part of its frame, and is never learned: no word's."""

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound an image's pixels through the processor's own settings; None leaves a bound as it is.

        Fewer pixels never make more tokens. Raises ModelError, saying why, for a bound that can't be kept.
        """


class Metric(Protocol):
    """A measure of answers. Over many rows a score is the mean of the rows that have it, in whatever order they come.

    `score` alone makes a metric; the rest says how to read it. More attributes may be there: `directions`, where
    single scores differ from `higher_is_better`; `correct`, the name of a score that is 1 for a right answer and 0 for
    a wrong one; `signature`, what its library asks to be quoted; `reads_losses`, where it needs `nll` of each row.
    """

    @property
    def name(self) -> str:
        """The name in run files and result files. Its scores are called so, or so with a dot and a word."""

    @property
    def higher_is_better(self) -> bool | None:
        """Which way is good; None where neither is by itself."""

    @property
    def about(self) -> str:
        """What it measures, in a few words, with its range."""

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's scores by name, finite numbers; empty where it has none.

        It depends on the row alone, leaves the row as it is, and never raises: answers may be empty, or in any script.
        """


@runtime_checkable
class Summed(Protocol):
    """A metric whose score over many rows is a function of sums over them, and no mean of their scores.

    Any weighting of the rows has a score then, without looking at texts again: that is what intervals are made from.
    """

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """What a row adds, by score: K numbers, always as many for one score; nothing where it has none.

        The value of one row's sums is that row's score.
        """

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:
        """The score `name` of sums [..., K], for each: [...], NaN where there is none."""


@runtime_checkable
class Fitted(Protocol):
    """A metric that must know all rows before it scores one: their tasks, labels or brands. Never their answers."""

    def fitted(self, rows: Sequence[Answered]) -> Metric:
        """This metric for these rows."""


@runtime_checkable
class Whole(Protocol):
    """A metric that must see all rows at once, such as the number of different words; it has no interval."""

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        """The scores of all rows together, by name."""
