"""A model asked again and again, and the rows that it is asked: those of the dataset by id, and new ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmdata.record import message_rows
from vlmdata.settings import nearest
from vlmtrain.collate import Collator
from vlmtrain.config import RunConfig
from vlmtrain.controls import Swapped
from vlmtrain.data import open_dataset
from vlmtrain.errors import RunError
from vlmtrain.evaluation import Candidate, Control, answered_rows, evaluate_candidate, evaluate_control
from vlmtrain.generation import Answer, AnswerLoss, Generation, adapter_off, answer_losses, answer_rows

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from vlmtrain.loaded import LoadedModel
    from vlmtrain.protocols import Metric, ModelFamily

Progress = Callable[[str], None]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A model under one set of settings, asked again and again; `seconds` adds up how long each candidate took."""

    loaded: LoadedModel
    collator: Collator
    settings: Generation
    tell: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, loaded: LoadedModel, config: RunConfig, tell: Progress | None, seconds: dict[str, float] | None = None
    ) -> Asker:
        collator = collator_of(config, loaded.processor, loaded.family)
        kept = {} if seconds is None else seconds
        return cls(loaded=loaded, collator=collator, settings=generation_of(config), tell=tell, seconds=kept)

    def answers(self, rows: Sequence[Row], name: str) -> list[Answer]:
        """The answers of all rows, in order."""
        started, done = time.perf_counter(), 0

        def progress(more: int) -> None:
            nonlocal done
            done += more
            if self.tell:
                self.tell(f"{name}: {done:,} of {len(rows):,} rows answered")

        answers = answer_rows(self.loaded, self.collator, rows, self.settings, progress)
        self.seconds[f"{name}.answers"] = time.perf_counter() - started
        return answers

    def losses(self, rows: Sequence[Row], name: str) -> list[AnswerLoss]:
        """The loss of every row's reference answer, in order."""
        started = time.perf_counter()
        losses = answer_losses(self.loaded, self.collator, rows, self.settings.batch_size)
        self.seconds[f"{name}.losses"] = time.perf_counter() - started
        return losses

    def candidate(self, name: str, rows: Sequence[Row], metrics: Sequence[Metric]) -> Candidate:
        """The base, or the adapter on it, scored on the rows."""
        with adapter_off(self.loaded.model) if name == "base" else nullcontext():
            answers = self.answers(rows, name)
            losses = self.losses(rows, name) if any(metric.name == "answer_loss" for metric in metrics) else None
        return evaluate_candidate(name, answered_rows(rows, answers, losses), metrics, answers)

    def control(self, name: str, candidate: Candidate, rows: Swapped, metrics: Sequence[Metric]) -> Control:
        """A candidate, the adapter if there is one, on rows whose images were tampered with."""
        answers = self.answers(rows, f"{candidate.name}.{name}")
        return evaluate_control(name, candidate, rows, answers, metrics)


def generation_of(config: RunConfig) -> Generation:
    """How the run has answers generated."""
    asked = config.eval.generate
    return Generation(
        max_new_tokens=asked.max_new_tokens, temperature=asked.temperature, batch_size=config.eval.batch_size
    )


def collator_of(
    config: RunConfig, processor: ProcessorMixin, family: ModelFamily | None = None, *, max_length: int | None = None
) -> Collator:
    """How the run turns rows into batches."""
    last = config.train is not None and config.train.last_turn_only
    return Collator(processor, max_length=max_length, last_turn_only=last, family=family)


def rows_by_id(config: RunConfig, ids: Sequence[str]) -> list[Row]:
    """Rows of any split. Raises RunError with the ids that no split has, and the nearest one."""
    if not ids:
        return []
    found: dict[str, Row] = {}
    known: list[str] = []
    for split in open_dataset(config.data.path).values():
        names = split["id"][:]
        known += names
        found |= {name: split[index] for index, name in enumerate(names) if name in set(ids)}
    missing = [name for name in ids if name not in found]
    if missing:
        raise RunError(f"the dataset has no row {missing[0]!r}; {nearest(missing[0], known)}".rstrip("; "))
    return [found[name] for name in ids]


def new_rows(config: RunConfig, rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """New rows as the record contract has them, up to the answer."""
    import vlmdata

    rows = list(rows)
    for prompt in vlmdata.render(rows, config.data.path) if rows else ():
        yield {
            "id": prompt.id,
            "messages": message_rows(prompt.messages),
            "images": [{"bytes": image, "path": None} for image in prompt.images],
        }
