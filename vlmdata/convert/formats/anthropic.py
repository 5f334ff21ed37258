"""Anthropic's messages: content blocks of text and of images with a source, and the system's text beside them.

Facts: the Messages API's reference. A literal `<image>` in a text is text.
"""

from __future__ import annotations

from vlmdata.convert.formats.draft import Draft, Turn
from vlmdata.convert.formats.messages import read_messages
from vlmdata.convert.formats.parts import content_of, source_image, text_part

add_content = content_of({"text": text_part("text"), "image": source_image})


def read(draft: Draft) -> None:
    """Read a row."""
    draft.take_id("id")
    read_messages(draft, draft.take("messages"), "messages", add_content)
    system = draft.take("system")
    if system is not None:
        turn = Turn("system", "system")
        add_content(draft, turn, system)
        draft.turns.insert(0, turn)
    draft.join_user_turns()
