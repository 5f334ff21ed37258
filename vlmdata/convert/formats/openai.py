"""OpenAI's chat and fine-tuning JSONL: messages of a text, or of parts with `image_url` (an https or a data address).

Facts: the vision fine-tuning guide; `input_text`, `input_image` and `output_text` are the Responses API's names. A
literal `<image>` in a text is text.
"""

from __future__ import annotations

from vlmdata.convert.formats.draft import Draft
from vlmdata.convert.formats.messages import add_system, read_messages
from vlmdata.convert.formats.parts import content_of, image_part, text_part

add_content = content_of(
    {
        "text": text_part("text"),
        "input_text": text_part("text"),
        "output_text": text_part("text"),
        "image_url": image_part("image_url"),
        "input_image": image_part("image_url"),
    }
)


def read(draft: Draft) -> None:
    """Read a row."""
    draft.take_id("id")
    read_messages(draft, draft.take("messages"), "messages", add_content)
    add_system(draft, "system")
    draft.join_user_turns()
