"""Whether the number in the answer is the reference's.

Source: "relaxed accuracy" of ChartQA (Masry et al. 2022, arXiv:2203.10244, after Methani et al. 2020): a number may be
off by 5 % of the reference; beside it, equality. Numbers are read in any script's digits, with decimal comma or point,
and units are converted where both texts have one (`vlmtrain.metric.quantities`). Numbers in words ("two") are not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from vlmtrain.metric import Answered
from vlmtrain.metric.choosing import ANSWER
from vlmtrain.metric.quantities import Quantity, quantities

CUE = re.compile(rf"(?:{ANSWER})[\s:=]*(?:is|are|ist|est|es|è|é|是|为|は|은|는)?[\s:=]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """The share of answers whose number is the reference's; `relaxed` within a tolerance; `unparsed` without one.

    A row has a score where its reference holds one number. An answer holds one where all its numbers are equal, or
    where one follows "the answer is"; several different ones are none, since any of them would be a guess.
    """

    relative: float = 0.05
    absolute: float = 0.0

    name = "numeric"
    higher_is_better = True
    directions = {"numeric.unparsed": False}  # noqa: RUF012
    correct = "numeric"
    about = "share of right numbers; relaxed: off by 5 % at most; unparsed: answers without one number"

    def score(self, row: Answered) -> Mapping[str, float]:
        """Each of the three, 0.0 or 1.0."""
        wanted = the_number(row.reference)
        if wanted is None:
            return {}
        given = None if row.failed else the_number(row.prediction)
        return {
            self.name: float(given is not None and given.equals(wanted, relative=1e-9)),
            f"{self.name}.relaxed": float(given is not None and given.equals(wanted, self.relative, self.absolute)),
            f"{self.name}.unparsed": float(given is None),
        }


def the_number(text: str) -> Quantity | None:
    """The one number of a text: what follows "the answer is", else the only one there is, however often."""
    text = unicodedata.normalize("NFC", text)
    found = [number for cue in CUE.finditer(text) for number in _at_start(text[cue.end() :])] or [*quantities(text)]
    return found[0] if found and all(each.equals(found[0]) for each in found[1:]) else None


def _at_start(text: str) -> list[Quantity]:
    text = text.lstrip(" *_($€£~≈\"'")
    return [number for number in [*quantities(text)][:1] if text.startswith(number.text)]
