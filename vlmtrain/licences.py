"""The licences of the base models that the shipped runs name, for cards written where the base's own card is not."""

from __future__ import annotations

from collections.abc import Mapping

LICENCES: Mapping[str, str] = {
    "HuggingFaceM4/Idefics3-8B-Llama3": "apache-2.0",
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": "apache-2.0",
    "Qwen/Qwen2-VL-7B-Instruct": "apache-2.0",
    "Qwen/Qwen2.5-VL-7B-Instruct": "apache-2.0",
    "Qwen/Qwen3-VL-8B-Instruct": "apache-2.0",
    "allenai/Molmo2-8B": "apache-2.0",
    "google/gemma-3-4b-it": "gemma",
    "meta-llama/Llama-3.2-11B-Vision-Instruct": "llama3.2",
    "mistral-community/pixtral-12b": "apache-2.0",
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": "apache-2.0",
}
"""By the base's name on the Hub, meant as the `license` of its card there, https://huggingface.co/NAME.

The Hub could not be read. Checked in stored copies of the card itself: Idefics3, Qwen3-VL, Gemma 3 (copies of its card
under other names), SmolVLM2 (its text). By what their makers say elsewhere: Qwen2-VL (the README of QwenLM/Qwen2-VL),
Mistral Small 3.1 (the card of its base model), Llama 3.2 (the Llama 3.2 Community License; `llama3.2` is the Hub's name
for it). By others' words alone: Qwen2.5-VL 7B, Molmo 2, Pixtral 12B. Where a base is loaded from a folder with a card
of its own, that card counts.
"""

BY_OTHERS_WORDS = frozenset({"Qwen/Qwen2.5-VL-7B-Instruct", "allenai/Molmo2-8B", "mistral-community/pixtral-12b"})
"""The bases whose licence was seen neither in their card nor in their makers' words: to be looked up on their page."""

TERMS: Mapping[str, str] = {
    "gemma": "https://ai.google.dev/gemma/terms",
    "llama3.2": "https://www.llama.com/llama3_2/license/",
}
"""Where the terms stand of licences that ask more of who passes a model on than to name the licence."""
