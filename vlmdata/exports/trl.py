"""TRL: Parquet that `datasets.load_dataset` and `trl sft --dataset_name OUT` open, ready for a stock SFTTrainer.

Sources: trl/data_utils.py (prepare_multimodal_messages, is_conversational) and trl/trainer/sft_trainer.py, whose
signature columns are messages, prompt, completion, image and images: other columns are left aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from vlmdata.contract import arrow_type, declared_features
from vlmdata.exports.extras import columns, extras
from vlmdata.exports.parquet_files import TEXT, with_features, write_parquet
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row
from vlmdata.record import message_rows

HOLDS = Holds(reader="TRL", kept=frozenset({"id", "group", "tags", "fields", "image_names"}), splits_of_datasets=True)
OPENING = Opening(
    text="train on it with TRL", command='SFTTrainer(train_dataset=load_dataset("OUT", split="train"), ...)'
)


@dataclass(slots=True)
class Trl(Exporter):
    """`messages` and `images`, and the row's id, group, tags and fields as columns of text."""

    folder: Path
    survey: Survey
    options: Options
    holds: ClassVar[Holds] = HOLDS

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """One file, or several of about half a gigabyte."""
        schema = _schema(self.survey, ("messages",))
        records = (_record(row, self.survey, schema, {"messages": message_rows(row.messages)}) for row in rows)
        return write_parquet(self.folder, split, records, schema)

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return OPENING


@dataclass(slots=True)
class TrlPromptCompletion(Exporter):
    """`prompt`, `completion` and `images`: TRL learns the completion alone, the last answer."""

    folder: Path
    survey: Survey
    options: Options
    holds: ClassVar[Holds] = HOLDS

    def losses(self, row: Row) -> Iterator[str]:
        """Answers before the last stand in the prompt."""
        if len(row.turns) > 2:
            yield "earlier_answers"

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """One file, or several of about half a gigabyte."""
        schema = _schema(self.survey, ("prompt", "completion"))
        records = (_record(row, self.survey, schema, _halves(row)) for row in rows)
        return write_parquet(self.folder, split, records, schema)

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return OPENING


def _halves(row: Row) -> Mapping[str, Sequence[Any]]:
    return {"prompt": message_rows(row.messages[:-1]), "completion": message_rows(row.messages[-1:])}


def _schema(survey: Survey, conversation: Sequence[str]) -> pa.Schema:
    """The columns: id, images, those of the conversation, and a text for each tag and field of the dataset."""
    ours, declared = arrow_type(), declared_features()
    names = columns(survey)
    fields = [ours.field("id"), ours.field("images")]
    fields += [pa.field(name, ours.field("messages").type) for name in conversation]
    fields += [pa.field(name, pa.string()) for name in names]
    features = {"id": TEXT, "images": declared["images"], **dict.fromkeys(conversation, declared["messages"])}
    return with_features(pa.schema(fields), {**features, **dict.fromkeys(names, TEXT)})


def _record(row: Row, survey: Survey, schema: pa.Schema, conversation: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    """The row as a batch of one, its images as they lie in the dataset's file."""
    values = {**extras(row, survey), **conversation, "id": row.id}
    images, kind = row.record.column("images"), schema.field("images").type
    images = images if images.type.equals(kind) else images.cast(kind)
    arrays = [
        images if name == "images" else pa.array([values[name]], schema.field(name).type) for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
