"""The folder in which a page's commands run: a shop with the sample catalog, and what the page says it has already.

products.csv photos/ recipe.yaml run.yaml     the sample catalog; run.yaml trains samples/tiny-vlm for two epochs
catalog/                                      the same, in a folder of the repository
samples/ benchmarks/                          catalog, benchmark, tiny-vlm and scripts, as they lie in the project
new.csv                                       three products without a description
sft.json                                      conversations as LLaVA has them
data/shop                                     `dataset`: built from recipe.yaml
runs/shop                                     `run`: trained by run.yaml
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import yaml

import vlmdata
import vlmtrain
from tests.docs.pages import ROOT

SAMPLES = ROOT / "samples"
TRAIN = {"epochs": 2, "batch_size": 16, "learning_rate": 3.0e-3, "log_every": 40, "seed": 1, "warmup_ratio": 0.05}
EVAL = {"split": "test", "batch_size": 16, "metrics": ["answer_loss", "exact_match", "chrf", "attribute_recall"]}
NEW_ROWS = ("TS-1001", "TS-1003", "TS-1004")


def make(folder: Path) -> None:
    """The shop, before anything is built."""
    shutil.copytree(SAMPLES / "catalog" / "photos", folder / "photos")
    for name in ("products.csv", "recipe.yaml"):
        shutil.copy(SAMPLES / "catalog" / name, folder / name)
    for name in ("catalog", "benchmark", "tiny-vlm"):
        shutil.copytree(SAMPLES / name, folder / "samples" / name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(SAMPLES / "catalog", folder / "catalog", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(ROOT / "benchmarks", folder / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SAMPLES / "good" / "llava-mix" / "photos", folder / "img")
    shutil.copy(SAMPLES / "good" / "llava-mix" / "mugs.json", folder / "sft.json")
    (folder / "sft.json").write_text((folder / "sft.json").read_text(encoding="utf-8").replace("photos/", "img/"))
    (folder / ".git").mkdir()
    _write_new_rows(folder)
    _write_run(folder)
    (folder / "data").mkdir()
    (folder / "runs").mkdir()


def build(folder: Path) -> None:
    """data/shop, as `vlmdata build recipe.yaml --out data/shop` makes it."""
    vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), folder / "data" / "shop", workers=1)


def train(folder: Path) -> None:
    """runs/shop, as `vlmtrain sft run.yaml` makes it."""
    vlmtrain.sft(vlmtrain.load_run(folder / "run.yaml"))


def _write_new_rows(folder: Path) -> None:
    with (SAMPLES / "catalog" / "products.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["sku"] in NEW_ROWS]
    columns = [name for name in rows[0] if name not in {"description", "parent_sku"}]
    with (folder / "new.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_run(folder: Path) -> None:
    run = {
        "output": "runs/shop",
        "data": {"path": "data/shop"},
        "model": {"base": "samples/tiny-vlm", "load": "nf4", "attention": "eager"},
        "lora": {"targets": ["language"], "r": 16, "alpha": 32, "modules_to_save": ["lm_head", "embed_tokens"]},
        "train": {**TRAIN, "gradient_checkpointing": False},
        "eval": {**EVAL, "generate": {"max_new_tokens": 40, "temperature": 0}},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run, sort_keys=False), encoding="utf-8")
