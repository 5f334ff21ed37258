"""Tiny random models of each family, made in a folder without the Hub. Widths are multiples of 64, for nf4 blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

PRODUCT_TEXT = [
    "Describe the product. A red mug with dots by Tavi, made of stoneware.",
    "What colour is it? The lamp is blue, striped, and made of steel.",
    "Assistant: red. Size: 30 cm. Brand: Olm. A green kettle for two cups.",
    "user assistant system model the of and with from this that\n\n",
]
QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MLLAMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|image|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
PIXTRAL_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{{ eos_token }}"
    "{% elif message['role'] == 'system' %}[SYS]{{ message['content'][0]['text'] }}[/SYS]{% else %}[INST]"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}[IMG]{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}[/INST]{% endif %}{% endfor %}"
)
WORD_PATTERN = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Words as the tokenizers of Qwen and Llama 3 split them: line ends stay apart from the word after them."""

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def tokenizer(special: Sequence[str], *, last: Sequence[str] = (), **names: str) -> Any:
    """A byte-level BPE over product words; `last` are tokens that come after all others."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    built = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="isolated")
    built.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    built.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    built.train_from_iterator(PRODUCT_TEXT, trainer)
    built.add_special_tokens([AddedToken(token, special=True) for token in last])
    return PreTrainedTokenizerFast(tokenizer_object=built, **names)


def make_qwen2_vl(folder: Path) -> None:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessor, Qwen2VLProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    vision = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    words = tokenizer(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *vision], eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    ids = words.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            **TEXT,
            "vocab_size": len(words),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "eos_token_id": ids("<|im_end|>"),
            "pad_token_id": ids("<|endoftext|>"),
            "bos_token_id": None,
        },
        vision_config={
            "embed_dim": 64,
            "hidden_size": 64,
            "depth": 2,
            "num_heads": 4,
            "mlp_ratio": 2,
            "patch_size": 14,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    images = Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16})
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    Qwen2VLProcessor(images, words, Qwen2VLVideoProcessor(), chat_template=QWEN_TEMPLATE).save_pretrained(folder)


def make_gemma3(folder: Path) -> None:
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
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    Gemma3Processor(pictures, words, chat_template=template, image_seq_length=4).save_pretrained(folder)


def make_mllama(folder: Path) -> None:
    from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaImageProcessor, MllamaProcessor

    frame = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    words = tokenizer(
        [*frame, "<|python_tag|>", "<pad>"],
        last=["<|image|>"],
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        pad_token="<pad>",
    )
    ids = words.convert_tokens_to_ids
    config = MllamaConfig(
        text_config={
            **TEXT,
            "num_hidden_layers": 3,
            "cross_attention_layers": [1],
            "vocab_size": ids("<|image|>"),
            "bos_token_id": ids("<|begin_of_text|>"),
            "eos_token_id": ids("<|eot_id|>"),
            "pad_token_id": ids("<pad>"),
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
            "intermediate_layers_indices": [0],
            "vision_output_dim": 128,
        },
        image_token_index=ids("<|image|>"),
    )
    pictures = MllamaImageProcessor(size={"height": 56, "width": 56})
    MllamaForConditionalGeneration(config).save_pretrained(folder)
    MllamaProcessor(pictures, words, chat_template=MLLAMA_TEMPLATE).save_pretrained(folder)


def make_pixtral(folder: Path) -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, PixtralImageProcessor, PixtralProcessor

    frame = ["<pad>", "<s>", "</s>", "[INST]", "[/INST]", "[SYS]", "[/SYS]", "[IMG]", "[IMG_BREAK]", "[IMG_END]"]
    words = tokenizer(frame, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    config = LlavaConfig(
        text_config={
            **TEXT,
            "model_type": "mistral",
            "vocab_size": len(words),
            "head_dim": 16,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "head_dim": 16,
            "patch_size": 16,
            "image_size": 128,
        },
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        projector_hidden_act="gelu",
    )
    pictures = PixtralImageProcessor(size={"longest_edge": 96}, patch_size={"height": 16, "width": 16})
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    PixtralProcessor(pictures, words, patch_size=16, chat_template=PIXTRAL_TEMPLATE).save_pretrained(folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "qwen2_vl": make_qwen2_vl,
    "gemma3": make_gemma3,
    "mllama": make_mllama,
    "pixtral": make_pixtral,
}


def make(family: str, folder: Path) -> Path:
    """Weights, processor and tokenizer of a tiny random model of the family, in a folder of its name."""
    import torch

    torch.manual_seed(1)
    made = folder / family
    MAKERS[family](made)
    return made
