"""THE JOURNEY of a run, and nothing else: config, model, data, train; evaluate; merge; generate."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.record import message_rows
from vlmdata.settings import nearest
from vlmtrain.collate import Collator
from vlmtrain.config import ADAPTER_FOLDER, RunConfig, as_data, load_run, save_run
from vlmtrain.controls import Swapped, find_control
from vlmtrain.data import choose, dataset_fingerprint, open_dataset
from vlmtrain.errors import RunError
from vlmtrain.evaluation import (
    RESULTS_FILE,
    Candidate,
    Control,
    EvalResult,
    answered_rows,
    describe,
    evaluate_candidate,
    evaluate_control,
    reference_scores,
    versions,
    write_result,
)
from vlmtrain.generation import Answer, AnswerLoss, Generation, adapter_off, answer_losses, answer_rows, learned_logits
from vlmtrain.merging import (
    MERGE_FILE,
    Behaviour,
    MergeResult,
    agreement,
    bounded,
    dequantised,
    load_merged,
    merged,
    save_merged,
    size_of,
    write_merge,
)
from vlmtrain.metric import find as find_metrics
from vlmtrain.model import attach_adapter, load_base, load_processor, lora_config, save_adapter
from vlmtrain.publishing import staged

if TYPE_CHECKING:
    import torch
    from transformers import ProcessorMixin

    from vlmtrain.budget import Budget
    from vlmtrain.loaded import LoadedModel
    from vlmtrain.protocols import Metric, ModelFamily
    from vlmtrain.train import Learner, Rows, TrainResult

Progress = Callable[[str], None]
Row = Mapping[str, Any]
EVAL_FOLDER = "eval"
TRAIN_FILE = "train.json"
ADAPTER_FILE = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class SftResult:
    """What a training made: the run's folder, the adapter in it, and the figures of train.json."""

    output: Path
    adapter: Path
    training: TrainResult


def sft(config: RunConfig | Path | str, *, replace: bool = False, on_progress: Progress | None = None) -> SftResult:
    """Fine-tune an adapter, and leave it in the run's output folder with all that is needed to use and repeat it.

    Raises RunError, ModelError, ContractError, BudgetError, TrainingError or OutputError.
    """
    from vlmtrain.train import train, train_manifest

    config = _loaded(config)
    tell = on_progress or _silent
    if config.train is None:
        raise RunError(f"the run has no `train` section, so there is nothing to train for {config.output}")
    with staged(config.output, replace=replace, mark=TRAIN_FILE) as folder:
        fingerprint = dataset_fingerprint(config.data.path)
        rows = _training_rows(config)
        tell(f"{len(rows.train):,} rows of {config.data.path}, split {config.data.train_split}")
        _check_budget(config, rows, tell)
        tell(f"loading {config.model.base}{'' if config.model.is_local else '; the first time it is downloaded'}")
        loaded = load_base(config)
        tell(loaded.describe())
        model, result = train(config, _learner(config, loaded), rows, folder, on_progress)
        save_adapter(model, folder / ADAPTER_FOLDER, config, loaded.commit)
        save_run(dataclasses.replace(config, output=folder), folder)
        manifest = train_manifest(config, loaded, result, fingerprint)
        (folder / TRAIN_FILE).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return SftResult(output=config.output, adapter=config.output / ADAPTER_FOLDER, training=result)


def _learner(config: RunConfig, loaded: LoadedModel) -> Learner:
    from vlmtrain.train import Learner

    return Learner(
        loaded=loaded,
        lora=lora_config(config, loaded.model, loaded.family),
        collator=_collator(config, loaded.processor, loaded.family, max_length=config.budget.max_length),
    )


def _collator(
    config: RunConfig, processor: ProcessorMixin, family: ModelFamily | None = None, *, max_length: int | None = None
) -> Collator:
    """How the run turns rows into batches."""
    last = config.train is not None and config.train.last_turn_only
    return Collator(processor, max_length=max_length, last_turn_only=last, family=family)


def _training_rows(config: RunConfig) -> Rows:
    from vlmtrain.train import Rows

    data = config.data
    dataset = open_dataset(data.path)
    validation = None if data.validation_split is None else choose(dataset, data.validation_split, data.limit)
    return Rows(train=choose(dataset, data.train_split, data.limit), validation=validation)


