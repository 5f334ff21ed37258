"""A tiny Pixtral and a tiny Mistral 3: the same tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.vlmtrain.tiny.words import TEXT, tokenizer

PIXTRAL_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{{ eos_token }}"
    "{% elif message['role'] == 'system' %}[SYS]{{ message['content'][0]['text'] }}[/SYS]{% else %}[INST]"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}[IMG]{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}[/INST]{% endif %}{% endfor %}"
)
MISTRAL3_TEMPLATE = PIXTRAL_TEMPLATE.replace("[SYS]", "[SYSTEM_PROMPT]").replace("[/SYS]", "[/SYSTEM_PROMPT]")
TOWER = {
    "model_type": "pixtral",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 16,
}


def make_pixtral(folder: Path) -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, PixtralImageProcessor, PixtralProcessor

    words = _words("[SYS]", "[/SYS]")
    config = LlavaConfig(
        text_config=_text(words),
        vision_config={**TOWER, "patch_size": 16, "image_size": 128},
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        projector_hidden_act="gelu",
    )
    pictures = PixtralImageProcessor(size={"longest_edge": 96}, patch_size={"height": 16, "width": 16})
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    PixtralProcessor(pictures, words, patch_size=16, chat_template=PIXTRAL_TEMPLATE).save_pretrained(folder)


def make_mistral3(folder: Path) -> None:
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration, PixtralImageProcessor, PixtralProcessor

    words = _words("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]")
    config = Mistral3Config(
        text_config=_text(words),
        vision_config={**TOWER, "patch_size": 14, "image_size": 112},
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )
    pictures = PixtralImageProcessor(size={"longest_edge": 112}, patch_size={"height": 14, "width": 14})
    Mistral3ForConditionalGeneration(config).save_pretrained(folder)
    PixtralProcessor(
        pictures, words, patch_size=14, spatial_merge_size=2, chat_template=MISTRAL3_TEMPLATE
    ).save_pretrained(folder)


def _words(*system: str) -> Any:
    frame = ["<pad>", "<s>", "</s>", "[INST]", "[/INST]", *system, "[IMG]", "[IMG_BREAK]", "[IMG_END]"]
    return tokenizer(frame, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def _text(words: Any) -> dict[str, Any]:
    return {
        **TEXT,
        "model_type": "mistral",
        "vocab_size": len(words),
        "head_dim": 16,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
