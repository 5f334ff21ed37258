"""A judgement as a person reads it: on the terminal, and in the page."""

from __future__ import annotations

import dataclasses

from tests.vlmtrain.answered import helped
from tests.vlmtrain.test_judgement import judgement, row
from vlmtrain.evaluation import EvalResult
from vlmtrain.judge.judgement import Judgement
from vlmtrain.judge.wording import Opinion
from vlmtrain.judge.words import agreement_words, count_words, judge_lines, judge_warnings, preference_words
from vlmtrain.page.judge import judge_section
from vlmtrain.page_evaluation import evaluation_page
from vlmtrain.report import as_text, eval_report
from vlmtrain.results_file import as_data

GOOD = judgement(["win"] * 15 + ["tie"] * 2 + ["loss"] * 2 + ["inconsistent", "unparsed"])


def with_judge(*judgements: Judgement) -> EvalResult:
    return dataclasses.replace(helped(), judgements=judgements)


def test_who_is_preferred_is_said_with_interval_test_and_verdict() -> None:
    assert preference_words(GOOD) == (
        "adapter wins 82% against base (20 rows, a tie as half a win; 95% interval 68% to 95%; sign test, p = 0.0023): "
        "better."
    )
    assert count_words(GOOD) == "15 wins, 2 ties, 2 losses, 1 inconsistent, 1 without a verdict"
    assert agreement_words(GOOD).startswith("With the sides swapped the judge says the same in 95% of 20 rows (95% ")
    assert list(judge_warnings(GOOD)) == ["Without a verdict: 'p20'."]


def test_no_difference_is_said_in_those_words() -> None:
    assert preference_words(judgement(["win"] * 6 + ["loss"] * 5)).endswith(": no difference shown.")
    assert "too few independent rows for an interval): no difference shown." in preference_words(judgement(["win"] * 3))


def test_a_judge_that_contradicts_itself_is_not_to_be_believed() -> None:
    (warned,) = judge_warnings(judgement(["inconsistent"] * 12 + ["win"] * 10))
    assert warned.endswith("than a coin does: make nothing of its verdicts.")
    assert "100% are for the answer that stands first" in agreement_words(judgement(["inconsistent"] * 5))


def test_a_judge_that_said_nothing_is_told_as_that() -> None:
    nothing = judgement(["unanswered"] * 3, stopped="the provider answered 401")
    assert preference_words(nothing) == "Whether adapter is better than base can't be told: no row has a verdict."
    assert next(judge_warnings(nothing)) == "The judge stopped before its end: the provider answered 401."
    assert "100%" not in "".join(judge_lines(nothing))


def test_the_terminal_tells_it_and_is_silent_without_a_judge() -> None:
    assert "adapter wins 82% against base" in as_text(eval_report(with_judge(GOOD)), width=200)
    assert "against base" not in as_text(eval_report(with_judge()), width=200)


def test_the_page_tells_it_and_is_silent_without_a_judge() -> None:
    page = evaluation_page(with_judge(GOOD), photos=lambda _: ())
    assert "What the judge says" in page
    assert "adapter wins 82% against base" in page
    assert 'href="#judge"' in page
    assert "What the judge says" not in evaluation_page(with_judge(), photos=lambda _: ())


def test_what_a_judge_wrote_is_text_in_the_page() -> None:
    hostile = "<script>alert(1)</script>" + "x" * 5_000
    opinions = (Opinion(verdict="second", reason=hostile), Opinion(verdict="first", reason=hostile))
    one = dataclasses.replace(row(0, "win"), opinions=opinions)
    shown = judge_section(with_judge(Judgement(before="base", after="<b>", rows=(one,), stopped="<i>")))
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown
    assert "with base first it prefers &lt;b&gt;: " in shown
    assert "<i>" not in shown
    assert len(shown) < 10_000


def test_the_result_holds_it() -> None:
    (held,) = as_data(with_judge(GOOD))["judgements"]
    assert (held["before"], held["after"], held["verdict"]) == ("base", "adapter", "better")
