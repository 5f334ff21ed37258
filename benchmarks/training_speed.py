"""Rows a second of a training where preparing images is most of the work, against TRL's own SFTTrainer and collator.

    python benchmarks/training_speed.py [turns] [feed|training]

The same rows (photos of 2000 x 1600, photos.py), pixel budget and seed on all sides, each in a process of its own, one
after the other; TRL with 0, 1 and 2 workers, of which the fastest counts. Two things are measured. The batches alone,
with no model: what a model would get that is never the slower one. And whole trainings, in float32, of a Qwen2-VL with
its real pixel budget (1280 x 28 x 28), 4 x 4 patches a token instead of 2 x 2 (about 300 tokens an image) and next to
no layers. Even that one reads 24 MB an image to embed its patches, whatever its width, and none of this is a figure of
a GPU: the share of a step that is spent waiting for data is printed.
The first batches do not count. The processor's time and the page faults are those of all processes of a side, and say
most on a machine that does other things too. What the cache keeps of an image is printed as well. TRL with another seed
shows how far the losses of two trainings lie apart by chance.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import machine

ROOT = Path(__file__).resolve().parent.parent
ROWS, EPOCHS, BATCH = 16, 3, 4
SKIPPED = 4
"""Batches before the clock starts: imports, workers and what the processor keeps."""

FEEDS = {
    "TRL, 0 workers": ("trl", 0),
    "TRL, 1 worker": ("trl", 1),
    "TRL, 2 workers": ("trl", 2),
    "vlmtrain, 1 worker": ("ours", 1),
    "vlmtrain, 2 workers": ("ours", 2),
    "vlmtrain, cache warm, 0 workers": ("warm", 0),
    "vlmtrain, cache warm, 1 worker": ("warm", 1),
}
TRAININGS = {label: side for label, side in FEEDS.items() if side != ("ours", 1)}
TRAININGS |= {"TRL, another seed": ("noise", 0)}
PHOTO = (2000, 1600)
MERGED = 4
"""Patches along a side of what becomes one token; Qwen2-VL's own is 2."""
TRAIN = {"learning_rate": 5e-3, "batch_size": BATCH, "epochs": EPOCHS, "seed": 1, "scheduler": "constant"}
LORA = {"r": 8, "alpha": 16, "dropout": 0.0}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'][0]['text'] }}<|im_end|>"
    "{% endgeneration %}{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|>"
    "<|image_pad|><|vision_end|>{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>"
    "{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Marked for TRL's assistant_only_loss, so that both learn the same tokens."""


def make_dataset(folder: Path) -> None:
    """Products that ask for a description of a photo, as `vlmdata build` leaves a dataset."""
    import datasets
    from photos import draw_photo
    from PIL import Image

    from vlmdata.contract import features

    rows = []
    for number in range(ROWS):
        photo = draw_photo(number, PHOTO)
        width, height = Image.open(io.BytesIO(photo)).size
        answer = f"A mug of glazed stoneware, fired twice; number {number} of the series keeps tea warm for long."
        digest = hashlib.sha256(photo).hexdigest()
        info = {"sha256": digest, "width": width, "height": height, "format": "JPEG", "dhash": "0" * 16}
        asked = [{"type": "image", "text": None}, {"type": "text", "text": "Describe this product for a shop."}]
        rows.append(
            {
                "id": f"P{number}",
                "messages": [
                    {"role": "user", "content": asked},
                    {"role": "assistant", "content": [{"type": "text", "text": answer}]},
                ],
                "images": [{"bytes": photo, "path": f"{number}.jpg"}],
                "image_info": [info],
                "origin": {"source": "drawn", "row": number + 1, "line": number + 1},
                "group": f"P{number}",
                "tags": [],
                "fields": [],
                "provenance": None,
            }
        )
    split = datasets.Dataset.from_list(rows, features=features())
    datasets.DatasetDict({"train": split}).save_to_disk(str(folder))
    (folder / "manifest.json").write_text(json.dumps({"contract": "record.v1", "fingerprint": "0" * 64}))


def make_model(folder: Path) -> None:
    """Qwen2-VL with its pixel budget and next to no layers: the tower only embeds patches and merges them."""
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessor, Qwen2VLProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    from tests.vlmtrain.tiny.qwen import _text, _vision_ids, _words

    words = _words()
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    tower = {"depth": 0, "num_heads": 1, "patch_size": 14, "embed_dim": 4, "hidden_size": 16, "mlp_ratio": 2}
    tower["spatial_merge_size"] = MERGED
    torch.manual_seed(1)
    config = Qwen2VLConfig(text_config={**_text(words), **small, **heads}, vision_config=tower, **_vision_ids(words))
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    images = Qwen2VLImageProcessor(merge_size=MERGED)
    Qwen2VLProcessor(images, words, Qwen2VLVideoProcessor(), chat_template=TEMPLATE).save_pretrained(folder)


def processor_seconds() -> float:
    """The processor's time that this process and all that it started have taken."""
    return _of_all_processes(slice(11, 15)) / os.sysconf("SC_CLK_TCK")


