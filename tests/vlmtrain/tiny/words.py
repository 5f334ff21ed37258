"""What all tiny models share: a small byte-level tokenizer, and the sizes of the language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PRODUCT_TEXT = [
    "Describe the product. A red mug with dots by Tavi, made of stoneware.",
    "What colour is it? The lamp is blue, striped, and made of steel.",
    "Assistant: red. Size: 30 cm. Brand: Olm. A green kettle for two cups.",
    "user assistant system model the of and with from this that\n\n",
]
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
