"""Run by LLaMA-Factory's Python: `encode_llamafactory.py FOLDER DATASET MODEL LENGTH`. What it makes of rows."""

from __future__ import annotations

import sys

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
from seen import tell

folder, name, model, length = sys.argv[1:]
arguments = {
    "model_name_or_path": model,
    "dataset_dir": folder,
    "media_dir": folder,
    "dataset": name,
    "template": "qwen2_vl",
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "output_dir": f"{folder}/unused",
    "cutoff_len": int(length),
    "overwrite_cache": True,
    "report_to": "none",
}
model_args, data_args, training_args, _, _ = get_train_args(arguments)
loaded = load_tokenizer(model_args)
template = get_template_and_fix_tokenizer(loaded["tokenizer"], data_args)
try:
    encoded = get_dataset(template, model_args, data_args, training_args, stage="sft", **loaded)["train_dataset"]
except (ValueError, OSError) as error:
    tell([{"error": type(error).__name__, "words": str(error)}])
else:
    tokens = loaded["tokenizer"]
    tell([{"tokens": len(row["input_ids"]), "text": tokens.decode(row["input_ids"])} for row in encoded])
