"""A tiny Qwen2-VL, Qwen2.5-VL and Qwen3-VL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.vlmtrain.tiny.words import TEXT, tokenizer

QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN3_TEMPLATE = QWEN_TEMPLATE.replace(
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}",
    "",
)
"""Qwen3-VL puts no system message before a conversation that has none."""

TOWER = {"depth": 2, "num_heads": 4, "patch_size": 14}


def make_qwen2_vl(folder: Path) -> None:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

    words = _words()
    tower = {**TOWER, "embed_dim": 64, "hidden_size": 64, "mlp_ratio": 2}
    config = Qwen2VLConfig(text_config=_text(words), vision_config=tower, **_vision_ids(words))
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    _save_processor(Qwen2VLProcessor, words, folder, QWEN_TEMPLATE)


def make_qwen2_5_vl(folder: Path) -> None:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

    words = _words()
    tower = {
        **TOWER,
        "hidden_size": 64,
        "intermediate_size": 128,
        "out_hidden_size": 64,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    config = Qwen2_5_VLConfig(text_config=_text(words), vision_config=tower, **_vision_ids(words))
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    _save_processor(Qwen2_5_VLProcessor, words, folder, QWEN_TEMPLATE)


def make_qwen3_vl(folder: Path) -> None:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor

    words = _words()
    tower = {
        **TOWER,
        "patch_size": 16,
        "hidden_size": 64,
        "intermediate_size": 128,
        "out_hidden_size": 64,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    config = Qwen3VLConfig(text_config={**_text(words), "head_dim": 16}, vision_config=tower, **_vision_ids(words))
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    _save_processor(Qwen3VLProcessor, words, folder, QWEN3_TEMPLATE, patch=16)


def _words() -> Any:
    vision = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    return tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *vision], eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def _text(words: Any) -> dict[str, Any]:
    ids = words.convert_tokens_to_ids
    return {
        **TEXT,
        "vocab_size": len(words),
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        "eos_token_id": ids("<|im_end|>"),
        "pad_token_id": ids("<|endoftext|>"),
        "bos_token_id": None,
    }


def _vision_ids(words: Any) -> dict[str, int]:
    ids = words.convert_tokens_to_ids
    return {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
    }


def _save_processor(kind: Any, words: Any, folder: Path, template: str, *, patch: int = 14) -> None:
    from transformers import Qwen2VLImageProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    token = (2 * patch) ** 2
    images = Qwen2VLImageProcessor(size={"shortest_edge": token, "longest_edge": 16 * token}, patch_size=patch)
    videos = Qwen2VLVideoProcessor() if patch == 14 else Qwen3VLVideoProcessor()
    kind(images, words, videos, chat_template=template).save_pretrained(folder)
