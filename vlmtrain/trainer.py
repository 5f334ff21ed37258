"""TRL's SFTTrainer with our order of rows, our losses and checkpoints that can be trusted.

Imported where a training begins, and nowhere before: trl takes seconds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from trl import SFTTrainer

from vlmtrain import processes
from vlmtrain.checkpoints import PREFIX, Sums, keep_latest, mark_whole, write_sums
from vlmtrain.config import PARTS
from vlmtrain.errors import TrainingError
from vlmtrain.loading import ROW_IDS, loader
from vlmtrain.order import Order, by_length
from vlmtrain.training_plan import Plan
from vlmtrain.turns import IGNORED

LEARNED_FILE = "learned.safetensors"


class Trainer(SFTTrainer):  # type: ignore[misc]
    """Counts what it sees, stops at a loss that is no number, and writes checkpoints whole or not at all."""

    plan: Plan
    control: Any
    rows_seen = 0
    tokens_seen = 0
    tokens_learned = 0
    before = Sums()
    began = 0.0

    def _send_telemetry(self) -> None:
        """Nothing is sent unless asked. TRL tells the Hub the kind of model and trainer whenever a trainer is made."""

    def get_train_dataloader(self) -> Any:
        """This process' batches in our order. Not prepared by accelerate, which would divide them once more."""
        order = Order(
            shapes=self.plan.shapes,
            batch_size=self.args.per_device_train_batch_size,
            seed=self.args.seed,
            group_by_length=self.plan.group_by_length,
            process=processes.rank(),
            processes=processes.count(),
        )
        return self._loader(self.train_dataset, order, stays=True)

    def _loader(self, rows: Any, batches: Any, *, stays: bool = False) -> Any:
        return loader(rows, batches, self.data_collator, self.args, stays=stays)

    def create_optimizer(self, model: Any = None) -> Any:
        """The library's optimizer, with the learning rates of single parts."""
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if fresh and self.plan.learning_rates:
            self._apart(optimizer)
        return optimizer

    def _apart(self, optimizer: Any) -> None:
        """Give the parameters of each part with a rate of its own a group of their own."""
        part = {id(each): self.plan.part_of(name) for name, each in self.model.named_parameters()}
        groups = []
        for group in optimizer.param_groups:
            for name in (*PARTS, None):  # in one order, by which a checkpoint's state finds its parameters
                chosen = [each for each in group["params"] if part[id(each)] == name]
                own = self.plan.learning_rates.get(name, group["lr"]) if name else group["lr"]
                if chosen or (name is None and not group["params"]):
                    groups.append({**group, "params": chosen, "lr": own})
        optimizer.param_groups[:] = groups

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """TRL's loss; raises TrainingError, with the rows, where it is NaN or infinite."""
        ids = inputs.pop(ROW_IDS, ())
        counts = _counts(inputs) if self.model.training else None
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if counts is not None:
            value = (loss[0] if isinstance(loss, tuple) else loss).detach()
            self._count(torch.stack([*counts, value.isfinite().sum()]).tolist(), value, ids)
        return loss

    def _count(self, found: list[int], loss: Any, ids: Sequence[str]) -> None:
        """Add a batch to what was seen. Raises TrainingError where its loss is no number."""
        rows, seen, learned, finite = found
        self.rows_seen += rows
        self.tokens_seen += seen
        self.tokens_learned += learned
        if not finite:
            raise TrainingError(
                f"the loss is {float(loss)} at step {self.state.global_step + 1}, so training stops; the batch "
                f"held the rows {', '.join(map(repr, ids)) or 'without ids'}. A lower train.learning_rate, or "
                "model.load bf16, usually helps"
            )

    def sums(self) -> Sums:
        """What was done so far, by all processes, with what was done before a checkpoint that this goes on from."""
        rows, tokens, learned = processes.totals([self.rows_seen, self.tokens_seen, self.tokens_learned])
        return Sums(
            rows=self.before.rows + rows,
            tokens=self.before.tokens + tokens,
            learned=self.before.learned + learned,
            seconds=self.before.seconds + time.monotonic() - self.began,
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The validation loss, each token counted once: the library's own is a mean over rows of means."""
        shapes = self.plan.validation_shapes
        assert shapes is not None, "there is a validation split where this is called"
        batches = by_length(shapes, self.args.per_device_eval_batch_size)
        mine = batches[processes.rank() :: processes.count()]
        total, tokens = self._summed_losses(self._loader(self.eval_dataset, mine))
        metrics = {"eval_loss": total / max(tokens, 1)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _summed_losses(self, loader: Any) -> tuple[float, int]:
        """The sum of the losses of all learned tokens, over all processes, and how many they are."""
        self.model.eval()
        found = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        with torch.no_grad():
            for batch in loader:
                inputs = self._prepare_inputs(batch)
                inputs.pop(ROW_IDS, None)
                outputs = self.model(**inputs, fused_lm_head=True)
                found += torch.stack([-outputs.log_probs.double().sum(), outputs.label_mask.sum().double()])
        self.model.train()
        total, tokens = self.accelerator.reduce(found, "sum").tolist()
        return total, int(tokens)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load the adapter in the precision that it is trained in: peft brings it back as float32."""
        trained = {name: each.dtype for name, each in self.model.named_parameters() if each.requires_grad}
        if not hasattr(self.model, "peft_config") and not self.is_fsdp_enabled:
            load_learned(self.model, Path(resume_from_checkpoint))
            return
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        for name, each in self.model.named_parameters():
            if name in trained:
                each.data = each.data.to(trained[name])

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Without an adapter: the weights that learn, by their names in memory.

        The library renames a whole model's weights when it saves and not when it resumes, and then goes on with
        the weights of the start, with a warning (transformers 5.23 trainer.py, _load_from_checkpoint).
        """
        if hasattr(self.model, "peft_config") or state_dict is not None:
            super()._save(output_dir, state_dict)
        else:
            save_learned(self.model, Path(output_dir or self.args.output_dir))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save, mark as whole once all of it is on the disk, and only then delete an older one."""
        folder = Path(self.args.output_dir) / f"{PREFIX}{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            sums = self.sums()
            processes.wait_for_all()
            if processes.is_first():
                (folder / "training_args.bin").unlink(missing_ok=True)
                write_sums(folder, sums)
                mark_whole(folder, self.plan.identity)
                best = self.state.best_model_checkpoint
                keep_latest(Path(self.args.output_dir), self.plan.keep_checkpoints, Path(best) if best else None)
        except (OSError, RuntimeError) as error:
            if not is_disk_error(error):
                raise
            shutil.rmtree(folder, ignore_errors=True)
            raise TrainingError(
                f"the checkpoint of step {self.state.global_step} can't be written: {error}; those before it are "
                "whole. Make room, then go on with --resume"
            ) from error


def _counts(inputs: Any) -> list[Any]:
    """Rows and tokens of a batch, and the tokens learned, left on the device: to read each would wait for it once.

    Rows with nothing to learn only fill up a step, and are not counted.
    """
    learned = inputs["labels"] != IGNORED
    rows = learned.any(dim=1)
    return [rows.sum(), (inputs["attention_mask"] * rows[:, None]).sum(), learned.sum()]


def save_learned(model: Any, folder: Path) -> None:
    """The weights that learn, in the precision that they learn in. Those that do not are the base's."""
    folder.mkdir(parents=True, exist_ok=True)
    learned = {name: each.detach().contiguous() for name, each in model.named_parameters() if each.requires_grad}
    save_file(learned, folder / LEARNED_FILE)


def load_learned(model: Any, folder: Path) -> None:
    """Put the weights that learn back into the model. Raises TrainingError where they are not the same ones."""
    found = load_file(folder / LEARNED_FILE)
    learning = {name: each for name, each in model.named_parameters() if each.requires_grad}
    if found.keys() != learning.keys():
        some = ", ".join(sorted(found.keys() ^ learning.keys())[:3])
        raise TrainingError(f"{folder.name}: holds other weights than those that learn: {some}")
    for name, each in learning.items():
        each.data.copy_(found[name])


def is_disk_error(error: Exception) -> bool:
    """Whether an error is about the disk: torch and safetensors wrap those of the system in their own words."""
    words = str(error)
    return isinstance(error, OSError) or any(
        sign in words for sign in ("No space left", "os error 28", "file write failed", "unexpected pos")
    )
