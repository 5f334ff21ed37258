"""Rows and answers as VLMEvalKit has them: one TSV with the questions, the images in base64, and the predictions.

Source: VLMEvalKit, docs/en/Development.md (the columns) and vlmeval/dataset/image_base.py (several images are lists in
`image` and `image_path`; an `image` of 64 characters and less is the index of another row; rows without an image are
left out when it reads). It reads the file with pandas, which takes cells such as "None" and "NA" for missing.
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from vlmtrain.metric import Answered
from vlmtrain.pictures import as_sent

Row = Mapping[str, Any]

CATEGORIES = ("category", "task")
"""The tags that VLMEvalKit's scores by category are made of: the first that a row has."""


def vlmevalkit_tsv(rows: Iterable[Row], answered: Sequence[Answered], path: Path, *, split: str = "") -> None:
    """Write rows of a dataset and one candidate's answers to them, both in the same order.

    `index` counts from 0; `id` is the row's own. Images are their bytes as they are stored, or PNG where other readers
    would see something else in them. The file appears at once and whole.
    """
    letters = sorted(set(chain.from_iterable(row.options for row in answered)))
    columns = ["index", "id", "question", *letters, "answer", "category", "split", "prediction", "image", "image_path"]
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            written = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", restval="")
            written.writeheader()
            for index, (row, answer) in enumerate(zip(rows, answered, strict=True)):
                if str(row["id"]) != answer.id:
                    raise ValueError(f"the answer to {answer.id!r} stands at the place of row {row['id']!r}")
                written.writerow({"index": index, "split": split, **_texts(answer), **_images(row, index)})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _texts(row: Answered) -> dict[str, str]:
    category = next((row.tags[tag] for tag in CATEGORIES if tag in row.tags), "")
    return {
        "id": row.id,
        "question": _without_options(row.prompt, row.options).replace("[image]", "").strip(),
        **row.options,
        "answer": row.reference,
        "category": category,
        "prediction": row.prediction,
    }


def _without_options(prompt: str, options: Mapping[str, str]) -> str:
    """A prompt without the lines that show its options, which VLMEvalKit adds from their columns."""
    shown = {f"{before}{letter}{after} {text}" for letter, text in options.items() for before, after in _MARKS}
    return "\n".join(line for line in prompt.split("\n") if line.strip() not in shown)


_MARKS = (("", ":"), ("", "."), ("", ")"), ("(", ")"), ("[", "]"))


def _images(row: Row, index: int) -> dict[str, str]:
    """The columns of a row's images: one as it is, several as lists."""
    sent = [as_sent(image["bytes"]) for image in row["images"] or ()]
    data = [base64.b64encode(image).decode("ascii") for image, _ in sent]
    names = [f"{index}_{place}.{kind.partition('/')[2]}" for place, (_, kind) in enumerate(sent)]
    if len(data) <= 1:
        return {"image": "".join(data), "image_path": "".join(names)}
    return {"image": json.dumps(data), "image_path": json.dumps(names)}
