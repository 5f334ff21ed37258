"""THE JOURNEY of a run, and nothing else: config, model, data, train; evaluate; merge; generate."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmtrain import processes
from vlmtrain.asking import Asker, collator_of, generation_of, new_rows, rows_by_id
from vlmtrain.card import write_card
from vlmtrain.checkpoints import FOLDER as CHECKPOINTS
from vlmtrain.checkpoints import Checkpoint, refuse_other_run, whole_checkpoints
from vlmtrain.config import ADAPTER_FOLDER, MODEL_FOLDER, RunConfig, as_data, load_run, save_run
from vlmtrain.controls import find_control
from vlmtrain.data import choose, dataset_fingerprint, open_dataset
from vlmtrain.errors import RunError
from vlmtrain.evaluation import (
    RESULTS_FILE,
    Candidate,
    EvalResult,
    describe,
    reference_scores,
    versions,
    write_result,
)
from vlmtrain.generation import Answer, learned_logits
from vlmtrain.identity import run_identity
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
from vlmtrain.model import attach_adapter, load_base, part_of, what_learns
from vlmtrain.preflight_result import FILE as PREFLIGHT_FILE
from vlmtrain.preflight_result import Preflight, write_preflight
from vlmtrain.preflighting import examine
from vlmtrain.publishing import stage_of, staged
from vlmtrain.trained import Trained, find_trained, load_trained, require_trained, save_trained

if TYPE_CHECKING:
    import torch

    from vlmtrain.loaded import LoadedModel
    from vlmtrain.train import Learner, TrainResult

Progress = Callable[[str], None]
Row = Mapping[str, Any]
EVAL_FOLDER = "eval"
TRAIN_FILE = "train.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SftResult:
    """What a training made: its folder, the adapter or whole model in it, its figures, and what was found before it."""

    output: Path
    adapter: Path | None
    training: TrainResult
    preflight: Preflight
    model: Path | None = None


def sft(
    config: RunConfig | Path | str,
    *,
    replace: bool = False,
    resume: bool = False,
    force: bool = False,
    on_progress: Progress | None = None,
) -> SftResult:
    """Fine-tune an adapter, and leave it in the run's output folder with all that is needed to use and repeat it.

    Every row is looked at first. Where that preflight fails nothing is trained, unless `force` trains without the rows
    that no run can take, and with those beyond budget.max_length as they are. A training that was interrupted keeps its
    checkpoints; `resume` goes on from the last whole one, step for step as if nothing had happened. Under torchrun the
    processes train together and the first one writes. Raises RunError, ModelError, ContractError, BudgetError,
    TrainingError or OutputError.
    """
    from vlmtrain.train import Place, require_reporter, train, train_manifest

    config = _loaded(config)
    tell = (on_progress if processes.is_first() else None) or _silent
    if config.train is None:
        raise RunError(f"the run has no `train` section, so there is nothing to train for {config.output}")
    require_reporter(config.train.report_to)
    processes.refuse_sharing(config.model.load)
    with _training_folder(config, replace=replace, resume=resume) as folder:
        fingerprint = dataset_fingerprint(config.data.path)
        examined = examine(config, tell)
        if not force:
            examined.refuse()
        rows = examined.rows()
        tell(f"loading {config.model.base}{'' if config.model.is_local else '; the first time it is downloaded'}")
        loaded = load_base(config)
        tell(loaded.describe())
        learner = learner_of(config, loaded, fingerprint, force=force)
        checkpoint = _checkpoint(folder, learner) if resume else None
        if checkpoint is not None:
            tell(f"going on after step {checkpoint.step:,}")
        model, result = train(config, learner, rows, Place(folder=folder, checkpoint=checkpoint), tell)
        save_trained(model, folder, config, loaded)
        if processes.is_first():
            save_run(dataclasses.replace(config, output=folder), folder)
            manifest = {**train_manifest(config, loaded, result, fingerprint), **examined.said(force=force)}
            write_preflight(examined.result, folder / PREFLIGHT_FILE)
            said = json.dumps(manifest, indent=2, ensure_ascii=False)
            (folder / TRAIN_FILE).write_text(f"{said}\n", encoding="utf-8")
            write_card(config, folder)
            shutil.rmtree(folder / CHECKPOINTS)
    return SftResult(
        output=config.output,
        adapter=config.output / ADAPTER_FOLDER if config.lora else None,
        model=None if config.lora else config.output / MODEL_FOLDER,
        training=result,
        preflight=examined.result,
    )


@contextmanager
def _training_folder(config: RunConfig, *, replace: bool, resume: bool) -> Iterator[Path]:
    """The folder that a training writes into. Of several processes the first makes and publishes it."""
    if not processes.is_first():
        processes.wait_for_all()
        yield stage_of(Path(os.path.abspath(config.output)))  # noqa: PTH100
        processes.wait_for_all()
        return
    keeps = staged(config.output, replace=replace, mark=TRAIN_FILE, resume=resume, worth_keeping=has_checkpoint)
    with keeps as folder:
        processes.wait_for_all()
        yield folder
        processes.wait_for_all()


def has_checkpoint(folder: Path) -> bool:
    """Whether a training that was interrupted left a whole checkpoint in a folder."""
    return bool(whole_checkpoints(folder / CHECKPOINTS))


def _checkpoint(folder: Path, learner: Learner) -> Checkpoint:
    """The last whole checkpoint of the same run. Raises RunError with the differences where it is another's."""
    *_, last = whole_checkpoints(folder / CHECKPOINTS)
    refuse_other_run(last, learner.identity)
    return last


