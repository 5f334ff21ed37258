"""oumi's JSONL: messages of a text, or of items whose `content` is the text, the path or the address, whose `binary`
is the image's base64.

Facts: oumi-ai/oumi src/oumi/core/types/conversation.py. A literal `<image>` in a text is text.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlmdata.convert.formats.draft import Draft
from vlmdata.convert.formats.messages import add_system, read_messages
from vlmdata.convert.formats.parts import binary_image, content_of, text_part

add_content = content_of(
    {
        "text": text_part("content", "text"),
        "image_path": binary_image,
        "image_url": binary_image,
        "image_binary": binary_image,
    }
)


def read(draft: Draft) -> None:
    """Read a row; a conversation may stand in it as a whole."""
    whole = draft.row.get("conversation")
    if isinstance(whole, Mapping):
        draft.row = {**{key: value for key, value in draft.row.items() if key != "conversation"}, **whole}
    draft.take_id("conversation_id", "id")
    key = "messages" if "messages" in draft.row else "conversation"
    read_messages(draft, draft.take("messages", "conversation"), key, add_content)
    add_system(draft, "system")
