"""Records as examples of checks, made of a few words each, and as the batches that checks are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from vlmdata.blocks import conversation_schema
from vlmdata.contract import arrow_type
from vlmdata.corpus import corpus_schema

Record = Mapping[str, Any]
INFO = {"sha256": "0" * 64, "width": 64, "height": 48, "format": "PNG", "dhash": "0" * 16}


def record(
    *texts: str,
    images: int = 0,
    tags: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    **columns: Any,
) -> Record:
    """A record whose texts are a question and its answer, in turn; the first question shows the images.

    Other columns of the record contract (`id`, `group`, `origin`, `messages` …) stand as they are given.
    """
    turns: list[dict[str, Any]] = [
        {"role": ("user", "assistant")[number % 2], "content": [{"type": "text", "text": text}]}
        for number, text in enumerate(texts)
    ]
    if turns:
        turns[0]["content"] = [*({"type": "image", "text": None} for _ in range(images)), *turns[0]["content"]]
    named = {"tags": tags or {}, "fields": fields or {}}
    pairs = {key: [{"name": name, "value": value} for name, value in told.items()] for key, told in named.items()}
    return {"messages": turns, "image_info": [INFO] * images, **pairs, **columns}


def batch_of(records: Iterable[Record], form: str = "corpus") -> pa.RecordBatch:
    """Records as a batch. Those without an id, a group or an origin get one by their place.

    The `form` is who shows it: a `build`, a validation of a `corpus`, or one of a `dataset` on disk.
    """
    rows = [_whole(number, each) for number, each in enumerate(records)]
    if form == "build":
        return pa.RecordBatch.from_pylist([_keyed(row) for row in rows], schema=conversation_schema())
    batch = pa.RecordBatch.from_pylist(rows, schema=corpus_schema())
    if form == "corpus":
        return batch
    images = pa.array([[None] * len(row["image_info"] or ()) for row in rows], pa.list_(pa.null()))
    return pa.RecordBatch.from_arrays([*batch.columns, images], names=[*batch.schema.names, "images"])


FORMS = ("build", "corpus", "dataset")


def _whole(number: int, given: Record) -> dict[str, Any]:
    origin = {"source": "examples.csv", "row": number + 1, "line": number + 2}
    defaults = {"id": f"example-{number}", "group": f"example-{number}", "origin": origin, "provenance": None}
    return {**{column.name: None for column in arrow_type()}, **defaults, **given}


def _keyed(row: Mapping[str, Any]) -> dict[str, Any]:
    keys = [bytes([place % 256]) * 16 for place in range(len(row["image_info"] or ()))]
    return {**row, "image_keys": keys, "digest": bytes(16), "entry": 0}


def odd_records() -> Sequence[Record]:
    """What a check meets where something else is wrong: it may find something in them, and never raises."""
    image = {"type": "image", "text": None}
    return (
        record("", ""),
        record("What is it?", " \n\t "),
        record("é" * 3, "𝄞\u200b\x00"),
        record("Look.", "A mug.", images=3),
        record("a", "b", "c", "d"),
        record(messages=[]),
        record(messages=[{"role": "user", "content": []}]),
        record(messages=[{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}]),
        record(messages=[{"role": "assistant", "content": [image]}], image_info=[INFO]),
        record("Equal.", "Equal.", tags={"": ""}, fields={"brand": ""}),
        record("Equal.", "Equal.", tags={"a": "b"}, fields={"a": "b", "c": "d"}),
    )
