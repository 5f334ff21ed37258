"""Intervals and tests against worked numbers, scipy's where it is, and planted effects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vlmtrain.scored import Match, answers
from vlmtrain.comparing import compare_tables, estimates
from vlmtrain.intervals import (
    Chance,
    by_group,
    draws,
    mcnemar_p,
    percentiles,
    permutation_p,
    student_t,
    tail_share,
    tossed,
)
from vlmtrain.scoring import score_table


@pytest.mark.parametrize(("freedom", "known"), [(4, 2.7764), (9, 2.2622), (29, 2.0452), (1000, 1.9623)])
def test_students_t_is_that_of_the_tables(freedom: int, known: float) -> None:
    assert student_t(0.975, freedom) == pytest.approx(known, rel=0.01 if freedom < 5 else 0.001)


def test_the_tails_are_those_of_hesterbergs_table() -> None:
    """Hesterberg 2015, table 6: at 95 %, alpha/2 becomes 1.0 % for n = 10 (0.0085 one side), 2.1 % for n = 40."""
    assert tail_share(10, 0.95) == pytest.approx(0.0086, abs=0.0003)
    assert tail_share(40, 0.95) == pytest.approx(0.0203, abs=0.0005)
    assert tail_share(100_000, 0.95) == pytest.approx(0.025, abs=1e-4)


def test_mcnemars_test_is_the_exact_binomial_one() -> None:
    assert mcnemar_p(0, 0) == 1.0
    assert mcnemar_p(1, 0) == 1.0
    assert mcnemar_p(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar_p(8, 2) == mcnemar_p(2, 8) == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert mcnemar_p(4000, 1000) < 1e-300 or mcnemar_p(4000, 1000) == 0.0


def test_rows_of_a_group_are_drawn_together() -> None:
    sums = np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    groups = by_group(sums, ["b", "a", "b"])
    assert groups.tolist() == [[5.0, 2.0], [2.0, 1.0]]
    drawn = draws(groups, Chance(resamples=200))
    assert {tuple(row) for row in drawn.tolist()} == {(10.0, 4.0), (7.0, 3.0), (4.0, 2.0)}


def test_draws_are_the_same_for_a_seed_whatever_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.arange(20.0).reshape(10, 2)
    whole = draws(groups, Chance(resamples=50, seed=4))
    monkeypatch.setattr("vlmtrain.intervals.CHUNK", 35)
    assert np.array_equal(draws(groups, Chance(resamples=50, seed=4)), whole)
    assert not np.array_equal(draws(groups, Chance(resamples=50, seed=5)), whole)


def test_there_is_no_interval_of_four_groups() -> None:
    assert percentiles(np.ones(100), 4, Chance()) is None
    assert percentiles(np.full(100, math.nan), 50, Chance()) is None


def test_a_permutation_finds_what_can_be_counted() -> None:
    """Of 2^3 tosses of three groups that all rose by one, two are as extreme as what was seen."""
    before, after = np.zeros((3, 1)), np.ones((3, 1))
    found = 3 - 2 * tossed(before, after, Chance())[:, 0]
    assert permutation_p(3.0, found, every=True) == 2 / 8
    many = np.zeros((40, 1)), np.repeat([[1.0], [-1.0]], 20, axis=0)
    assert permutation_p(0.0, -2 * tossed(*many, Chance(resamples=500))[:, 0]) == 1.0


def test_a_planted_loss_lies_in_its_interval_about_95_times_of_100() -> None:
    """A candidate that is the reference with 10 % of its rows corrupted, 200 times."""
    covered = called = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        texts = ["wrong" if random.random() < 0.1 else "right" for _ in range(150)]
        change = compare_tables(
            ("reference", "corrupted"),
            score_table(answers(["right"] * 150), [Match()]),
            score_table(answers(texts), [Match()]),
            chance=Chance(resamples=500, seed=seed),
        ).changes["match"]
        assert change.interval is not None
        covered += change.interval.low - 1e-9 <= -0.1 <= change.interval.high + 1e-9
        called += change.verdict == "worse"
    assert 183 <= covered <= 200
    assert called >= 198


def test_of_two_copies_of_a_model_no_difference_is_shown() -> None:
    """The same model sampled twice: as many rows go one way as the other, and 5 % at most are called different."""
    called = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        one, two = (["right" if random.random() < 0.6 else "wrong" for _ in range(100)] for _ in range(2))
        change = compare_tables(
            ("one", "two"),
            score_table(answers(one), [Match()]),
            score_table(answers(two), [Match()]),
            chance=Chance(resamples=500, seed=seed),
        ).changes["match"]
        called += change.verdict != "no difference shown"
    assert called <= 14
    same = compare_tables(("a", "a again"), *[score_table(answers(one), [Match()])] * 2)
    assert same.changes["match"].verdict == "no difference shown"
    assert same.changed == ()


def test_rows_of_one_group_make_an_interval_no_narrower() -> None:
    texts = ["right", "wrong"] * 30
    alone = estimates(score_table(answers(texts), [Match()]))["match"]
    copied = estimates(score_table(answers(texts, copies=4), [Match()]))["match"]
    assert (alone.rows, alone.groups, copied.rows, copied.groups) == (60, 60, 240, 60)
    assert alone.interval is not None
    assert copied.interval == alone.interval


@given(st.lists(st.booleans(), min_size=6, max_size=40))
def test_an_interval_holds_its_score(right: list[bool]) -> None:
    texts = ["right" if each else "wrong" for each in right]
    found = estimates(score_table(answers(texts), [Match()]), Chance(resamples=200))["match"]
    assert found.interval is not None
    assert found.interval.low - 1e-9 <= found.value <= found.interval.high + 1e-9


def test_a_loss_without_end_has_no_interval_and_no_warning() -> None:
    drawn = draws(np.array([[np.inf, 1.0], [1.0, 1.0], [2.0, 1.0]]), Chance(resamples=50))
    assert not np.isfinite(drawn[:, 0]).all()
    assert percentiles(np.full(50, np.nan), 10, Chance()) is None
    tossed(np.full((6, 1), np.inf), np.ones((6, 1)), Chance(resamples=10))


def test_of_few_groups_every_outcome_is_looked_at() -> None:
    """Of eight groups that all rose, two of 256 outcomes are as extreme."""
    before, after = np.zeros((8, 1)), np.ones((8, 1))
    first = tossed(before, after, Chance())
    assert len(first) == 2**8
    assert permutation_p(8.0, 8 - 2 * first[:, 0], every=True) == 2 / 256