def page_faults() -> int:
    """How often this process and all that it started were given a page of memory."""
    return _of_all_processes(slice(7, 9))


def _of_all_processes(columns: slice) -> int:
    """The sum of columns of proc(5)'s stat, over the processes of this group."""
    group, total = os.getpgrp(), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == group:
            total += sum(int(each) for each in fields[columns])
    return total


def clock() -> Any:
    """A callback that times steps, and of each the part in which the model computes."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        begun = computing = 0.0
        started = processor = seconds = used = 0.0
        before = faults = 0
        losses: list[float]

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.begun = time.perf_counter()

        def on_step_end(self, _: Any, state: Any, __: Any, **___: Any) -> None:
            now = time.perf_counter()
            if state.global_step == SKIPPED:
                self.started, self.processor, self.computing = now, processor_seconds(), 0.0
                self.before = page_faults()
            elif state.global_step > SKIPPED:
                self.computing += now - self.begun
            if state.global_step == state.max_steps:
                self.seconds, self.used = now - self.started, processor_seconds() - self.processor
                self.faults = page_faults() - self.before

        def on_train_end(self, _: Any, state: Any, __: Any, **___: Any) -> None:
            self.losses = [entry["loss"] for entry in state.log_history if "loss" in entry]

    return Clock()


def trl(folder: Path, workers: int, timer: Any, seed: int) -> None:
    """TRL's trainer with its own collator."""
    import datasets
    from peft import LoraConfig
    from transformers import AutoModelForImageTextToText
    from trl import SFTConfig, SFTTrainer

    settings = SFTConfig(
        output_dir=str(folder / "trl"),
        max_length=None,
        assistant_only_loss=True,
        learning_rate=TRAIN["learning_rate"],
        lr_scheduler_type=TRAIN["scheduler"],
        per_device_train_batch_size=BATCH,
        num_train_epochs=EPOCHS,
        seed=seed,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        dataloader_num_workers=workers,
        dataloader_pin_memory=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    SFTTrainer(
        model=AutoModelForImageTextToText.from_pretrained(folder / "model"),
        args=settings,
        train_dataset=datasets.load_from_disk(str(folder / "data"))["train"],
        peft_config=LoraConfig(
            r=LORA["r"],
            lora_alpha=LORA["alpha"],
            lora_dropout=LORA["dropout"],
            target_modules=r".*language_model.*_proj",
        ),
        callbacks=[timer],
    ).train()


def ours(folder: Path, workers: int, timer: Any, *, cached: bool) -> None:
    """vlmtrain's training, as `vlmtrain sft` runs it."""
    import vlmtrain
    from vlmtrain import train

    made = train.callbacks
    train.callbacks = lambda *given: [*made(*given), timer]
    more = {"accumulate": 1, "workers": workers, "log_every": 1, "report_to": "none", "gradient_checkpointing": False}
    more["save_every"] = 10**6  # as TRL's side: no checkpoint while the clock runs
    if cached:
        more["cache"] = {"folder": str(folder / "cache")}
    run = {
        "output": str(folder / f"ours-{os.getpid()}"),
        "data": {"path": str(folder / "data")},
        "model": {"base": str(folder / "model"), "load": "fp32"},
        "lora": {**LORA, "targets": ["language"]},
        "train": {**TRAIN, **more},
    }
    file = folder / f"run-{os.getpid()}.yaml"
    file.write_text(json.dumps(run))
    vlmtrain.sft(file, on_progress=lambda line: print(line, file=sys.stderr))


def feed_of_trl(folder: Path, workers: int) -> Any:
    """The batches that TRL's trainer would train on, by its own collator and transformers' own loader."""
    import datasets
    from torch.utils.data import DataLoader
    from transformers import AutoProcessor, Trainer, TrainingArguments
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    settings = TrainingArguments(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=BATCH,
        dataloader_num_workers=workers,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        use_cpu=True,
        seed=TRAIN["seed"],
    )
    import torch

    read = AutoProcessor.from_pretrained(folder / "model")
    rows = datasets.load_from_disk(str(folder / "data"))["train"].select_columns(["messages", "images"])
    collator = DataCollatorForVisionLanguageModeling(read, assistant_only_loss=True)
    made = Trainer(torch.nn.Linear(1, 1), settings, collator, rows).get_train_dataloader()
    assert isinstance(made, DataLoader)
    return made


def feed_of_ours(folder: Path, workers: int, *, cached: bool) -> Any:
    """The batches of `vlmtrain sft`, for a model that computes in bfloat16."""
    from types import SimpleNamespace

    import numpy as np
    import torch
    from transformers import AutoProcessor

    from vlmtrain import Collator
    from vlmtrain.data import open_dataset
    from vlmtrain.feature_cache import FeatureCache, cache_folder
    from vlmtrain.loading import loader
    from vlmtrain.order import Order, RowShapes

    collator = Collator(AutoProcessor.from_pretrained(folder / "model"))
    collator.features.dtype = torch.bfloat16
    if cached:
        place = cache_folder(folder / "cache", collator.processor, torch.bfloat16)
        collator.features.cache = FeatureCache(folder=place)
    same = np.ones(ROWS, dtype=np.int64)
    order = Order(shapes=RowShapes(lengths=same, keys=same), batch_size=BATCH, seed=1)
    args = SimpleNamespace(dataloader_num_workers=workers, dataloader_prefetch_factor=4, dataloader_pin_memory=False)
    return loader(open_dataset(folder / "data")["train"], order, collator, args, stays=True)


def run_feed(side: str, workers: int, folder: Path) -> dict[str, Any]:
    """The batches alone."""
    made = feed_of_trl(folder, workers) if side == "trl" else feed_of_ours(folder, workers, cached=side == "warm")
    batches = (batch for _ in range(EPOCHS) for batch in made)
    for _ in range(SKIPPED):
        next(batches)
    started, used, faults = time.perf_counter(), processor_seconds(), page_faults()
    rows = sum(len(batch["input_ids"]) for batch in batches)
    seconds, used, faults = time.perf_counter() - started, processor_seconds() - used, page_faults() - faults
    return {
        "rate": rows / seconds,
        "milliseconds": 1000 * used / rows,
        "faults": faults / rows,
        "data": 1.0,
        "losses": [],
    }


def run_training(side: str, workers: int, folder: Path) -> dict[str, Any]:
    """A whole training."""
    timer = clock()
    if side in ("trl", "noise"):
        trl(folder, workers, timer, TRAIN["seed"] + (side == "noise"))  # type: ignore[operator]
    else:
        ours(folder, workers, timer, cached=side == "warm")
    rows = ROWS * EPOCHS - SKIPPED * BATCH
    return {
        "rate": rows / timer.seconds,
        "milliseconds": 1000 * timer.used / rows,
        "faults": timer.faults / rows,
        "data": 1 - timer.computing / timer.seconds,
        "losses": timer.losses,
    }


def started(what: str, side: str, workers: int, folder: Path) -> dict[str, Any]:
    """One side in a process group of its own."""
    words = [sys.executable, __file__, f"--{what}", side, str(workers), str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, start_new_session=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side} with {workers} workers failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all sides in turn, and print the medians and their ratios."""
    asked = sys.argv[1:]
    turns = next((int(each) for each in asked if each.isdigit()), 1)
    print(f"{machine()}; median of {turns} turns; {ROWS} rows, {EPOCHS} epochs, batches of {BATCH}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_dataset(folder / "data")
        make_model(folder / "model")
        for what, sides in (("feed", FEEDS), ("training", TRAININGS)):
            if {"feed", "training"} & {*asked} <= {what}:
                report(what, measured(what, sides, turns, folder))


def measured(what: str, sides: dict[str, tuple[str, int]], turns: int, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What each side took, in every turn."""
    before = cached_bytes(folder)
    started(what, "warm", 0, folder)  # fills the cache
    print(f"\nin the cache: {(cached_bytes(folder) - before) / ROWS / 1e6:.1f} MB an image")
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(turns):
        for label, (side, workers) in sides.items():
            found[label].append(started(what, side, workers, folder))
    return found


def cached_bytes(folder: Path) -> int:
    """What lies in the cache."""
    return sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())


