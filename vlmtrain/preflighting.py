"""THE JOURNEY of a preflight, and nothing else: processor, every row, images, steps, memory; no weights are loaded."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.errors import ContractError
from vlmdata.record import Problem
from vlmtrain import processes
from vlmtrain.budget import Measure
from vlmtrain.collate import Collator
from vlmtrain.config import BudgetConfig, DataConfig, ModelConfig, RunConfig, TrainConfig, load_run
from vlmtrain.data import as_bytes, choose, dataset_fingerprint, open_dataset
from vlmtrain.errors import BudgetError, ModelError, RunError
from vlmtrain.family import choose_for_processor, family_of_processor
from vlmtrain.held_out import not_held_out, refuse_other_split
from vlmtrain.memory import estimate_memory, load_settings, on_meta, patch_pixels
from vlmtrain.model import load_processor
from vlmtrain.order import Order
from vlmtrain.pixel_budget import PixelSearch, Scaled
from vlmtrain.preflight_result import Preflight, SplitFigures, Steps, row_facts
from vlmtrain.proving import Proof, prove
from vlmtrain.stored_images import image_problems
from vlmtrain.survey import Survey, refuse_rows, survey

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import ProcessorMixin

    from vlmtrain.budget import RowLength
    from vlmtrain.memory import MemoryEstimate
    from vlmtrain.order import RowShapes
    from vlmtrain.train import Rows
    from vlmtrain.turns import Row

Progress = Callable[[str], None]
REPORT_EVERY = 1000
DEFAULTS = TrainConfig(learning_rate=2e-4)
"""What a model and a dataset without a run file are looked at for: QLoRA with one row at a time."""


def preflight(  # noqa: PLR0913  (a run, or in its place the few words that a run file would hold)
    run: RunConfig | Path | str | None = None,
    *,
    model: str | None = None,
    data: Any = None,
    max_pixels: int | None = None,
    max_length: int | None = None,
    measure: int = 0,
    on_progress: Progress | None = None,
) -> Preflight:
    """Look at a run, or at a model and a dataset, before any training; loads no weights unless `measure` asks for it.

    `data` is a dataset's folder, or one that `vlmdata.open` opened. `measure` steps are really run here. What is wrong
    with rows stands in the result; raises RunError, ModelError or ContractError where nothing can be looked at.
    """
    tell = on_progress or _silent
    if run is not None:
        config = run if isinstance(run, RunConfig) else load_run(run)
        examined = examine(config, tell)
    elif model is None or data is None:
        raise RunError("a preflight is of a run, or of a model and data")
    else:
        config, splits = _without_a_run(model, data, max_pixels, max_length)
        examined = examine(config, tell, splits)
    if not measure:
        return examined.result
    from vlmtrain.measuring import measure_steps

    return replace(examined.result, measured=measure_steps(config, examined, measure, tell))


def _without_a_run(
    model: str, data: Any, max_pixels: int | None, max_length: int | None
) -> tuple[RunConfig, Mapping[str, Dataset]]:
    opened = as_bytes(data) if isinstance(data, Mapping) else open_dataset(Path(data))
    if not opened:
        raise ContractError("the dataset has no split")
    first = "train" if "train" in opened else next(iter(opened))
    path = Path() if isinstance(data, Mapping) else Path(data)
    config = RunConfig(
        output=Path("preflight"),
        data=DataConfig(path=path, train_split=first),
        model=ModelConfig(base=model),
        budget=BudgetConfig(max_pixels=max_pixels, max_length=max_length),
        train=DEFAULTS,
    )
    return config, {name: rows for name, rows in opened.items() if len(rows)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a preflight found, and the rows that it looked at."""

    config: RunConfig
    result: Preflight
    surveys: Mapping[str, Survey]
    splits: Mapping[str, Dataset]
    batch_key: Callable[[int], int]

    def refuse(self) -> None:
        """Raise BudgetError, with every problem, where the run must not start as it is."""
        if self.result.passed:
            return
        problems = [problem for problem in self.result.problems if problem.severity == "error"]
        bad = len({(problem.source, problem.id) for problem in problems})
        count = sum(len(found) for found in self.surveys.values())
        raise BudgetError(f"{bad:,} of {count:,} rows can't be trained on", problems)

    def rows(self) -> Rows:
        """The rows that are trained on, and measured, with what orders them. Raises BudgetError where none is left."""
        from vlmtrain.train import Rows

        data = self.config.data
        train, shapes = self._chosen(data.train_split)
        if data.validation_split is None:
            return Rows(train=train, shapes=shapes)
        validation, theirs = self._chosen(data.validation_split)
        return Rows(train=train, shapes=shapes, validation=validation, validation_shapes=theirs)

    def said(self, *, force: bool) -> dict[str, Any]:
        """What train.json says of the rows: which were left out and which shrunk, in each split."""
        rows = {name: row_facts(split) for name, split in self.result.splits.items()}
        return {"forced": force and not self.result.passed, "rows": rows}

    def _chosen(self, split: str) -> tuple[Dataset, RowShapes]:
        found = self.surveys[split]
        if len(found.left_out) == len(found):
            problems = found.problems or [_gone(row.id, split) for row in found.dropped]
            raise BudgetError(f"no row of the split {split!r} is left to train on", problems)
        return found.chosen(self.splits[split]), found.shapes(self.batch_key)