def _check_budget(config: RunConfig, rows: Rows, tell: Progress) -> None:
    """Measure every row that will be trained on or validated, before any weights are loaded."""
    from vlmtrain.budget import check_budget

    measure = _collator(config, load_processor(config), max_length=config.budget.max_length)
    for split in (rows.train, rows.validation):
        if split is not None:
            rows_only = split.remove_columns("images")
            found = check_budget(rows_only, measure, lambda count: tell(f"{count:,} rows measured"))
            _check_mixture(found, measure, config)
            tell(f"{found.rows:,} rows: {found.tokens:,} tokens, {found.learned:,} learned, longest {found.longest:,}")


def _check_mixture(found: Budget, collator: Collator, config: RunConfig) -> None:
    """Refuse, before training, batches that the family's forward can't take."""
    mixed = 0 < found.without_images < found.rows
    if mixed and not collator.family.mixes_text_only and config.train is not None and config.train.batch_size > 1:
        raise RunError(
            f"{collator.family.name} can't take rows with and without images in one batch, and "
            f"{found.without_images:,} of {found.rows:,} rows have none; "
            "take train.batch_size 1, or leave these rows out"
        )


def _silent(line: str) -> None:
    """Progress that nobody asked for."""


def evaluate(
    config: RunConfig | Path | str,
    *,
    controls: Sequence[str] = ("swap",),
    limit: int | None = None,
    on_progress: Progress | None = None,
) -> EvalResult:
    """Base against adapter on the held-out split: the same rows, pixels and settings, from one model in memory.

    Writes results.json and the answers of both into the run's folder, under eval/. Of a run file without `train` the
    base alone is asked. `controls` names what is done to the images in a second look at the last candidate.
    Raises RunError, ModelError, ContractError or OutputError.
    """
    config = _loaded(config)
    adapter = _adapter(config) if config.train else None
    metrics = find_metrics(config.eval.metrics)
    altered = {name: find_control(name) for name in controls}
    rows = choose(open_dataset(config.data.path), config.eval.split, limit)
    with staged(config.output / EVAL_FOLDER, mark=RESULTS_FILE, replace=True) as folder:
        asker = _Asker.of(_base(config, adapter), config, on_progress)
        candidates = {
            name: asker.candidate(name, rows, metrics) for name in (["base", "adapter"] if adapter else ["base"])
        }
        *_, last = candidates.values()
        result = EvalResult(
            rows=rows.remove_columns("images"),
            metrics=describe(metrics),
            candidates=candidates,
            reference=reference_scores(last.answered, metrics),
            controls=tuple(asker.control(name, last, alter(rows), metrics) for name, alter in altered.items()),
            setup=_eval_setup(config, asker.loaded, len(rows), limit),
            timing=asker.seconds,
        )
        write_result(result, folder)
    return dataclasses.replace(result, path=config.output / EVAL_FOLDER)


def merge(
    config: RunConfig | Path | str,
    out: Path | str,
    *,
    replace: bool = False,
    agreement_rows: int = 32,
    on_progress: Progress | None = None,
) -> MergeResult:
    """The adapter merged into the dequantised base, in a folder that plain transformers loads.

    The first `agreement_rows` held-out rows are answered by the adapter on its base, and by the merged folder loaded
    again; merge.json in the folder says how far they agree. Raises RunError, ModelError, ContractError or OutputError.
    """
    config = _loaded(config)
    adapter = _adapter(config)
    rows = choose(open_dataset(config.data.path), config.eval.split, agreement_rows) if agreement_rows else None
    with staged(Path(out), mark=MERGE_FILE, replace=replace) as folder:
        before = _behaviour("adapter", _base(config, adapter), config, rows, on_progress)
        device, attention = _save_merged(config, adapter, folder)
        whole = load_merged(folder, device, attention)
        after = _behaviour("merged model", whole, config, rows, on_progress)
        result = MergeResult(
            path=Path(out),
            base=config.model.base,
            onto="dequantised nf4" if config.model.load == "nf4" else config.model.load,
            dtype=str(whole.dtype).removeprefix("torch."),
            parameters=whole.model.num_parameters(),
            size_bytes=size_of(folder),
            agreement=agreement(before, after) if before and after else None,
        )
        write_merge(result, folder, {"run": as_data(config, relative_to=Path(out)), "versions": versions()})
    return result