def report(what: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """The table and the ratios."""
    print("\nbatches alone" if what == "feed" else "\nwhole trainings")
    columns = f"{'':32} {'rows/s':>7} {'ms of processor a row':>22} {'page faults a row':>18} {'waiting for data':>17}"
    print(columns if what == "feed" else f"{columns}  mean loss of each epoch")
    middle = {
        label: {
            key: statistics.median(each[key] for each in runs) for key in ("rate", "milliseconds", "faults", "data")
        }
        for label, runs in found.items()
    }
    for label, each in middle.items():
        losses = found[label][0]["losses"]
        epochs = [statistics.mean(losses[at : at + ROWS // BATCH]) for at in range(0, len(losses), ROWS // BATCH)]
        shown = "  " + " ".join(f"{loss:.4f}" for loss in epochs)
        numbers = f"{each['rate']:7.1f} {each['milliseconds']:22.0f} {each['faults']:18,.0f} {each['data']:17.0%}"
        print(f"{label:32} {numbers}{shown}")

    def best(kind: str, key: str) -> float:
        values = [each[key] for label, each in middle.items() if {**FEEDS, **TRAININGS}[label][0] == kind]
        return max(values) if key == "rate" else min(values)

    for kind, words in (("ours", "without a cache"), ("warm", "with the cache warm")):
        rate = best(kind, "rate") / best("trl", "rate")
        processor = best("trl", "milliseconds") / best(kind, "milliseconds")
        print(f"{words}: {rate:.2f}x rows/s against TRL's best; {processor:.2f}x by the processor's time", flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT)]
    if sys.argv[1:2] in (["--feed"], ["--training"]):
        run = run_feed if sys.argv[1] == "--feed" else run_training
        print(json.dumps(run(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