def _gone(name: str, split: str) -> Problem:
    return Problem(rule="budget.max_length", message=f"is dropped from {split}", source=name, id=name)


def examine(config: RunConfig, tell: Progress, splits: Mapping[str, Dataset] | None = None) -> Examined:
    """Measure every row that the run reads (or those of `splits`), and all that follows from it."""
    held_out_note = not_held_out(config) if splits is None else ""
    if splits is None and config.train is not None and config.train is not DEFAULTS:
        refuse_other_split(config)
    splits = _run_splits(config, tell) if splits is None else splits
    loaded = load_processor(replace(config, budget=BudgetConfig()))
    family = family_of_processor(loaded)
    processor = _bounded(loaded, config)
    last = config.train is not None and config.train.last_turn_only
    collator = Collator(processor, max_length=config.budget.max_length, last_turn_only=last, family=family)
    settings = load_settings(config.model)
    context = getattr(settings.get_text_config(), "max_position_embeddings", None)
    looker = _Looker(collator=collator, loaded=loaded, config=config, context=context, tell=tell)
    looked = {name: looker.split(name, rows) for name, rows in splits.items()}
    surveys = {name: found for name, (found, _) in looked.items()}
    train = config.data.train_split
    size = config.train.batch_size if config.train else 1
    proof = prove(splits[train], surveys[train], collator, size, patch_pixels(settings))
    memory, note = _memory(config, settings, collator, proof)
    result = Preflight(
        base=config.model.base if not config.model.is_local else Path(config.model.base).name,
        family=family.name,
        data=config.data.path.name,
        fingerprint=_fingerprint(config),
        max_length=config.budget.max_length,
        max_pixels=config.budget.max_pixels,
        over=config.budget.over,
        context=context,
        splits={name: SplitFigures.of(found, scaled) for name, (found, scaled) in looked.items()},
        problems=(*(each for found in surveys.values() for each in found.problems), *proof.problems),
        largest_max_pixels=looker.search.found(),
        steps=run_steps(config, surveys[train].shapes(family.batch_key)),
        memory=memory,
        memory_note=note,
        held_out_note=held_out_note,
    )
    return Examined(config=config, result=result, surveys=surveys, splits=splits, batch_key=family.batch_key)


def _run_splits(config: RunConfig, tell: Progress) -> dict[str, Dataset]:
    data, dataset = config.data, open_dataset(config.data.path)
    names = [data.train_split, *([data.validation_split] if data.validation_split else [])]
    splits = {name: choose(dataset, name, data.limit) for name in names}
    tell(f"{len(splits[data.train_split]):,} rows of {data.path}, split {data.train_split}")
    return splits


