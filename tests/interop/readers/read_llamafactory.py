"""Run by LLaMA-Factory's Python: `read_llamafactory.py FOLDER DATASET MODEL`. Its own loader, template and plugin."""

from __future__ import annotations

import sys

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
from seen import pixels, tell

folder, name, model = sys.argv[1:]
arguments = {
    "model_name_or_path": model,
    "dataset_dir": folder,
    "dataset": name,
    "template": "qwen2_vl",
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "output_dir": f"{folder}/unused",
    "cutoff_len": 4096,
    "overwrite_cache": True,
    "report_to": "none",
}
model_args, data_args, training_args, _, _ = get_train_args(arguments)
tokenizer_module = load_tokenizer(model_args)
template = get_template_and_fix_tokenizer(tokenizer_module["tokenizer"], data_args)
aligned = _get_merged_dataset([name], model_args, data_args, training_args, "sft")
encoded = get_dataset(template, model_args, data_args, training_args, stage="sft", **tokenizer_module)["train_dataset"]
rows = []
for row, tokens in zip(aligned, encoded, strict=True):
    turns = [[turn["role"], turn["content"]] for turn in (*row["_prompt"], *row["_response"])]
    system = [["system", row["_system"]]] if row["_system"] else []
    opened = template.mm_plugin._regularize_images(row["_images"] or [], image_max_pixels=10**9, image_min_pixels=0)[
        "images"
    ]
    learned = [token for token in tokens["labels"] if token != -100]
    rows.append(
        {
            "turns": system + turns,
            "images": [pixels(image) for image in opened],
            "learned": tokenizer_module["tokenizer"].decode(learned, skip_special_tokens=True),
        }
    )
tell(rows)
