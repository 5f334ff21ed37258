"""What the shipped runs take on a GPU: the preflight's estimate for the published architectures, without any weights.

    python benchmarks/memory_estimates.py [RUN]

Every number is an estimate, none was measured. With a run's name its arithmetic is printed line by line. A row is one
photo at the run's pixel budget and TEXT tokens, LEARNED of them the answer.

Where the architectures' numbers were checked; nothing could be read from the Hub itself:

- transformers 5.23 (S = its own default): Qwen2-VL's and Qwen2.5-VL's vocabulary and towers' depth, heads and patches
  (S); Qwen3-VL's tower (S) but for the width that it hands on; Gemma 3's heads and vocabulary (S); Llama 3.2 Vision's
  language model and tower (S), but for its image size; Idefics3's and SmolVLM's heads (S).
- Copies of config.json in public repositories: Qwen2.5-VL-7B's language model, which is Qwen2.5-7B's and has the same
  shape as Qwen2-VL-7B's; Qwen3-VL-8B's tower, and width, depth and heads of its language model; Gemma 3 4B whole, with
  a tower without a head; Idefics3-8B's language model and tower; SmolVLM2-2.2B's language model.
- The model cards: 169 tokens for each 364 x 364 pixels (Idefics3), 81 for each 384 x 384 (SmolVLM).
- Only by the sum of all parameters, which comes out as published: Qwen3-VL-8B's MLP (8.8 G), Llama 3.2 Vision's image
  size (10.7 G), the towers of SmolVLM2 (2.2 G) and of Qwen2-VL-7B (8.3 G), Pixtral 12B (12.7 G).
- Pixtral 12B beyond its depth of 40 and 32 heads could be checked nowhere else.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlmdata.settings import to_dataclass
from vlmtrain.config import BudgetConfig, DataConfig, LoraConfig, ModelConfig, RunConfig, TrainConfig, shipped_runs
from vlmtrain.family import family_of_config
from vlmtrain.memory import BatchShape, MemoryEstimate, estimate_memory, on_meta
from vlmtrain.quiet import quiet_environment

TEXT, LEARNED = 300, 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model as its config.json on the Hub describes it, and what one photo is at the run's pixel budget."""

    config: dict[str, Any]
    tokens: int
    patches: int


def text(hidden: int, layers: int, heads: tuple[int, int], inter: int, vocab: int, **more: Any) -> dict[str, Any]:
    """A language model: its width, depth, heads and those of keys, the width of its MLP, and its words."""
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "intermediate_size": inter,
        "vocab_size": vocab,
        **more,
    }


SIGLIP = {"hidden_size": 1152, "num_hidden_layers": 27, "num_attention_heads": 16, "intermediate_size": 4304}
QWEN2 = text(3584, 28, (28, 4), 18944, 152064, tie_word_embeddings=False)
QWEN2_TOWER = {"depth": 32, "num_heads": 16, "patch_size": 14}

