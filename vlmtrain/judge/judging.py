"""Candidates before a judge: the first against each other one, every row asked twice with the sides swapped."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from hashlib import sha256
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.description.journal import Entry
from vlmdata.description.provider import Ask, Picture
from vlmtrain.evaluation import text_of
from vlmtrain.intervals import Chance
from vlmtrain.judge.access import Judge
from vlmtrain.judge.asking import Heard, Question, hear
from vlmtrain.judge.judgement import JudgedRow, Judgement, Outcome, outcome_of
from vlmtrain.judge.settings import JudgeConfig
from vlmtrain.judge.wording import SCHEMA, WORDING, Opinion, opinion_of, request_of, system_of
from vlmtrain.metric import Answered
from vlmtrain.pictures import pictures
from vlmtrain.turns import asked

if TYPE_CHECKING:
    from vlmtrain.evaluation import Candidate

JOURNAL = "judge.jsonl"
"""The file that keeps what a judge answered."""

QUALITY = 90
"""Of the JPEG that a judge is shown."""

Row = Mapping[str, Any]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One row of one pair: the answers, and the keys of the two questions; none where nobody needs to be asked."""

    before: Answered
    after: Answered
    keys: tuple[str, ...] = ()
    outcome: Outcome = "unanswered"
    why: str = ""


def judge_candidates(  # noqa: PLR0913, PLR0917  (who, of what, where it is kept, and how sure)
    judge: Judge | None,
    candidates: Mapping[str, Candidate],
    rows: Any,
    journal: Path,
    chance: Chance | None = None,
    progress: Progress | None = None,
) -> tuple[Judgement, ...]:
    """The first candidate against each other one, on the same rows. Asks only what the journal does not hold.

    A row that one candidate could not take is the other's; equal answers are a tie; neither is asked about. Without a
    judge there are none. Raises JournalError.
    """
    if judge is None:
        return ()
    first, *others = candidates.values()
    if not others and judge.tell:
        judge.tell(f"judge {judge.config.model}: there is one candidate alone, and nothing to compare it with")
    if not others:
        return ()
    places = chosen_rows([row.id for row in first.answered], judge.config.rows)
    desk = _Desk(judge, rows)
    pairs = {
        other.name: [desk.case(place, first.answered[place], other.answered[place]) for place in places]
        for other in others
    }
    heard = hear(judge, desk.questions, journal, progress)
    return tuple(_judgement(judge, (first.name, name), cases, heard, chance) for name, cases in pairs.items())


def chosen_rows(ids: Sequence[str], most: int | None) -> list[int]:
    """The places of the rows that are judged: those whose ids have the lowest hashes, in the rows' order.

    So every evaluation of the same rows judges the same ones, and one of fewer rows some of them.
    """
    if most is None or most >= len(ids):
        return list(range(len(ids)))
    return sorted(sorted(range(len(ids)), key=lambda place: _digest(ids[place]))[:most])


class _Desk:
    """Makes rows and answers into questions, each once."""

    def __init__(self, judge: Judge, rows: Any) -> None:
        self.judge, self.rows = judge, rows
        self.bare = rows.remove_columns("images") if hasattr(rows, "remove_columns") else rows
        self.system = system_of(judge.config.rubric)
        self.questions: dict[str, Question] = {}

    def case(self, place: int, before: Answered, after: Answered) -> _Case:
        """A row's two answers, and where they are asked about."""
        known = unasked(before, after)
        if known is not None:
            return _Case(before=before, after=after, outcome=known[0], why=known[1])
        row = self.bare[place]
        sides = ((before.prediction, after.prediction), (after.prediction, before.prediction))
        keys = tuple(self._asked(place, row, before.reference, answers) for answers in sides)
        return _Case(before=before, after=after, keys=keys)

    def _asked(self, place: int, row: Row, reference: str, answers: tuple[str, str]) -> str:
        config = self.judge.config
        prompt = request_of(question_of(row), reference if config.reference else None, answers)
        infos = list(row["image_info"] or ()) if config.pictures else []
        key = self._key(prompt, [info["sha256"] for info in infos])
        ask = Ask(key=key, system=self.system, prompt=prompt, pictures=(), schema=SCHEMA, id=str(row["id"]))
        sizes = tuple(_shrunk((info["width"], info["height"]), config.max_pixels) for info in infos)

        def made_ready() -> tuple[Picture, ...]:
            return sent_pictures(self.rows[place], config.max_pixels) if infos else ()

        self.questions[key] = Question(ask=ask, sizes=sizes, pictures=made_ready)
        return key

    def _key(self, prompt: str, images: Sequence[str]) -> str:
        """The hash of all that the judge's answer depends on."""
        config = self.judge.config
        who = [config.provider, config.model, self.judge.endpoint]
        how = [config.max_pixels, config.max_new_tokens, config.thinking_budget]
        return _digest([WORDING, who, how, self.system, SCHEMA, prompt, images])


