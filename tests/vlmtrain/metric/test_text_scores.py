"""Scores of texts against the reference libraries, and against examples worked by hand."""

from __future__ import annotations

import math

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tests.vlmtrain.metric.answers import SCRIPTS, answered, overall, pairs, score
from vlmtrain.metric import find
from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.words import words

ENGLISH = [
    ("The blue mug holds 300 ml.", "A blue mug, made of clay; it holds 300 ml"),
    ("red lamp", "lamp red"),
    ("nothing alike", "wholly different words"),
    ("It's a mid-size, half_open box (2x)", "a mid size half open box 2x"),
]
LIBRARY = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}

texts = st.text(st.sampled_from("ab cd 红é.3 "), max_size=12)


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize(("prediction", "reference"), ENGLISH)
def test_rouge_equals_rouge_score_for_english(name: str, prediction: str, reference: str) -> None:
    theirs = RougeScorer([LIBRARY[name]]).score(reference, prediction)[LIBRARY[name]].fmeasure
    assert score(name, prediction, reference)[name] == pytest.approx(theirs)


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_a_text_of_another_script_gets_no_rouge(name: str, text: str) -> None:
    assert score(name, text, "zzz qqq")[name] == 0.0


def test_rouge_of_hand_worked_examples() -> None:
    """Lin 2004, section 3.1: the words police, the, gunman; the pair "the gunman"; the run police, the, gunman."""
    given, wanted = "police kill the gunman", "police killed the gunman"
    assert score("rouge_1", given, wanted)["rouge_1"] == 0.75
    assert score("rouge_2", given, wanted)["rouge_2"] == pytest.approx(1 / 3)
    assert score("rouge_l", given, wanted)["rouge_l"] == 0.75
    assert score("rouge_l", "the gunman kill police", wanted)["rouge_l"] == 0.5, "the order counts"


def test_rouge_l_of_a_chinese_example_counts_characters() -> None:
    """Common: 红 色 杯, precision 3/4, recall 3/3."""
    assert score("rouge_l", "红色的杯", "红色杯")["rouge_l"] == pytest.approx(2 * 0.75 * 1 / 1.75)


def test_words_keep_accents_marks_and_digits() -> None:
    assert words("Die Größe: 3,5 L_x") == ["die", "größe", "3", "5", "l", "x"]
    assert words("红色 mug杯2x") == ["红", "色", "mug", "杯", "2x"]
    assert words("नीला मग") == ["नीला", "मग"]
    assert words("Cafe\u0301") == ["café"]
    assert words("... --- !") == []


def test_texts_that_are_too_short_to_count_match_only_themselves() -> None:
    assert score("rouge_l", "--", "--")["rouge_l"] == 1.0
    assert score("rouge_l", "!!", "--")["rouge_l"] == 0.0
    assert score("rouge_l", "", "a mug")["rouge_l"] == 0.0
    assert score("rouge_2", "mug", "Mug.")["rouge_2"] == 1.0
    assert score("rouge_2", "mug", "lamp")["rouge_2"] == 0.0
    assert score("rouge_2", "mug", "a mug")["rouge_2"] == 0.0


