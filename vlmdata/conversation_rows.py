"""Conversations as rows of a block's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from vlmdata.record import Conversation, message_rows, named_values


def conversation_row(
    conversation: Conversation, keys: Sequence[bytes], shas: Mapping[bytes, str], entry: int
) -> dict[str, Any]:
    """A conversation, its images by key, and a digest of text and image bytes. `entry` is its row's place in the block.

    `shas` gives each image's sha256; one that is not in it (its row is rejected) counts with its key.
    """
    provenance = conversation.provenance
    messages = message_rows(conversation.messages)
    digest = blake2b(repr(messages).encode("utf-8", "surrogatepass"), digest_size=16)
    for key in keys:
        digest.update(shas.get(key, key.hex()).encode())
    return {
        "id": conversation.id,
        "messages": messages,
        "origin": {
            "source": conversation.origin.source,
            "row": conversation.origin.row,
            "line": conversation.origin.line,
        },
        "group": conversation.group,
        "tags": named_values(conversation.tags),
        "fields": named_values(conversation.fields),
        "provenance": None
        if provenance is None
        else {
            "description": provenance.description,
            "model": provenance.model,
            "prompt_sha256": provenance.prompt_sha256,
        },
        "image_keys": list(keys),
        "digest": digest.digest(),
        "entry": entry,
    }