MODELS = {
    "qwen2-vl-7b": Published(
        config={
            "model_type": "qwen2_vl",
            "text_config": QWEN2,
            "vision_config": {**QWEN2_TOWER, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4},
        },
        tokens=512,
        patches=2048,
    ),
    "qwen2.5-vl-7b": Published(
        config={
            "model_type": "qwen2_5_vl",
            "text_config": QWEN2,
            "vision_config": {
                **QWEN2_TOWER,
                "hidden_size": 1280,
                "intermediate_size": 3420,
                "out_hidden_size": 3584,
            },
        },
        tokens=512,
        patches=2048,
    ),
    "qwen3-vl-8b": Published(
        config={
            "model_type": "qwen3_vl",
            "text_config": text(4096, 36, (32, 8), 12288, 151936, head_dim=128, tie_word_embeddings=False),
            "vision_config": {
                "depth": 27,
                "num_heads": 16,
                "patch_size": 16,
                "hidden_size": 1152,
                "intermediate_size": 4304,
                "out_hidden_size": 4096,
                "num_position_embeddings": 2304,
                "deepstack_visual_indexes": [8, 16, 24],
            },
        },
        tokens=392,
        patches=1568,
    ),
    "gemma-3-4b": Published(
        config={
            "model_type": "gemma3",
            "text_config": text(2560, 34, (8, 4), 10240, 262208, head_dim=256),
            "vision_config": {**SIGLIP, "image_size": 896, "patch_size": 14, "vision_use_head": False},
            "mm_tokens_per_image": 256,
        },
        tokens=256,
        patches=4096,
    ),
    "llama-3.2-11b-vision": Published(
        config={
            "model_type": "mllama",
            "text_config": text(4096, 40, (32, 8), 14336, 128256, tie_word_embeddings=False),
            "vision_config": {"hidden_size": 1280, "image_size": 560, "patch_size": 14, "intermediate_size": 5120},
        },
        tokens=1,
        patches=6432,
    ),
    "pixtral-12b": Published(
        config={
            "model_type": "llava",
            "text_config": {
                "model_type": "mistral",
                **text(5120, 40, (32, 8), 14336, 131072, head_dim=128, tie_word_embeddings=False),
            },
            "vision_config": {
                "model_type": "pixtral",
                **{"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
                **{"intermediate_size": 4096, "patch_size": 16, "image_size": 1024},
            },
            "tie_word_embeddings": False,
        },
        tokens=1640,
        patches=1600,
    ),
    "idefics3-8b": Published(
        config={
            "model_type": "idefics3",
            "text_config": {
                "model_type": "llama",
                **text(4096, 32, (32, 8), 14336, 128259, pad_token_id=128002, tie_word_embeddings=False),
            },
            "vision_config": {**SIGLIP, "image_size": 364, "patch_size": 14},
            "scale_factor": 2,
        },
        tokens=5 * 171,
        patches=5 * 676,
    ),
    "smolvlm2-2.2b": Published(
        config={
            "model_type": "smolvlm",
            "text_config": {
                "model_type": "llama",
                **text(2048, 24, (32, 32), 8192, 49280, pad_token_id=2, tie_word_embeddings=False),
            },
            "vision_config": {**SIGLIP, "image_size": 384, "patch_size": 14},
            "scale_factor": 3,
        },
        tokens=17 * 83,
        patches=17 * 729,
    ),
}


def shipped(name: str) -> RunConfig:
    """A shipped run, for a dataset that is not there."""
    data = yaml.safe_load(shipped_runs()[name].read_text(encoding="utf-8"))
    return RunConfig(
        output=Path("out"),
        data=DataConfig(path=Path("data")),
        model=to_dataclass(ModelConfig, data["model"]),
        budget=to_dataclass(BudgetConfig, data["budget"]),
        lora=to_dataclass(LoraConfig, data["lora"]),
        train=to_dataclass(TrainConfig, data["train"]),
    )


def estimate(name: str) -> tuple[int, MemoryEstimate]:
    """The parameters of a shipped run's model, and the estimate for its largest batch."""
    from transformers import AutoConfig

    model, run = MODELS[name], shipped(name)
    assert run.train is not None
    family = family_of_config(model.config)
    settings = dict(model.config)
    made = on_meta(
        AutoConfig.for_model(settings.pop("model_type"), **settings), run.model.attention or family.attention
    )
    rows = run.train.batch_size
    batch = BatchShape(rows=rows, tokens=model.tokens + TEXT, learned=rows * LEARNED, patches=rows * model.patches)
    return sum(each.numel() for each in made.parameters()), estimate_memory(made, run, family, batch)


def main() -> None:
    """Print the table, or one run's arithmetic."""
    quiet_environment()
    asked = sys.argv[1:]
    if asked:
        for line in estimate(asked[0])[1].lines:
            print(f"{line.name:24}{line.bytes / 2**30:8.2f} GiB  {line.how}")
        return
    print("| run | parameters | rows x tokens | estimate, GiB | smallest card |")
    print("|---|--:|--:|--:|--:|")
    for name in MODELS:
        parameters, found = estimate(name)
        holds = next((f"{card.gigabytes} GB" for card in found.cards if card.holds), "none of these")
        shape = f"{found.batch.rows} x {found.batch.tokens:,}"
        print(f"| {name} | {parameters / 1e9:.2f} G | {shape} | {found.bytes / 2**30:.1f} | {holds} |")


if __name__ == "__main__":
    main()
