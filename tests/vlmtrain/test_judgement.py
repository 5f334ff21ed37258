"""From opinions to a judgement: outcomes, how often a candidate is preferred, and how far the judge can be believed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmtrain.intervals import Chance
from vlmtrain.judge.judgement import (
    JudgedRow,
    Judgement,
    JudgeStoppedError,
    Outcome,
    outcome_of,
    require_judged,
    wilson,
)
from vlmtrain.judge.wording import VERDICTS, Opinion, Verdict

CHANCE = Chance(resamples=400)
SAYS: dict[Outcome, tuple[Verdict | None, Verdict | None]] = {
    "win": ("second", "first"),
    "loss": ("first", "second"),
    "tie": ("tie", "tie"),
    "inconsistent": ("first", "first"),
    "unparsed": ("first", None),
}


def row(place: int, outcome: Outcome, *, group: str = "") -> JudgedRow:
    """A row on which the judge said what comes to this."""
    opinions = tuple(Opinion(verdict=each) for each in SAYS[outcome]) if outcome in SAYS else ()
    name = f"p{place}"
    return JudgedRow(
        id=name,
        group=group or name,
        prompt="",
        reference="",
        before="a",
        after="b",
        outcome=outcome,
        opinions=opinions,
    )


def judgement(outcomes: list[Outcome], *, copies: int = 1, stopped: str = "") -> Judgement:
    """Rows with these outcomes, each `copies` times in one group."""
    rows = [
        row(place * copies + copy, outcome, group=f"g{place}")
        for place, outcome in enumerate(outcomes)
        for copy in range(copies)
    ]
    return Judgement(before="base", after="adapter", rows=tuple(rows), chance=CHANCE, stopped=stopped)


@pytest.mark.parametrize(("outcome", "verdicts"), SAYS.items())
def test_only_where_both_orders_agree_is_there_a_verdict(
    outcome: Outcome, verdicts: tuple[Verdict | None, Verdict | None]
) -> None:
    assert outcome_of([Opinion(verdict=each) for each in verdicts]) == outcome


@given(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS))
def test_swapped_candidates_swap_wins_and_losses(one: Verdict, other: Verdict) -> None:
    mirror = {"win": "loss", "loss": "win", "tie": "tie", "inconsistent": "inconsistent"}
    swapped = outcome_of([Opinion(verdict=other), Opinion(verdict=one)])
    assert swapped == mirror[outcome_of([Opinion(verdict=one), Opinion(verdict=other)])]


def test_wins_and_half_the_ties_make_the_rate_and_rows_without_a_verdict_none() -> None:
    found = judgement(["win"] * 6 + ["tie", "inconsistent"] + ["loss"] * 2 + ["unparsed", "unanswered"])
    assert found.win_rate is not None
    assert (found.win_rate.value, found.win_rate.rows, found.win_rate.groups) == (0.7, 10, 10)
    assert found.counts == {"win": 6, "tie": 1, "loss": 2, "inconsistent": 1, "unparsed": 1, "unanswered": 1}
    data = found.as_data()
    assert data["without_verdict"] == ["p10", "p11"]
    assert data["asked"] == 11


def test_the_sign_test_is_that_of_a_coin() -> None:
    found = judgement(["win"] * 9 + ["loss"] + ["tie"] * 3)
    test, p = found.tested
    assert test == "sign"
    assert p == pytest.approx(2 * 11 / 2**10)
    assert found.verdict == "better"
    assert judgement(["loss"] * 9 + ["win"] + ["tie"] * 3).verdict == "worse"


def test_rows_of_one_group_count_once() -> None:
    alone, copied = judgement(["win"] * 6 + ["loss"] * 2), judgement(["win"] * 6 + ["loss"] * 2, copies=10)
    assert alone.win_rate is not None
    assert copied.win_rate is not None
    assert copied.win_rate.interval == alone.win_rate.interval
    assert copied.tested[0] == "permutation"
    assert copied.tested[1] == pytest.approx(alone.tested[1], abs=0.1)
    assert copied.verdict == alone.verdict == "no difference shown"


def test_a_permutation_of_groups_shows_a_plain_preference() -> None:
    found = judgement(["win"] * 18 + ["loss"] * 2, copies=3)
    test, p = found.tested
    assert test == "permutation"
    assert p is not None
    assert p < 0.01
    assert found.verdict == "better"


def test_a_judge_that_always_prefers_the_first_shows_nothing() -> None:
    found = judgement(["inconsistent"] * 40)
    assert found.agreement is not None
    assert found.agreement.value == 0
    assert found.counts["win"] == found.counts["loss"] == 0
    assert found.first_preferred == 1.0
    assert found.verdict == "no difference shown"


def test_even_candidates_seldom_look_uneven() -> None:
    chance = random.Random(3)
    shown = 0
    for _ in range(200):
        outcomes: list[Outcome] = [chance.choice(("win", "loss", "tie")) for _ in range(40)]
        shown += judgement(outcomes).verdict != "no difference shown"
    assert shown <= 20


def test_few_groups_get_no_interval_and_no_verdict() -> None:
    found = judgement(["win"] * 4, copies=20)
    assert found.win_rate is not None
    assert found.win_rate.interval is None
    assert found.verdict == "no difference shown"
    assert found.tested == ("", None)


def test_nothing_judged_is_told_as_nothing() -> None:
    data = judgement(["unanswered"] * 3, stopped="the key is wrong").as_data()
    assert (data["win_rate"], data["agreement"], data["p"], data["first_preferred"]) == (None, None, None, None)
    assert data["verdict"] == "no difference shown"


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        found = wilson(hits / trials, trials, 0.95)
        assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_a_judge_that_stopped_is_an_error_of_exit_code_1() -> None:
    require_judged([judgement(["win"])])
    with pytest.raises(JudgeStoppedError, match="the judge stopped: the key is wrong; what it said is kept") as caught:
        require_judged([judgement(["win"]), judgement(["win"], stopped="the key is wrong")])
    assert caught.value.exit_code == 1
