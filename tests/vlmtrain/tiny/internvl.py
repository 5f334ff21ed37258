"""A tiny InternVL: for the family that docs/extending-families.md builds out of tree."""

from __future__ import annotations

from pathlib import Path

from tests.vlmtrain.tiny.words import TEXT, tokenizer

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<IMG_CONTEXT>\n"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(folder: Path) -> None:
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    images = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *images.values()],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=images,
    )
    ids = words.convert_tokens_to_ids
    config = InternVLConfig(
        text_config={
            **TEXT,
            "model_type": "qwen2",
            "vocab_size": len(words),
            "eos_token_id": ids("<|im_end|>"),
            "pad_token_id": ids("<|endoftext|>"),
            "bos_token_id": None,
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
        },
        image_token_id=ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    pictures = GotOcr2ImageProcessor(size={"height": 56, "width": 56}, crop_to_patches=True, max_patches=6)
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    processor = InternVLProcessor(pictures, words, InternVLVideoProcessor(), image_seq_length=4, chat_template=TEMPLATE)
    processor.save_pretrained(folder)
