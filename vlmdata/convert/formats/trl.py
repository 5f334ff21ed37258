"""TRL and transformers: `messages`, or `prompt` and `completion`, with parts or texts, and `images` beside them.

Facts: trl/data_utils.py. Images of messages that are plain texts come first in the first user turn; parts that name no
image of their own take the row's images in order, or the one of their `index`. A literal `<image>` in a text is text.
"""

from __future__ import annotations

from typing import Any

from vlmdata.convert.formats.draft import Draft, kind_of_value
from vlmdata.convert.formats.image_values import images_of
from vlmdata.convert.formats.messages import MESSAGES_KEYS, add_system, add_text, as_list, read_messages
from vlmdata.convert.formats.parts import content_of, image_part, placeholder_image, text_part
from vlmdata.record import ImageReference, Role

add_content = content_of(
    {
        "text": text_part("text", "content"),
        "image": placeholder_image,
        "image_url": image_part("image_url", "url"),
    }
)


def read(draft: Draft) -> None:
    """Read a row."""
    draft.take_id("id")
    if "completion" in draft.row and "messages" not in draft.row:
        _read_half(draft, draft.take("prompt"), "prompt", "user")
        _read_half(draft, draft.take("completion"), "completion", "assistant")
    else:
        key = next((key for key in MESSAGES_KEYS if key in draft.row), "messages")
        read_messages(draft, draft.take(*MESSAGES_KEYS), key, add_content)
    add_system(draft, "system")
    key = "images" if "images" in draft.row else "image"
    images = images_of(draft, draft.take("images", "image"), key) or list(draft.members.values())
    if not draft.places and not draft.images():
        draft.lead_with_images(len(images))
    draft.bind(_ordered(draft, images), place="image part")


def _ordered(draft: Draft, images: list[ImageReference]) -> list[ImageReference]:
    """The images in the order of the numbers that the parts give, where all of them do."""
    if len(draft.order) != draft.places or not draft.order:
        return images
    if set(draft.order) != set(range(len(images))):
        message = (
            f"the parts name the images {', '.join(map(str, sorted(set(draft.order))))}, the row has {len(images)}"
        )
        draft.fault("messages.images", "images", message, "the numbers count from 0, and each image is named")
        return images
    return [images[number] for number in draft.order]


def _read_half(draft: Draft, half: Any, field: str, role: Role) -> None:
    """The prompt or the completion: messages, or a plain text."""
    if isinstance(half, str) and as_list(half) is None:
        add_text(draft, draft.turn(role, field), half)
    elif half is not None:
        read_messages(draft, half, field, add_content)
    else:
        draft.fault("messages.none", field, f"{kind_of_value(half)} stands where the {field} belongs")
