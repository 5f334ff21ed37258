"""Build the untaught model: its tokenizer, its processor and its random weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
VOCABULARY = 1536
"""Rows of the embedding: byte pairs and special tokens, a multiple of 64."""
WIDTH = 128
"""Of the text and of the vision layers; 4-bit blocks need at least 64."""
SPREAD = 0.08
"""Standard deviation of the first weights: about one over the root of `WIDTH`."""
MIN_PIXELS = 84 * 84
MAX_PIXELS = 12_600
"""A little above 112 * 112, so that rounding never costs a square photo a row of patches."""


def make_tokenizer(texts: Iterable[str]) -> Qwen2Tokenizer:
    """Byte-level BPE in Qwen2's way of splitting, fitted to the texts."""
    fitted = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fitted.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    fitted.train_from_iterator(texts, trainer)
    model = json.loads(fitted.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        model_max_length=4096,
        extra_special_tokens=list(SPECIAL_TOKENS[1:]),
    )


def make_processor(tokenizer: Qwen2Tokenizer, template: Path) -> Qwen2VLProcessor:
    """The processor with a small pixel budget and the chat template of this folder."""
    budget = {"min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS, "temporal_patch_size": 1}
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**budget),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**budget),
        chat_template=template.read_text(encoding="utf-8"),
    )


def make_model(tokenizer: Qwen2Tokenizer) -> Qwen2VLForConditionalGeneration:
    """A Qwen2-VL model with random weights."""
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in TOKEN_NAMES}
    model = Qwen2VLForConditionalGeneration(model_config(ids))
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.05)
    torch.nn.init.normal_(model.model.visual.patch_embed.proj.weight, std=0.04)
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=80,
        bos_token_id=ids["endoftext"],
        eos_token_id=[ids["im_end"], ids["endoftext"]],
        pad_token_id=ids["endoftext"],
    )
    return model


TOKEN_NAMES = tuple(token.strip("<|>") for token in SPECIAL_TOKENS)


def model_config(ids: dict[str, int]) -> Qwen2VLConfig:
    """Three text and two vision layers; every linear layer is 64 wide or a multiple of it."""
    return Qwen2VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": WIDTH,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "initializer_range": SPREAD,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [4, 6, 6],
            },
            "bos_token_id": ids["endoftext"],
            "eos_token_id": ids["im_end"],
            "pad_token_id": ids["endoftext"],
        },
        vision_config={
            "depth": 2,
            "embed_dim": WIDTH,
            "hidden_size": WIDTH,
            "mlp_ratio": 2,
            "num_heads": 4,
            "initializer_range": SPREAD,
            "temporal_patch_size": 1,
        },
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
        tie_word_embeddings=False,
    )