@settings(deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_chrf_over_rows_is_sacrebleus_corpus_score(rows: list[tuple[str, str]]) -> None:
    theirs = sacrebleu.corpus_chrf([given for given, _ in rows], [[wanted for _, wanted in rows]]).score
    assert overall("chrf", pairs(*rows))["chrf"] == pytest.approx(theirs, abs=1e-9)


def test_chrf_is_no_mean_of_rows() -> None:
    rows = pairs(("the blue mug", "a blue mug"), ("a", "a very long lamp"))
    mean = sum(score("chrf", row.prediction, row.reference)["chrf"] for row in rows) / 2
    assert overall("chrf", rows)["chrf"] != pytest.approx(mean, abs=1)


@settings(deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_bleu_over_rows_is_sacrebleus_corpus_score_of_our_words(rows: list[tuple[str, str]]) -> None:
    library = sacrebleu.metrics.BLEU(tokenize="none", effective_order=True, force=True)
    given, wanted = ([" ".join(words(row[side])) for row in rows] for side in (0, 1))
    assert overall("bleu", pairs(*rows))["bleu"] == pytest.approx(library.corpus_score(given, [wanted]).score, abs=1e-9)


def test_bleu_of_plain_english_is_sacrebleus_default() -> None:
    rows = [
        ("the cat sat on the mat today", "the cat sat on a mat today"),
        ("a blue mug of clay", "one blue mug of clay"),
    ]
    theirs = sacrebleu.corpus_bleu([given for given, _ in rows], [[wanted for _, wanted in rows]]).score
    assert overall("bleu", pairs(*rows))["bleu"] == pytest.approx(theirs, abs=1e-9)


def test_bleu_of_a_hand_worked_example() -> None:
    """Precisions 4/4, 3/3, 2/2, 1/1; four words for five: exp(1 - 5/4)."""
    assert score("bleu", "the cat sat on", "the cat sat on mats")["bleu"] == pytest.approx(100 * math.exp(-0.25))


def test_signatures_say_what_was_done() -> None:
    version = sacrebleu.__version__
    chrf, bleu = find(["chrf", "bleu"])
    assert chrf.signature == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}"  # type: ignore[attr-defined]
    assert bleu.signature == f"nrefs:1|case:lc|eff:yes|tok:vlmtrain-words|smooth:exp|version:{version}"  # type: ignore[attr-defined]


def test_exact_match_is_strict_and_normalised() -> None:
    assert score("exact_match", "Blue Mug\n", "Blue Mug") == {"exact_match": 1.0, "exact_match.normalised": 1.0}
    assert score("exact_match", "blue  MUG", "Blue Mug") == {"exact_match": 0.0, "exact_match.normalised": 1.0}
    assert score("exact_match", "Gro\u0308ße", "GRÖSSE")["exact_match.normalised"] == 1.0
    assert score("exact_match", "blue mug.", "blue mug")["exact_match.normalised"] == 0.0


@settings(deadline=None)
@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_answer_loss_and_perplexity_weight_tokens_not_rows() -> None:
    """Rows of 9 and of 1 nats per token: together 18 nats over 10 tokens."""
    rows = [answered("", nll=9.0, learned_tokens=1), answered("", nll=9.0, learned_tokens=9), answered("")]
    assert score("answer_loss", "", nll=9.0, learned_tokens=9) == {"answer_loss": 1.0}
    assert score("perplexity", "", nll=9.0, learned_tokens=9) == {"perplexity": pytest.approx(math.e)}
    assert overall("answer_loss", rows) == {"answer_loss": pytest.approx(1.8)}
    assert overall("perplexity", rows) == {"perplexity": pytest.approx(math.exp(1.8))}
    assert overall("answer_loss", [answered("")]) == {}


def test_a_model_that_diverged_has_no_finite_perplexity_and_nothing_breaks() -> None:
    assert score("perplexity", "", nll=9e9, learned_tokens=1)["perplexity"] == math.inf
    assert math.isnan(score("perplexity", "", nll=math.nan, learned_tokens=1)["perplexity"])


def test_length_ratio_is_of_all_words_together() -> None:
    rows = pairs(("one two three", "one"), ("one", "one two three"), ("rambling", "!"))
    assert [score("length_ratio", row.prediction, row.reference) for row in rows] == [
        {"length_ratio": 3.0},
        {"length_ratio": pytest.approx(1 / 3)},
        {},
    ]
    assert overall("length_ratio", rows) == {"length_ratio": 1.0}


def test_distinct_counts_over_all_answers() -> None:
    """Six words: a, red, blue, mug are four different ones; "a red", "red mug", "a blue", "blue mug" four pairs."""
    rows = pairs(("A red mug", ""), ("a blue mug.", ""))
    assert overall("distinct", rows) == {"distinct.1": pytest.approx(4 / 6), "distinct.2": pytest.approx(4 / 6)}
    assert overall("distinct", pairs(("", ""))) == {}


def test_repetition_counts_runs_of_four_words() -> None:
    """Of "so good it is so good it is" five runs, the last equal to the first; a loop of one word: 1 of 6 differs."""
    assert score("repetition", "so good it is so good it is")["repetition"] == pytest.approx(1 / 5)
    assert score("repetition", "very " * 9)["repetition"] == pytest.approx(5 / 6)
    assert score("repetition", "a mug")["repetition"] == 0.0