def generate(
    config: RunConfig | Path | str,
    rows: Iterable[Mapping[str, Any]] = (),
    *,
    ids: Sequence[str] = (),
    base: bool = False,
    on_progress: Progress | None = None,
) -> list[Answer]:
    """Answers to new rows, or to rows of the dataset by their ids; by the adapter where the run has one.

    A new row holds the columns that the recipe's prompt reads, and under `images` a list of files; the dataset's
    manifest says how it is asked. `base` asks the base instead. Raises RunError, ModelError or ConfigError.
    """
    config = _loaded(config)
    asked = [*_rows_by_id(config, ids), *_new_rows(config, rows)]
    if not asked:
        raise RunError("nothing is asked: name an id, or give images and fields")
    adapter = None if base else config.adapter
    return _Asker.of(_base(config, adapter), config, on_progress).answers(asked, "adapter" if adapter else "base")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asker:
    """A model under one set of settings, asked again and again; `seconds` adds up how long each candidate took."""

    loaded: LoadedModel
    collator: Collator
    settings: Generation
    tell: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, loaded: LoadedModel, config: RunConfig, tell: Progress | None) -> _Asker:
        collator = _collator(config, loaded.processor, loaded.family)
        return cls(loaded=loaded, collator=collator, settings=_generation(config), tell=tell)

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


def _base(config: RunConfig, adapter: Path | None) -> LoadedModel:
    loaded = load_base(config)
    return attach_adapter(loaded, adapter) if adapter else loaded


def _adapter(config: RunConfig) -> Path:
    if config.adapter is None:
        raise RunError(f"there is no adapter in {config.output}; `vlmtrain sft` makes it")
    return config.adapter


def _generation(config: RunConfig) -> Generation:
    asked = config.eval.generate
    return Generation(
        max_new_tokens=asked.max_new_tokens, temperature=asked.temperature, batch_size=config.eval.batch_size
    )


def _eval_setup(config: RunConfig, loaded: LoadedModel, rows: int, limit: int | None) -> dict[str, Any]:
    """What results.json says of the dataset, the model and the settings; paths relative to the run's folder."""
    data = as_data(config, relative_to=config.output)
    adapter = config.adapter if config.train else None
    asked = _generation(config)
    return {
        "dataset": {
            "path": data["data"]["path"],
            "fingerprint": dataset_fingerprint(config.data.path),
            "split": config.eval.split,
            "rows": rows,
            "limit": limit,
        },
        "model": {
            **data["model"],
            "commit": loaded.commit,
            "loaded": loaded.describe(),
            "adapter": adapter.name if adapter else None,
            "adapter_sha256": sha256((adapter / ADAPTER_FILE).read_bytes()).hexdigest() if adapter else None,
        },
        "settings": {
            "batch_size": config.eval.batch_size,
            "generate": {"max_new_tokens": asked.max_new_tokens, "temperature": asked.temperature, "seed": asked.seed},
            "budget": data["budget"],
        },
        "versions": versions(),
    }


def _behaviour(
    name: str, loaded: LoadedModel, config: RunConfig, rows: Sequence[Row] | None, tell: Progress | None
) -> Behaviour | None:
    """A model's answers to the rows, and its logits over their references; None without rows."""
    if rows is None:
        return None
    asker = _Asker.of(loaded, config, tell)
    logits = learned_logits(loaded, asker.collator, rows, asker.settings.batch_size)
    return Behaviour(answers=tuple(asker.answers(rows, name)), logits=bounded(logits))


def _save_merged(config: RunConfig, adapter: Path, folder: Path) -> tuple[torch.device, str]:
    """Merge and save; the model's memory is free again when this returns."""
    made = merged(attach_adapter(dequantised(load_base(config)), adapter))
    save_merged(made, folder)
    return made.device, made.attention


def _rows_by_id(config: RunConfig, ids: Sequence[str]) -> list[Row]:
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


def _new_rows(config: RunConfig, rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """New rows as the record contract has them, up to the answer."""
    import vlmdata

    rows = list(rows)
    for prompt in vlmdata.render(rows, config.data.path) if rows else ():
        yield {
            "id": prompt.id,
            "messages": message_rows(prompt.messages),
            "images": [{"bytes": image, "path": None} for image in prompt.images],
        }


def _loaded(config: RunConfig | Path | str) -> RunConfig:
    return config if isinstance(config, RunConfig) else load_run(config)
