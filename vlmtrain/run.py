"""THE JOURNEY of a run, and nothing else: config, model, data, train; merge. Evaluation has its own."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmtrain import processes
from vlmtrain.about_data import trained_on
from vlmtrain.asking import Asker, collator_of, generation_of
from vlmtrain.budget import Measure
from vlmtrain.card import facts_of, write_card
from vlmtrain.checkpoints import FOLDER as CHECKPOINTS
from vlmtrain.checkpoints import Checkpoint, refuse_other_run, whole_checkpoints
from vlmtrain.config import ADAPTER_FOLDER, MERGE_FILE, MODEL_FOLDER, TRAIN_FILE, RunConfig, as_data, load_run, save_run
from vlmtrain.data import choose, dataset_fingerprint, open_dataset, recipe_of
from vlmtrain.errors import RunError
from vlmtrain.generation import end_of_turn, generation_config, learned_logits
from vlmtrain.held_out import lacks_eval_split
from vlmtrain.identity import run_identity
from vlmtrain.merging import (
    Agreement,
    Behaviour,
    MergeResult,
    Onto,
    agreement,
    bounded,
    dequantised,
    load_merged,
    merged,
    save_merged,
    size_of,
    write_merge,
)
from vlmtrain.model import attach_adapter, load_base, part_of, what_learns
from vlmtrain.preflight_result import FILE as PREFLIGHT_FILE
from vlmtrain.preflight_result import Preflight, write_preflight
from vlmtrain.preflighting import examine
from vlmtrain.publishing import stage_of, staged
from vlmtrain.results_file import versions
from vlmtrain.trained import Trained, as_trained_on, load_trained, require_trained, save_trained
from vlmtrain.trained_rows import trained_count, write_trained_rows

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from vlmtrain.loaded import LoadedModel
    from vlmtrain.protocols import ModelFamily
    from vlmtrain.train import Learner, TrainResult

Progress = Callable[[str], None]
Row = Mapping[str, Any]
A_QUESTION: Row = {"id": "", "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}]}], "images": []}
"""Any row: what ends an answer to it ends all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftResult:
    """What a training made: its folder, the adapter or whole model in it, its figures, and what was found before it.

    `base_commit` is the commit of the base that was trained on, of one from the Hub; `can_evaluate` whether the dataset
    has a split to measure it on.
    """

    output: Path
    adapter: Path | None
    training: TrainResult
    preflight: Preflight
    model: Path | None = None
    base_commit: str | None = None
    can_evaluate: bool = True


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
    from vlmtrain.reporters import require_reporter
    from vlmtrain.train import Place, train, train_manifest

    config = _loaded(config)
    tell = (on_progress if processes.is_first() else None) or _silent
    if config.train is None:
        raise RunError(f"the run has no `train` section, so there is nothing to train for {config.output}")
    if replace and resume:
        raise RunError("resume goes on with what is there, replace begins again: give one of them")
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
            data = trained_on(config.data.path, fingerprint, rows.train)
            manifest = {**train_manifest(config, loaded, result, data), **examined.said(force=force)}
            write_preflight(examined.result, folder / PREFLIGHT_FILE)
            said = json.dumps(manifest, indent=2, ensure_ascii=False)
            (folder / TRAIN_FILE).write_text(f"{said}\n", encoding="utf-8")
            write_trained_rows(rows.train, folder)
            write_card(config, folder)
            shutil.rmtree(folder / CHECKPOINTS)
    return SftResult(
        output=config.output,
        adapter=config.output / ADAPTER_FOLDER if config.lora else None,
        model=None if config.lora else config.output / MODEL_FOLDER,
        training=result,
        preflight=examined.result,
        base_commit=loaded.commit,
        can_evaluate=not lacks_eval_split(config),
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


def merge(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    config: RunConfig | Path | str,
    out: Path | str,
    *,
    onto: Onto = "trained",
    replace: bool = False,
    agreement_rows: int = 32,
    min_agreement: float | None = None,
    on_progress: Progress | None = None,
) -> MergeResult:
    """The adapter merged into the dequantised base, in a folder that plain transformers loads.

    The first `agreement_rows` held-out rows are answered by the adapter on its base, and by the merged folder loaded
    again; merge.json in the folder says how far they agree. Below `min_agreement`, a share of equal answers, the folder
    is written all the same, and the result has a `refusal`. `onto` "bf16" adds the adapter to the base's own weights,
    not to the rounded ones that it was trained on. Raises RunError, ModelError, ContractError or OutputError.
    """
    config = _loaded(config)
    found = require_trained(config)
    _refuse_merge(found, onto, agreement_rows, min_agreement)
    rows = _agreement_rows(config, agreement_rows, min_agreement, on_progress or _silent)
    with staged(Path(out), mark=MERGE_FILE, replace=replace) as folder:
        before = _behaviour(found.kind, load_trained(config, found), config, rows, on_progress)
        saved = _save_merged(config, found, folder, onto)
        whole = load_merged(folder, saved.device, saved.attention, saved.family)
        after = _behaviour("merged model", whole, config, rows, on_progress)
        result = MergeResult(
            path=Path(out),
            base=config.model.base,
            onto=_merged_onto(config, found, onto),
            dtype=str(whole.dtype).removeprefix("torch."),
            parameters=whole.model.num_parameters(),
            size_bytes=size_of(folder),
            agreement=_agreement(config, rows, before, after),
            min_agreement=min_agreement,
        )
        write_merge(result, folder, _merge_setup(config, Path(out)))
    return result


def _refuse_merge(found: Trained, onto: Onto, agreement_rows: int, min_agreement: float | None) -> None:
    """Raise RunError for what can't be asked together, before anything is loaded."""
    if onto == "bf16" and found.kind == "model":
        raise RunError(f"{found.path}: was trained whole; there is no adapter to put onto other weights (--onto)")
    if min_agreement is not None and not 0 <= min_agreement <= 1:
        raise RunError(f"--min-agreement {min_agreement:g}: a share between 0 and 1 was expected, such as 0.9")
    if min_agreement is not None and not agreement_rows:
        raise RunError("--min-agreement: agreement is measured on rows; leave out --rows 0")


def _agreement_rows(config: RunConfig, count: int, min_agreement: float | None, tell: Progress) -> Dataset | None:
    """The rows on which agreement is measured; none where nothing was held out, which is said.

    Raises RunError where the split is missed: another one is held out, or agreement was asked for.
    """
    if not count:
        return None
    dataset, split = open_dataset(config.data.path), config.eval.split
    if split in dataset or min_agreement is not None or set(dataset) - {config.data.train_split}:
        return choose(dataset, split, count)
    tell(f"the dataset has no split {split!r}, and no other but the one trained on: agreement is not measured")
    return None


def _agreement(
    config: RunConfig, rows: Dataset | None, before: Behaviour | None, after: Behaviour | None
) -> Agreement | None:
    """How far the two agree, with how many of the rows were trained on."""
    if rows is None or before is None or after is None:
        return None
    learned = trained_count(config, rows, config.eval.split)
    return dataclasses.replace(agreement(before, after), trained_on=learned)


def _merge_setup(config: RunConfig, out: Path) -> dict[str, Any]:
    """What merge.json says besides: the run, its dataset, the versions, and how that one's recipe asked about a row."""
    recipe = recipe_of(config.data.path)
    asked = {key: recipe[key] for key in ("conversations", "clean", "images") if key in recipe}
    return {
        "run": as_data(config, relative_to=out),
        "dataset": dict(facts_of(config, config.output).data),
        "prompt": asked or None,
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
    return Behaviour(
        answers=tuple(asker.answers(rows, name)),
        logits=bounded(logits),
        tokens=tuple(Measure(asker.collator).row(row).tokens for row in rows),
    )


def _merged_onto(config: RunConfig, found: Trained, onto: Onto) -> str:
    """What the adapter was added to, in a few words."""
    if found.kind == "model":
        return "trained whole, nothing to merge"
    if onto == "bf16" and config.model.load != "bf16":
        return f"bf16, though trained on {config.model.load}"
    return "dequantised nf4" if config.model.load == "nf4" else config.model.load


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    """What was chosen for a model that is in memory no longer."""

    device: torch.device
    attention: str
    family: ModelFamily


def _save_merged(config: RunConfig, found: Trained, folder: Path, onto: Onto) -> _Saved:
    """Merge and save; the model's memory is free again when this returns."""
    if onto == "bf16":
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, load="bf16"))
    if found.kind == "model":
        made = load_trained(config, found)
    else:
        made = merged(attach_adapter(dequantised(load_base(as_trained_on(config))), found.path))
    stops = end_of_turn(made, collator_of(config, made.processor, made.family), A_QUESTION)
    save_merged(made, folder, generation_config(made, generation_of(config), stops))
    return _Saved(device=made.device, attention=made.attention, family=made.family)


def _loaded(config: RunConfig | Path | str) -> RunConfig:
    return config if isinstance(config, RunConfig) else load_run(config)
