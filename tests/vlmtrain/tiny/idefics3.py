"""A tiny Idefics3 and a tiny SmolVLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.vlmtrain.tiny.words import TEXT, tokenizer

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% if message['content'][0]['type'] != 'image' %} {% endif %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""The blank before an answer belongs to it: the prompt ends with the colon."""

TOWER = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
SETTINGS = {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}}
"""Images of up to four tiles of 56 x 56 pixels; each tile is 4 x 4 patches, of which 2 x 2 make a token."""


def make_idefics3(folder: Path) -> None:
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
    )

    words = _words("<|begin_of_text|>")
    config = Idefics3Config(text_config=_text(words), vision_config=TOWER, **_ids(words))
    Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    processor = Idefics3Processor(
        Idefics3ImageProcessor(**SETTINGS), words, image_seq_len=4, chat_template="<|begin_of_text|>" + TEMPLATE
    )
    processor.save_pretrained(folder)


def make_smolvlm(folder: Path) -> None:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessor, SmolVLMProcessor
    from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

    words = _words("<|im_start|>")
    config = SmolVLMConfig(text_config=_text(words), vision_config=TOWER, **_ids(words))
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    videos = SmolVLMVideoProcessor(**SETTINGS)
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**SETTINGS), words, videos, image_seq_len=4, chat_template="<|im_start|>" + TEMPLATE
    )
    processor.save_pretrained(folder)


def _words(first: str) -> Any:
    tiles = [f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6)]
    frame = ["<fake_token_around_image>", "<global-img>", "<image>", "<end_of_utterance>", *tiles]
    return tokenizer(
        ["<pad>", "<|end_of_text|>", first, *frame],
        bos_token=first,
        eos_token="<end_of_utterance>",
        pad_token="<pad>",
    )


def _text(words: Any) -> dict[str, Any]:
    ids = words.convert_tokens_to_ids
    return {
        **TEXT,
        "model_type": "llama",
        "vocab_size": len(words),
        "bos_token_id": 2,
        "eos_token_id": ids("<end_of_utterance>"),
        "pad_token_id": 0,
    }


def _ids(words: Any) -> dict[str, int]:
    return {"image_token_id": words.convert_tokens_to_ids("<image>"), "pad_token_id": 0, "scale_factor": 2}
