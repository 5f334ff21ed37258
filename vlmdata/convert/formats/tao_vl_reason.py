"""NVIDIA TAO's tao-vl-reason-v1.0: an item has an `image_id` (or `video_id`), a question, an answer, and reasoning.

Facts: nvidia-tao-daft 7.0.0, formats/tao-vl-reason-v1.0. The file's `media_root` comes with each item, from the source.
"""

from __future__ import annotations

from vlmdata.convert.formats.draft import Draft, kind_of_value
from vlmdata.convert.formats.image_values import path_or_address
from vlmdata.convert.formats.messages import add_text

MEDIA_ROOT = "media_root"


def read(draft: Draft) -> None:
    """Read an item."""
    draft.take_id("item_index", "id")
    root = draft.take(MEDIA_ROOT)
    image = draft.take("image_id", "media", "image")
    turn = draft.turn("user", "question")
    if isinstance(image, str):
        path = f"{root.rstrip('/')}/{image}" if isinstance(root, str) and root not in (".", "./") else image
        reference = path_or_address(draft, path, "image_id")
        if reference is not None:
            draft.image(turn, reference)
    elif image is not None:
        draft.fault("images.value", "image_id", f"found {kind_of_value(image)}", "the path of one image was expected")
    for role, key in ((turn, "question"), (draft.turn("assistant", "answer"), "answer")):
        said = draft.take(key)
        if said is None:
            draft.fault("messages.content", key, f"the item has no {key}", "give it one, or take it out")
        else:
            add_text(draft, role, said)
