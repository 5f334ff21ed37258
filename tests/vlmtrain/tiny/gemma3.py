"""A tiny Gemma 3."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from tests.vlmtrain.tiny.words import TEXT, tokenizer


def make(folder: Path) -> None:
    from torch.nn.init import normal_
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ImageProcessor, Gemma3Processor

    special = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"]
    images = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    words = tokenizer(
        [*special, *images.values()],
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        extra_special_tokens=images,
    )
    ids = words.convert_tokens_to_ids
    config = Gemma3Config(
        text_config={
            **TEXT,
            "vocab_size": len(words),
            "head_dim": 16,
            "query_pre_attn_scalar": 16,
            "sliding_window": 512,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
        },
        mm_tokens_per_image=4,
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
        image_token_index=ids("<image_soft_token>"),
    )
    pictures = Gemma3ImageProcessor(size={"height": 56, "width": 56})
    template = (resources.files("trl") / "chat_templates" / "gemma3.jinja").read_text(encoding="utf-8")
    model = Gemma3ForConditionalGeneration(config)
    normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.2)  # zero: images would change nothing
    model.save_pretrained(folder)
    Gemma3Processor(pictures, words, chat_template=template, image_seq_length=4).save_pretrained(folder)
