"""A tiny LLaVA 1.5 and 1.6 (LLaVA-NeXT): models of the general family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.vlmtrain.tiny.words import TEXT, tokenizer

LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}:"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %} <image>\n"
    "{% else %} {{ part['text'] }}{% endif %}{% endfor %}"
    "{% if message['role'] == 'assistant' %}</s>{% else %} {% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
NEXT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %} {{ message['content'][0]['text'] }}</s> "
    "{% else %}[INST] "
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %} [/INST]"
    "{% endif %}{% endfor %}"
)
"""The images of a message come before its texts, wherever they stood."""

TOWER = {
    "model_type": "clip_vision_model",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
    "projection_dim": 64,
}
PROCESSOR = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}


def make_llava(folder: Path) -> None:
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    words = _words()
    config = LlavaConfig(text_config=_text(words), vision_config=TOWER, **_ids(words))
    pictures = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    LlavaProcessor(pictures, words, chat_template=LLAVA_TEMPLATE, **PROCESSOR).save_pretrained(folder)


def make_llava_next(folder: Path) -> None:
    from transformers import (
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    words = _words()
    grid = [[56, 112], [112, 56], [112, 112]]
    config = LlavaNextConfig(text_config=_text(words), vision_config=TOWER, image_grid_pinpoints=grid, **_ids(words))
    pictures = LlavaNextImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=grid
    )
    LlavaNextForConditionalGeneration(config).save_pretrained(folder)
    LlavaNextProcessor(pictures, words, chat_template=NEXT_TEMPLATE, **PROCESSOR).save_pretrained(folder)


def _words() -> Any:
    return tokenizer(["<pad>", "<s>", "</s>", "<image>"], bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def _text(words: Any) -> dict[str, Any]:
    return {
        **TEXT,
        "model_type": "llama",
        "vocab_size": len(words),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }


def _ids(words: Any) -> dict[str, Any]:
    return {"image_token_index": words.convert_tokens_to_ids("<image>"), "vision_feature_layer": -2}