def learner_of(config: RunConfig, loaded: LoadedModel, fingerprint: str, *, force: bool) -> Learner:
    """What learns in a run, on a base that is loaded."""
    from vlmtrain.train import Learner

    return Learner(
        loaded=loaded,
        lora=what_learns(config, loaded.model, loaded.family),
        collator=collator_of(
            config, loaded.processor, loaded.family, max_length=None if force else config.budget.max_length
        ),
        identity=run_identity(config, fingerprint, loaded.processor, loaded.commit),
        part_of=lambda name: part_of(name, loaded.family),
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

    A model that was trained whole is loaded after its base was asked.

    Writes results.json and the answers of both into the run's folder, under eval/. Of a run file without `train` the
    base alone is asked. `controls` names what is done to the images in a second look at the last candidate.
    Raises RunError, ModelError, ContractError or OutputError.
    """
    config = _loaded(config)
    found = require_trained(config) if config.train else None
    metrics = find_metrics(config.eval.metrics)
    altered = {name: find_control(name) for name in controls}
    rows = choose(open_dataset(config.data.path), config.eval.split, limit)
    with staged(config.output / EVAL_FOLDER, mark=RESULTS_FILE, replace=True) as folder:
        seconds: dict[str, float] = {}
        candidates: dict[str, Candidate] = {}
        if found is not None and found.kind == "model":
            before = Asker.of(load_base(config), config, on_progress, seconds)
            candidates["base"] = before.candidate("base", rows, metrics)
            del before
        asker = Asker.of(load_trained(config, found), config, on_progress, seconds)
        for name in dict.fromkeys(["base", found.kind if found else "base"]):
            candidates[name] = candidates.get(name) or asker.candidate(name, rows, metrics)
        *_, last = candidates.values()
        result = EvalResult(
            rows=rows.remove_columns("images"),
            metrics=describe(metrics),
            candidates=candidates,
            reference=reference_scores(last.answered, metrics),
            controls=tuple(asker.control(name, last, alter(rows), metrics) for name, alter in altered.items()),
            setup=_eval_setup(config, asker.loaded, found, rows=len(rows), limit=limit),
            timing=seconds,
        )
        write_result(result, folder)
    if config.train:
        write_card(config, config.output)
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
    found = require_trained(config)
    rows = choose(open_dataset(config.data.path), config.eval.split, agreement_rows) if agreement_rows else None
    with staged(Path(out), mark=MERGE_FILE, replace=replace) as folder:
        before = _behaviour(found.kind, load_trained(config, found), config, rows, on_progress)
        device, attention = _save_merged(config, found, folder)
        whole = load_merged(folder, device, attention)
        after = _behaviour("merged model", whole, config, rows, on_progress)
        result = MergeResult(
            path=Path(out),
            base=config.model.base,
            onto=_merged_onto(config, found),
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
    asked = [*rows_by_id(config, ids), *new_rows(config, rows)]
    if not asked:
        raise RunError("nothing is asked: name an id, or give images and fields")
    found = None if base else find_trained(config)
    asker = Asker.of(load_trained(config, found), config, on_progress)
    return asker.answers(asked, found.kind if found else "base")


def _eval_setup(
    config: RunConfig, loaded: LoadedModel, found: Trained | None, *, rows: int, limit: int | None
) -> dict[str, Any]:
    """What results.json says of the dataset, the model and the settings; paths relative to the run's folder."""
    data = as_data(config, relative_to=config.output)
    asked = generation_of(config)
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
            "adapter": found.path.name if found else None,
            "adapter_sha256": found.sha256() if found else None,
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
    asker = Asker.of(loaded, config, tell)
    logits = learned_logits(loaded, asker.collator, rows, asker.settings.batch_size)
    return Behaviour(answers=tuple(asker.answers(rows, name)), logits=bounded(logits))


def _merged_onto(config: RunConfig, found: Trained) -> str:
    """What the adapter was added to, in a few words."""
    if found.kind == "model":
        return "trained whole, nothing to merge"
    return "dequantised nf4" if config.model.load == "nf4" else config.model.load


def _save_merged(config: RunConfig, found: Trained, folder: Path) -> tuple[torch.device, str]:
    """Merge and save; the model's memory is free again when this returns."""
    if found.kind == "model":
        made = load_trained(config, found)
    else:
        made = merged(attach_adapter(dequantised(load_base(config)), found.path))
    save_merged(made, folder)
    return made.device, made.attention


def _loaded(config: RunConfig | Path | str) -> RunConfig:
    return config if isinstance(config, RunConfig) else load_run(config)
