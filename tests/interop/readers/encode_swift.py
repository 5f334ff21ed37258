"""Run by ms-swift's Python: `encode_swift.py FILE MODEL LENGTH`. What it makes of rows while it trains."""

from __future__ import annotations

import sys

from seen import tell
from swift.dataset import LazyLLMDataset, load_dataset
from swift.model import get_processor
from swift.template import get_template

file, model, length = sys.argv[1:]
rows, _ = load_dataset([file], load_from_cache_file=False)
processor = get_processor(model, model_type="qwen2_vl")
template = get_template(processor, max_length=int(length), template_type="qwen2_vl")
template.set_mode("train")
lazy = LazyLLMDataset(rows, template.encode, random_state=0)
encoded = [lazy[number] for number in range(len(rows))]
tell([{"text": processor.tokenizer.decode(row["input_ids"])} for row in encoded])
