"""A tiny Llama 3.2 Vision."""

from __future__ import annotations

from pathlib import Path

from tests.vlmtrain.tiny.words import TEXT, tokenizer

MLLAMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|image|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def make(folder: Path) -> None:
    from torch.nn.init import ones_
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
    model = MllamaForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if "cross_attn" in name and name.endswith("gate"):
            ones_(parameter)  # zero: images would change nothing
    model.save_pretrained(folder)
    MllamaProcessor(pictures, words, chat_template=MLLAMA_TEMPLATE).save_pretrained(folder)
