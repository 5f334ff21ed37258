"""A tiny Molmo 2."""

from __future__ import annotations

from pathlib import Path

from tests.vlmtrain.tiny.words import TEXT, tokenizer

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|image|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Without the first token: the processor puts it there."""

IMAGES_FIRST_TEMPLATE = (
    "{% set shown = namespace(images=0) %}{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{% set shown.images = shown.images + 1 %}{% endif %}{% endfor %}{% endfor %}"
    "{% for number in range(shown.images) %}"
    "{% if shown.images > 1 %}Image {{ number + 1 }}{% endif %}<|image|>{% endfor %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% set text = message['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join(' ') %}"
    "{% if message['role'] == 'user' %}{% if not loop.first %}<|im_end|>\n{% endif %}"
    "<|im_start|>user\n{{ text }}<|im_end|>\n"
    "{% else %} {# assistant #}<|im_start|>assistant\n{{ text }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""What the published one does: all images first and counted, an answer ended only by the next question, and a blank
before an answer's turn that the prompt for it does not have."""

IMAGE_TOKENS = [
    *("<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<low_res_im_start>", "<|image|>", "<im_low>"),
    *("<frame_start>", "<frame_end>", "<|video|>"),
]


def make(folder: Path) -> None:
    from transformers import Molmo2Config, Molmo2ForConditionalGeneration, Molmo2ImageProcessor, Molmo2Processor
    from transformers.models.molmo2.video_processing_molmo2 import Molmo2VideoProcessor

    words = tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        last=IMAGE_TOKENS,
        eos_token="<|im_end|>",
        bos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )
    ids = words.convert_tokens_to_ids
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16}
    config = Molmo2Config(
        text_config={
            **TEXT,
            "head_dim": 16,
            "vocab_size": ids("<im_start>"),
            "additional_vocab_size": 64,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "max_position_embeddings": 4096,
            "eos_token_id": ids("<|im_end|>"),
            "bos_token_id": ids("<|endoftext|>"),
            "pad_token_id": ids("<|endoftext|>"),
        },
        vision_config={
            **heads,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "image_size": [56, 56],
            "patch_size": 14,
        },
        adapter_config={
            **heads,
            "hidden_size": 64,
            "intermediate_size": 128,
            "text_hidden_size": 64,
            "vision_feature_layer": [1, 0],
        },
        image_start_token_id=ids("<im_start>"),
        image_end_token_id=ids("<im_end>"),
        image_patch_id=ids("<im_patch>"),
        low_res_image_start_token_id=ids("<low_res_im_start>"),
        frame_start_token_id=ids("<frame_start>"),
        frame_end_token_id=ids("<frame_end>"),
    )
    pictures = Molmo2ImageProcessor(size={"height": 56, "width": 56}, max_crops=4, overlap_margins=[1, 1])
    Molmo2ForConditionalGeneration(config).save_pretrained(folder)
    Molmo2Processor(pictures, Molmo2VideoProcessor(), words, chat_template=TEMPLATE).save_pretrained(folder)
