"""What a judge says of the answers: who is preferred, how far the judge agrees with itself, and some of its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlmdata.page import section, shortened, text
from vlmdata.words import plural
from vlmtrain.judge.words import agreement_words, judge_name, judge_warnings, preference_words, without_verdict
from vlmtrain.page.tables import folding_table

if TYPE_CHECKING:
    from vlmtrain.evaluation import EvalResult
    from vlmtrain.judge.judgement import JudgedRow, Judgement, Outcome

MOST_PAIRS, MOST_REASONS, MOST_LETTERS = 8, 3, 300
TONES = {"better": "good", "worse": "bad"}
TOLD: dict[Outcome, str] = {"win": "preferred", "loss": "not preferred", "inconsistent": "inconsistent"}
HEAD = ("Candidate", "Wins", "Ties", "Losses", "Inconsistent", "No verdict")


def judge_section(result: EvalResult) -> str:
    """Every pair that was judged; nothing where no judge was asked."""
    if not result.judgements:
        return ""
    shown = result.judgements[:MOST_PAIRS]
    parts = [_counts(shown), *(_pair(each) for each in shown)]
    note = (
        f"{judge_name(shown[0])} was shown both answers, in both orders. Only where it says the same in both is that a "
        "win or a loss; where it contradicts itself the row is a tie."
    )
    return section("judge", "What the judge says", "".join(parts), note=note)


def _pair(judgement: Judgement) -> str:
    warned = "".join(f'<p class="aside" dir="auto">{text(line)}</p>' for line in judge_warnings(judgement))
    tone = TONES.get(judgement.verdict, "none")
    return (
        f'<h3 class="sub" dir="auto">{text(f"{judgement.after} against {judgement.before}")}</h3>'
        f'<p class="lead tone-{tone}" dir="auto">{text(preference_words(judgement))}</p>'
        f'<p dir="auto">{text(agreement_words(judgement))}</p>{warned}{_reasons(judgement)}'
    )


def _counts(judgements: tuple[Judgement, ...]) -> str:
    rows = [
        [
            f'<span dir="auto">{text(each.after)}</span>',
            *(f"{each.counts[outcome]:,}" for outcome in ("win", "tie", "loss", "inconsistent")),
            f"{without_verdict(each):,}",
        ]
        for each in judgements
    ]
    return folding_table(HEAD, rows, caption="The judge's verdicts")


def _reasons(judgement: Judgement) -> str:
    """Some of what the judge said, the same number of rows of each kind."""
    lines = "".join(
        f'<li dir="auto"><b>{text(row.id)}</b>, {text(words)}<ul>{"".join(_said(judgement, row))}</ul></li>'
        for outcome, words in TOLD.items()
        for row in [row for row in judgement.rows if row.outcome == outcome and row.opinions][:MOST_REASONS]
    )
    judged = sum(bool(row.opinions) for row in judgement.rows)
    summary = f"Some of its reasons, of {plural(judged, 'row')}"
    return f"<details><summary>{text(summary)}</summary><ul>{lines}</ul></details>" if lines else ""


def _said(judgement: Judgement, row: JudgedRow) -> Iterator[str]:
    names = judgement.before, judgement.after
    for (first, second), opinion in zip((names, names[::-1]), row.opinions, strict=True):
        better = {"first": first, "second": second}.get(str(opinion.verdict), "neither")
        said = f"with {first} first it prefers {better}: {shortened(opinion.reason, MOST_LETTERS)}"
        yield f'<li dir="auto">{text(said)}</li>'
