"""ShareGPT as LLaMA-Factory has it: messages under keys that dataset_info.json may rename, `images`, `system`, `tools`;
alpaca rows (instruction, input, output, history); and its newer rows whose parts have a `type` and a `value`.

Facts: hiyouga/LLaMA-Factory data/README.md. As there, the number of `<image>` markers must be that of the images.
"""

from __future__ import annotations

from vlmdata.convert.formats.draft import Draft
from vlmdata.convert.formats.images_and_text import add_marked_content
from vlmdata.convert.formats.markers import PLACE, images_for_markers
from vlmdata.convert.formats.messages import MESSAGES_KEYS, add_system, read_messages
from vlmdata.convert.formats.question_answer import add_history, read_answer, read_instruction


def read(draft: Draft) -> None:
    """Read a row: of messages, or of an instruction and its output."""
    draft.take_id("id", "conversation_id")
    messages = draft.take(*MESSAGES_KEYS)
    if messages is None and "instruction" in draft.row:
        add_history(draft)
        read_instruction(draft)
        read_answer(draft, draft.take("output"), "output")
    else:
        key = next((key for key in MESSAGES_KEYS if key in draft.row), "messages")
        read_messages(draft, messages, key, add_marked_content)
    add_system(draft, "system")
    draft.bind(images_for_markers(draft, "images", "image"), place=PLACE)
