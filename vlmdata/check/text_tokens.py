"""Tokens that belong to a model's own grammar, and places for images, that stand in a text as if they were words.

Names of tokens are those of transformers 5: its processing and tokenization files, and the models' tokenizers.
"""

from __future__ import annotations

import re
from collections import Counter

from vlmdata.check.text_rule import ANGLE, BRACE, BRACKET, Text, TextRule, times

TOKENS = {
    "Qwen": (
        *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|image_pad|>", "<|video_pad|>"),
        *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    ),
    "Gemma": (
        *("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"),
        *("<audio_soft_token>", "<bos>", "<eos>", "<pad>", "<unk>", "<mask>"),
    ),
    "Llama": (
        *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        *("<|eom_id|>", "<|image|>", "<|python_tag|>", "<|image_start|>", "<|image_end|>", "<|patch|>"),
        *("<|tile_x_separator|>", "<|tile_y_separator|>", "<<SYS>>", "<</SYS>>", "<s>", "</s>"),
    ),
    "Mistral": (
        *("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        *("[TOOL_CALLS]", "[TOOL_RESULTS]", "[AVAILABLE_TOOLS]"),
    ),
    "Molmo": (
        *("<im_patch>", "<im_start>", "<im_end>", "<im_col>", "<im_low>", "<low_res_im_start>"),
        *("<frame_start>", "<frame_end>"),
    ),
    "Idefics and SmolVLM": ("<fake_token_around_image>", "<end_of_utterance>", "<global-img>"),
    "InternVL": ("<IMG_CONTEXT>", "</img>"),
    "LLaVA": ("<image_newline>", "<image_patch>"),
    "Phi": ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
    "Fuyu": ("|ENDOFTEXT|", "|SPEAKER|", "|NEWLINE|"),
}
"""Tokens that end a turn, open one, or stand for pixels, by the models that have them."""

MODEL_OF = {token: model for model, tokens in TOKENS.items() for token in tokens}
GROUNDING = r"<\|(?:object_ref|box|quad)_(?:start|end)\|>"

PLAIN = "|".join(re.escape(token) for token in MODEL_OF if not token.startswith("<|"))
TOKEN = re.compile(
    rf"<[|｜][A-Za-z][A-Za-z0-9_▁ -]{{0,40}}[|｜]>|<row_[0-9]+_col_[0-9]+>|<(?:loc|seg)[0-9]{{3,4}}>|{PLAIN}"
)
TOKEN_SCREEN = rf"{ANGLE}|{BRACKET}|\|[A-Z]{{5}}"

PLACE = re.compile(
    r"<(?:image|img|picture|video|audio)s?(?:[ _:#-]?(?:[0-9]{1,3}|placeholder|here|token))?[ ]?/?>"
    r"|\[image(?:[ _:#-]?(?:[0-9]{1,3}|placeholder|here))?\]|\{image(?:_?[0-9]+)?\}",
    re.IGNORECASE,
)
PLACE_SCREEN = rf"{ANGLE}|{BRACKET}|{BRACE}"
HTML_PAIR = {"video": "</video>", "audio": "</audio>", "picture": "</picture>"}

MARKUP = re.compile(
    rf"{GROUNDING}|</?(?:think|thinking|reasoning|tool_call|tool_response|scratchpad)>"
    r"|^Q: [^\n]+\n+A:|^###? ?(?:Instruction|Response|Input|Output|Human|User|Assistant)\b:?"
    r"|^(?:USER|ASSISTANT|SYSTEM|HUMAN|User|Assistant|Human|System prompt|GPT|Bot):",
    re.MULTILINE,
)
MARKUP_SCREEN = rf"{ANGLE}|##|(?:USER|ASSISTANT|SYSTEM|HUMAN|User|Assistant|Human|prompt|GPT|Bot):|Q: "


def special_token(text: Text) -> str | None:
    """Tokens of a model's own grammar."""
    found = Counter(each for each in TOKEN.findall(text.text) if not re.fullmatch(GROUNDING, each))
    if not found:
        return None
    token, count = found.most_common(1)[0]
    model = MODEL_OF.get(token) or ("Idefics and SmolVLM" if token.startswith("<row_") else "")
    others = sorted(found.keys() - {token})
    beside = f" and {', '.join(map(repr, others[:3]))}{'...' if len(others) > 3 else ''}" if others else ""
    named = f", a special token of {model}" if model else ", which a tokenizer may take for a special token"
    return f"holds {token!r}{times(count)}{beside}{named}"


def image_place(text: Text) -> str | None:
    """A place for an image that was never filled."""
    for match in PLACE.finditer(text.text):
        name = re.sub(r"[^a-z]", "", match[0].lower())
        if HTML_PAIR.get(name, "\0") not in text.text.lower() and match[0] not in MODEL_OF:
            return f"holds {match[0]!r}, a place for an image that is only text"
    return None


def model_markup(text: Text) -> str | None:
    """Labels of who speaks, marks for thinking and for boxes: the form of one model's training data."""
    match = MARKUP.search(text.text)
    return None if match is None else f"holds {match[0]!r}, which is the form of some model's training data"


RULES = (
    TextRule(
        id="text.special_token",
        find=special_token,
        screen=TOKEN_SCREEN,
        hint="take it out of the source; a model's template writes its own tokens",
    ),
    TextRule(
        id="text.image_placeholder",
        find=image_place,
        screen=PLACE_SCREEN,
        hint="take it out, and place the image with an image part (`images` in a recipe's turn)",
    ),
    TextRule(
        id="text.model_markup",
        find=model_markup,
        screen=MARKUP_SCREEN,
        hint="turns are made of messages; take the label out",
    ),
)
