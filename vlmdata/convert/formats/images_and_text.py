"""Contents that are a text with markers or a list of parts, as the trainers accept that take every format."""

from __future__ import annotations

from vlmdata.convert.formats.markers import add_marked_text
from vlmdata.convert.formats.parts import content_of, path_image, placeholder_image, text_part

add_marked_content = content_of(
    {
        "text": text_part("text", "value", "content"),
        "image": placeholder_image,
        "image_url": path_image,
        "image_path": path_image,
    },
    add_marked_text,
)
"""LLaMA-Factory's newer rows have `value` under every type; ms-swift takes the parts of OpenAI and of Anthropic."""