def _bounded(loaded: ProcessorMixin, config: RunConfig) -> ProcessorMixin:
    """The processor under the run's pixel budget; the one given stays as it was loaded. Raises ModelError."""
    processor = copy.copy(loaded)
    processor.image_processor = copy.deepcopy(loaded.image_processor)
    family = family_of_processor(loaded)
    choose_for_processor(processor, family)
    family.set_pixels(processor, config.budget.min_pixels, config.budget.max_pixels)
    return processor


class _Looker:
    """Looks at one split after the other; the search for pixels sees the rows of all."""

    def __init__(
        self, *, collator: Collator, loaded: ProcessorMixin, config: RunConfig, context: int | None, tell: Progress
    ) -> None:
        self._measure, self._over, self._tell = Measure(collator), config.budget.over, tell
        self._context = context
        bound = config.budget.max_length or context
        self.search = PixelSearch(loaded, self._measure, config.budget.min_pixels, bound)

    def split(self, name: str, rows: Dataset) -> tuple[Survey, Scaled]:
        """Every row of a split: its lengths, then whether its images are those that it says."""
        found = survey(name, rows.remove_columns("images"), self._measure, self._over, self._seen())
        refuse_rows(found, image_problems(rows.select_columns(["id", "images", "image_info"])))
        longest = max(found.tokens, default=0)
        if self._context and longest > self._context:
            found.problems.append(_beyond(name, sum(each > self._context for each in found.tokens), self._context))
        tokens, learned = sum(found.tokens), sum(found.learned)
        self._tell(f"{len(found):,} rows: {tokens:,} tokens, {learned:,} learned, longest {longest:,}")
        return found, self.search.counted()

    def _seen(self) -> Callable[[Row, RowLength | None], None]:
        count = 0

        def see(row: Row, length: RowLength | None) -> None:
            nonlocal count
            count += 1
            if length is not None:
                self.search.see(row, length)
            if count % REPORT_EVERY == 0:
                self._tell(f"{count:,} rows measured")

        return see


def _beyond(split: str, rows: int, context: int) -> Problem:
    message = f"{rows:,} rows have more tokens than the {context:,} positions that the model was made for;"
    hint = "set budget.max_length, or a smaller budget.max_pixels"
    return Problem(rule="budget.context", message=message, source=split, hint=hint, severity="warning")


def run_steps(config: RunConfig, shapes: RowShapes) -> Steps | None:
    """How many steps the run takes; None where it trains nothing."""
    settings = config.train
    if settings is None or not len(shapes):
        return None
    count = processes.count()
    order = Order(
        shapes=shapes,
        batch_size=settings.batch_size,
        seed=settings.seed,
        group_by_length=settings.group_by_length,
        processes=count,
    )
    first = [shapes.lengths[batch] for batch in order.batches(0)]
    positions = sum(int(lengths.max()) * len(lengths) for lengths in first)
    updates = math.ceil(len(order) / settings.accumulate)
    return Steps(
        rows=len(shapes),
        epochs=settings.epochs,
        batches=len(order),
        steps=math.ceil(settings.epochs * updates),
        rows_a_step=settings.batch_size * settings.accumulate * count,
        padding=1 - int(shapes.lengths.sum()) / positions,
    )


def _memory(config: RunConfig, settings: Any, collator: Collator, proof: Proof) -> tuple[MemoryEstimate | None, str]:
    """The estimate, and what it is for; or None, and why there is none."""
    if config.train is None or proof.shape is None:
        return None, "nothing is trained" if config.train is None else "no row can be trained on"
    attention = config.model.attention or collator.family.attention
    try:
        model = on_meta(settings, attention)
    except ImportError as error:
        raise ModelError(f"model.attention: {attention} is not installed here: {_first_line(error)}") from None
    except ValueError as error:
        return None, f"the architecture can't be built without its weights: {error}"
    note = "of a QLoRA run with one row at a time" if config.train is DEFAULTS else ""
    return estimate_memory(model, config, collator.family, proof.shape), note


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _fingerprint(config: RunConfig) -> str | None:
    try:
        return dataset_fingerprint(config.data.path)
    except ContractError:
        return None


def _silent(line: str) -> None:
    """Progress that nobody asked for."""
