"""A model asked again and again, and the rows that it is asked: those of the dataset by id, and new ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmdata.record import message_rows
from vlmtrain import processes
from vlmtrain.answer_cache import AnswerCache, row_digests
from vlmtrain.collate import Collator
from vlmtrain.config import RunConfig
from vlmtrain.data import hint_of_id, open_dataset, recipe_of
from vlmtrain.errors import RunError
from vlmtrain.generation import Answer, AnswerLoss, Generation, Work, adapter_off, answer_losses, share_of_answers
from vlmtrain.misfit import without_prompts

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from vlmtrain.loaded import LoadedModel
    from vlmtrain.protocols import ModelFamily

Progress = Callable[[str], None]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A model under one set of settings, asked again and again; `seconds` adds up how long each question took.

    `base` asks the base of a model with an adapter. With a `cache`, what it holds is not asked again; several processes
    share the rows through it, and each has all answers in the end. Without one, a process asks for itself.
    """

    loaded: LoadedModel
    collator: Collator
    settings: Generation
    tell: Progress | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    cache: AnswerCache | None = None
    base: bool = False

    @classmethod
    def of(
        cls, loaded: LoadedModel, config: RunConfig, tell: Progress | None, seconds: dict[str, float] | None = None
    ) -> Asker:
        collator = collator_of(config, loaded.processor, loaded.family)
        kept = {} if seconds is None else seconds
        return cls(loaded=loaded, collator=collator, settings=generation_of(config), tell=tell, seconds=kept)

    def answers(self, rows: Sequence[Row], name: str) -> list[Answer]:
        """The answers of all rows, in order."""

        def ask(work: Work[Answer]) -> dict[int, Answer]:
            return share_of_answers(self.loaded, self.collator, rows, self.settings, work)

        found = self._shared("answer", Answer, rows, name, ask)
        return [found[index] for index in range(len(rows))]

    def losses(self, rows: Sequence[Row], name: str) -> list[AnswerLoss | None]:
        """The loss of every row's reference answer, in order; None where the model can't take the row."""

        def ask(work: Work[AnswerLoss]) -> dict[int, AnswerLoss]:
            return answer_losses(self.loaded, self.collator, rows, self.settings.batch_size, work)

        found = self._shared("loss", AnswerLoss, rows, name, ask)
        return [found.get(index) for index in range(len(rows))]

    def _shared(
        self, kind: Any, form: Any, rows: Sequence[Row], name: str, ask: Callable[[Work[Any]], dict[int, Any]]
    ) -> dict[int, Any]:
        """What this process asks, and then, where there are several, what all of them did."""
        started = time.perf_counter()
        digests = row_digests(rows, answers=kind == "loss") if self.cache else []
        cache = self.cache
        known = {place: form(**value) for place, value in cache.known(kind, digests).items()} if cache else {}

        def keep(made: Mapping[int, Any]) -> None:
            if cache:
                cache.keep(kind, {digests[place]: value for place, value in made.items()})

        work: Work[Any] = Work(
            known=known,
            keep=keep,
            progress=self._progress(name, kind, len(rows), len(known)),
            share=processes.rank() if cache else 0,
            shares=processes.count() if cache else 1,
        )
        with adapter_off(self.loaded.model) if self.base else nullcontext():
            found = ask(work)
        if processes.count() > 1 and cache:
            processes.wait_for_all()
            found = {place: form(**value) for place, value in cache.known(kind, digests).items()}
        self.seconds[f"{name}.{'losses' if kind == 'loss' else 'answers'}"] = time.perf_counter() - started
        return found

    def _progress(self, name: str, kind: str, rows: int, known: int) -> Callable[[int], None]:
        done = 0
        before = f", {known:,} of them before" if known else ""

        def progress(more: int) -> None:
            nonlocal done
            done += more
            if self.tell and kind == "answer":
                self.tell(f"{name}: {done:,} of {rows:,} rows answered{before}")

        return progress


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
    """Rows of any split. Raises RunError with the ids that no split has, and the nearest one, or those of the several
    conversations that a recipe makes of a row."""
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
        raise RunError(f"the dataset has no row {missing[0]!r}; {hint_of_id(missing[0], known)}".rstrip("; "))
    return [found[name] for name in ids]


def new_rows(config: RunConfig, rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """New rows as the record contract has them, up to the answer. Raises RunError where the dataset has no prompt."""
    import vlmdata

    rows, recipe = list(rows), recipe_of(config.data.path)
    if rows and recipe and not recipe.get("conversations"):
        raise RunError(without_prompts(config.data.path))
    for prompt in vlmdata.render(rows, config.data.path) if rows else ():
        yield {
            "id": prompt.id,
            "messages": message_rows(prompt.messages),
            "images": [{"bytes": image, "path": None} for image in prompt.images],
        }
