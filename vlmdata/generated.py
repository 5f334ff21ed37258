"""Which of a dataset's rows have a text that a model wrote, by what their provenance says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow as pa

from vlmdata.dataset import DataFile
from vlmdata.write.card_front import Generated


def writers(batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
    """(model, what it was asked through) of each row of a batch whose text a model wrote."""
    for entry in batch.column("provenance").drop_null().to_pylist():
        yield str(entry["model"]), str(entry["description"])


def generated_in(files: Iterable[DataFile]) -> list[Generated]:
    """How many rows of these files each model wrote a text of. Raises ContractError for a damaged file."""
    rows, counts = 0, Counter[tuple[str, str]]()
    for file in files:
        for batch in file.batches():
            rows += batch.num_rows
            counts.update(writers(batch))
    return generated_of(counts, rows)


def generated_of(counts: Counter[tuple[str, str]], rows: int) -> list[Generated]:
    """The same from counts of (model, provider) among so many rows, in a fixed order."""
    return [
        Generated(model=model, provider=provider, rows=count, of=rows)
        for (model, provider), count in sorted(counts.items())
    ]