def unasked(before: Answered, after: Answered) -> tuple[Outcome, str] | None:
    """What comes of a row that needs no judge, and why; None where one is asked."""
    if before.failed is not None and after.failed is not None:
        return "tie", "neither could take the row"
    if before.failed is not None:
        return "win", f"the other could not take the row: {before.failed}"
    if after.failed is not None:
        return "loss", f"it could not take the row: {after.failed}"
    same = before.prediction.strip() == after.prediction.strip()
    return ("tie", "both answers are the same") if same else None


def question_of(row: Row) -> str:
    """What both were asked, images as `[image]`; of several turns each after its role."""
    turns = asked(row["messages"])
    if len(turns) == 1:
        return text_of(turns[0])
    return "\n\n".join(f"{turn['role']}: {text_of(turn)}" for turn in turns)


def sent_pictures(row: Row, max_pixels: int) -> tuple[Picture, ...]:
    """The row's images as a judge sees them: JPEG, no larger than is allowed, and nothing in it but pixels."""
    from PIL.Image import Resampling

    found = []
    for picture in pictures(row):
        size = _shrunk(picture.size, max_pixels)
        small = picture if size == picture.size else picture.resize(size, Resampling.LANCZOS)
        file = io.BytesIO()
        small.save(file, "JPEG", quality=QUALITY)
        found.append(Picture(data=file.getvalue(), mime="image/jpeg"))
    return tuple(found)


def _shrunk(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    width, height = size
    share = min(1.0, sqrt(max_pixels / (width * height)))
    return max(1, int(width * share)), max(1, int(height * share))


def _judgement(
    judge: Judge, names: tuple[str, str], cases: Sequence[_Case], heard: Heard, chance: Chance | None
) -> Judgement:
    entries = [heard.entries[key] for case in cases for key in case.keys if key in heard.entries]
    before, after = names
    return Judgement(
        before=before,
        after=after,
        rows=tuple(_judged(case, heard) for case in cases),
        about=_about(judge.config, judge.endpoint),
        chance=chance or Chance(),
        cost=sum((entry.cost for entry in entries), Decimal(0)),
        input_tokens=sum(entry.usage.input_tokens for entry in entries),
        output_tokens=sum(entry.usage.output_tokens + entry.usage.thinking_tokens for entry in entries),
        bill=heard.bill,
        stopped=heard.stopped,
    )


def _judged(case: _Case, heard: Heard) -> JudgedRow:
    found = [heard.entries.get(key) for key in case.keys]
    answered = bool(found) and all(entry is not None and entry.ended in ("stop", "length") for entry in found)
    opinions = tuple(_opinion(entry) for entry in found)
    row = case.after
    return JudgedRow(
        id=row.id,
        group=row.group or row.id,
        prompt=row.prompt,
        reference=row.reference,
        before=case.before.prediction,
        after=row.prediction,
        outcome=outcome_of(opinions) if answered else case.outcome,
        opinions=opinions,
        why=case.why,
    )


def _opinion(entry: Entry | None) -> Opinion:
    """What an answer of the judge's says; of one that is none, why."""
    if entry is None:
        return Opinion(problem="not asked")
    if entry.ended == "stop":
        return opinion_of(entry.text)
    if entry.ended == "length":
        return Opinion(problem="cut at eval.judge.max_new_tokens")
    return Opinion(problem=f"{entry.ended}: {entry.reason}" if entry.reason else entry.ended)


def _about(config: JudgeConfig, endpoint: str | None) -> dict[str, Any]:
    """Who judged, and how."""
    return {"judge": {**asdict(config), "endpoint": endpoint}}


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
