"""LLaVA: `id`, `image` (a path, or a list of them) and `conversations` of human and gpt, with `<image>` in the text.

Facts: haotian-liu/LLaVA docs/Finetune_Custom_Data.md; rows without an image are text only, as in its mix of 665k.
LLaVA itself moves every marker to the beginning of its turn; here it stays where the row has it.
"""

from __future__ import annotations

from vlmdata.convert.formats.draft import Draft
from vlmdata.convert.formats.markers import PLACE, add_marked_text, images_for_markers
from vlmdata.convert.formats.messages import MESSAGES_KEYS, add_system, read_messages


def read(draft: Draft) -> None:
    """Read a row."""
    draft.take_id("id")
    read_messages(draft, draft.take("conversations", *MESSAGES_KEYS), "conversations", add_marked_text)
    add_system(draft, "system")
    draft.bind(images_for_markers(draft, "image", "images"), place=PLACE)
