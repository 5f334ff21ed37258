"""Answers that end in the middle of a sentence, where nearly all others do not.

Those whose own last words say so are a rule's about texts (`text.cut_off`); these are told by what others do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.rows import Rows
from vlmdata.check.text_shape import LOOSE_SCREEN
from vlmdata.record import Problem

RULE = "dataset.unfinished_answer"
OPEN = r"[\pL\pM\pN,;–—&+/(-]\s*\z"
"""How a text ends that goes on: with a letter, a digit, a comma, or a sign that leads on."""

NO_PROSE = (
    r"(?:(?:https?://|www\.|[#@])\S+|\n\s*(?:[-*•–]|\d+[.)])[^\n]*|\n[^\n]{1,40}"
    r"|[:=] ?[^\s,;.]{1,12}(?: [^\s,;.]{1,12}){0,3}"
    r"|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Han}\p{Hiragana}\p{Katakana}])\s*\z"
)
"""What ends well without a stop: an address or hashtag, a line of a list, a short line of its own such as a signature,
a value after its name (`Size: 10 x 12 cm`), and scripts that part sentences by spaces."""

OTHER_SCRIPT = r"[^\P{L}\p{Latin}\p{Greek}\p{Cyrillic}][^\p{Latin}\p{Greek}\p{Cyrillic}]*\z"
"""Whether the last letter is of another script than these three."""

SPACED = r"\s\S+\s+\S+"
"""Words with spaces between them; scripts that write without end their sentences in many ways."""

SHOWN = 24
LAST = 4 * SHOWN
KEPT_ENDS = 1_000


@dataclass(slots=True)
class _Seen:
    """Long answers of some scripts, and those of them that go on, and how the first of these end."""

    long: int = 0
    open: int = 0
    rows: list[npt.NDArray[np.int64]] = field(default_factory=list)
    shown: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Endings:
    """Long answers, counted by how they end: those in Latin, Greek or Cyrillic letters, and the others, whose writers
    often leave the stop out, each among their own."""

    rows: Rows
    rules = (RULE,)
    _seen: tuple[_Seen, _Seen] = field(default_factory=lambda: (_Seen(), _Seen()))

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Count a batch's answers."""
        seen = self.rows.see(batch)
        texts = seen.keys.answer_texts
        least = self.rows.settings.threshold(RULE, "characters")
        long = pc.and_(pc.greater_equal(pc.utf8_length(texts), least), pc.match_substring_regex(texts, SPACED))
        places = np.flatnonzero(pc.fill_null(long, False).to_numpy(zero_copy_only=False))
        ends = pc.utf8_slice_codeunits(texts.take(pa.array(places)), start=-LAST)
        goes_on = pc.match_substring_regex(ends, OPEN)
        for other in (LOOSE_SCREEN, NO_PROSE):
            goes_on = pc.and_not(goes_on, pc.match_substring_regex(ends, other))
        open_ends = goes_on.to_numpy(zero_copy_only=False)
        others = pc.match_substring_regex(ends, OTHER_SCRIPT).to_numpy(zero_copy_only=False)
        for counted, mine in zip(self._seen, (~others, others), strict=True):
            found = np.flatnonzero(open_ends & mine)
            counted.long += int(mine.sum())
            counted.open += len(found)
            counted.rows.append(seen.first_row + places[found])
            for end in found[: KEPT_ENDS - len(counted.shown)].tolist():
                counted.shown[seen.first_row + int(places[end])] = ends[end].as_py().rstrip()[-SHOWN:]

    def findings(self) -> Iterator[Problem]:
        """The answers that go on, where few do."""
        few = [counted for counted in self._seen if self._few(counted)]
        rows = np.sort(np.concatenate([np.zeros(0, np.int64), *(rows for counted in few for rows in counted.rows)]))
        shown = {row: end for counted in few for row, end in counted.shown.items()}
        for row in rows.tolist():
            yield self._finding(row, shown.get(row, ""))

    def _few(self, counted: _Seen) -> bool:
        """Whether there are enough answers to tell by, and nearly all of them end."""
        settings, ended = self.rows.settings, counted.long - counted.open
        return (
            counted.long >= settings.threshold(RULE, "rows")
            and ended >= settings.threshold(RULE, "share") * counted.long
        )

    def _finding(self, row: int, end: str) -> Problem:
        where = f" with {'...' + end!r}," if end else ""
        message = f"the answer ends{where} in the middle of a sentence; nearly all others end with one"
        return self.rows.problem(row, RULE, message, "fill in the whole text, or leave the row out", "messages")
