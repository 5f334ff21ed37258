"""WebDataset: the members of a tar that share a name: images, and a .json with a conversation, or a caption.

The source gives each sample as `json` or `txt`, and its images as places in the tar. A conversation may be in any of
the other formats; images that it does not name itself are those of the sample, in the order of their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmdata.convert.formats import reader_of
from vlmdata.convert.formats.detecting import candidates
from vlmdata.convert.formats.draft import Draft, is_empty, kind_of_value
from vlmdata.convert.formats.messages import add_text, in_our_words

KEY = "__key__"
IMAGES = "images"
CAPTIONS = ("caption", "text", "txt")


def read(draft: Draft) -> None:
    """Read a sample."""
    sample = draft.row
    draft.read.update({KEY, IMAGES, "json", "txt"})
    inner = sample.get("json")
    if isinstance(inner, Mapping):
        inner = in_our_words(inner, draft.names)
        formats = (draft.inner,) if draft.inner is not None else candidates(inner, draft.names)
        if formats and formats[0] != "webdataset":
            _read_inner(draft, inner, formats[0])
        else:
            _read_caption(draft, inner, sample.get("txt"))
    elif inner is not None:
        draft.fault("messages.shape", "json", f"found {kind_of_value(inner)}", "keys and values were expected")
    else:
        _read_caption(draft, {}, sample.get("txt"))
    if draft.id is None and isinstance(sample.get(KEY), str):
        draft.id = sample[KEY]


def _read_inner(draft: Draft, inner: Mapping[str, Any], name: str) -> None:
    """Read the conversation of a .json in its own format, and the keys of the sample beside it."""
    sample = draft.row
    beside = {key: value for key, value in sample.items() if key not in draft.read}
    draft.row = {**inner, **{f"sample.{key}" if key in inner else key: value for key, value in beside.items()}}
    reader_of(name)(draft)
    named = set(map(id, draft.images()))
    spare = [image for image in draft.members.values() if id(image) not in named]
    if spare and not draft.faults:
        message = f"the sample holds {len(draft.members)} images, and its conversation names {len(draft.images())}"
        draft.fault("messages.images", "json", message, "each image needs its place in the conversation")


def _read_caption(draft: Draft, inner: Mapping[str, Any], text: Any) -> None:
    """Images with a caption: the question is the recipe's."""
    without_end = text.removesuffix("\n") if isinstance(text, str) else text
    caption = next((inner[key] for key in CAPTIONS if not is_empty(inner.get(key))), without_end)
    draft.read.update(CAPTIONS)
    draft.row = {**draft.row, **inner}
    if is_empty(caption):
        draft.fault("messages.none", "json", "the sample holds neither a conversation nor a caption", SAMPLE_HINT)
    elif draft.prompt is None:
        hint = 'set source.prompt, such as "Describe the picture." (--prompt)'
        draft.fault("import.no_prompt", "caption", "the sample holds a caption and no question", hint)
    else:
        turn = draft.turn("user", "prompt")
        for image in draft.members.values():
            draft.image(turn, image)
        add_text(draft, turn, draft.prompt)
        add_text(draft, draft.turn("assistant", "caption"), caption)


SAMPLE_HINT = "put a .json or a .txt with the images' name into the tar"
