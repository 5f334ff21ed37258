"""Many new rows in windows: prompts to answer, and rows that are rejected or left out, each with its place.

A window is closed by its rows or its bytes, whichever comes first, so that memory does not grow with the input; within
it, batches hold rows of like size. Windows are the same whenever the same input is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmdata.record import Problem, Rejection, Skip, message_rows, rejection_dict

if TYPE_CHECKING:
    from vlmdata import SourcePrompt
    from vlmtrain.answer_journal import Line
    from vlmtrain.generation import Answer

WINDOW_ROWS = 256
WINDOW_BYTES = 256_000_000
"""Of images. One row more than that is a window of its own."""

REFUSED = "run.row_refused"


@dataclass(slots=True, kw_only=True)
class Window:
    """Rows that stand next to each other in the input: the first `end` rows are decided once it is closed."""

    end: int
    prompts: dict[int, SourcePrompt] = field(default_factory=dict)
    decided: list[Line] = field(default_factory=list)

    @property
    def places(self) -> list[int]:
        """The rows to answer, by their places in the input."""
        return list(self.prompts)

    def rows(self) -> list[Mapping[str, Any]]:
        """The same as the record contract has them, up to the answer."""
        return [record_row(prompt) for prompt in self.prompts.values()]

    def line(self, place: int, answer: Answer, *, with_values: bool) -> Line:
        """An answer as the journal holds it; one that failed is the rejection of its row."""
        prompt = self.prompts[place]
        said = {"id": answer.id, "text": answer.text, "tokens": answer.tokens, "finished": answer.finished}
        line: Line = {"row": place, "answer": said}
        if answer.failed:
            line["answer"]["failed"] = answer.failed
            line["rejected"] = _rejected(prompt, answer.failed)
        elif with_values:
            line["values"] = _plain(prompt)
        return line


def windows(rows: Iterable[SourcePrompt | Rejection | Skip], *, first: int) -> Iterator[Window]:
    """Rows in windows. `first` is the place of the first row in the input."""
    window, size, end = Window(end=first), 0, first
    for place, row in enumerate(rows, start=first):
        end = place + 1
        if isinstance(row, Rejection):
            window.decided.append({"row": place, "rejected": rejection_dict(row)})
        elif isinstance(row, Skip):
            window.decided.append({"row": place, "skipped": row.reason})
        else:
            window.prompts[place] = row
            size += sum(map(len, row.images))
        window.end = end
        if len(window.prompts) >= WINDOW_ROWS or len(window.decided) >= WINDOW_ROWS or size >= WINDOW_BYTES:
            yield window
            window, size = Window(end=end), 0
    if window.prompts or window.decided:
        yield window


def record_row(prompt: SourcePrompt) -> dict[str, Any]:
    """A prompt as a row of the record contract, up to the answer; of its images what batches are made by."""
    return {
        "id": prompt.id,
        "messages": message_rows(prompt.messages),
        "images": [{"bytes": image, "path": None} for image in prompt.images],
        "image_info": [{"width": width, "height": height} for width, height in prompt.sizes],
    }


def _rejected(prompt: SourcePrompt, reason: str) -> dict[str, Any]:
    problem = Problem(
        rule=REFUSED,
        message=reason.removeprefix(f"{prompt.id}: "),
        source=prompt.origin.source,
        line=prompt.origin.line,
        hint="shorten the row, or ask a model that takes it; nothing is cut",
    )
    return rejection_dict(Rejection(origin=prompt.origin, problems=(problem,), row=prompt.values, id=prompt.id))


def _plain(prompt: SourcePrompt) -> dict[str, Any]:
    """The row's columns as plain data; bytes as their number and hash, as rejected rows have them."""
    row: dict[str, Any] = rejection_dict(Rejection(origin=prompt.origin, problems=(), row=prompt.values))["row"]
    return row
