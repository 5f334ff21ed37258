"""The metrics against the reference libraries, and against examples worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.errors import ConfigError
from vlmtrain.metric import METRICS, Answered, find
from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.rouge_l import words

SCRIPTS = {
    "latin": "Die Größe der Tasse beträgt 0,3 Liter.",
    "cyrillic": "Синяя кружка из керамики, 300 мл.",
    "greek": "Μπλε κούπα από κεραμικό.",
    "arabic": "كوب أزرق من السيراميك.",
    "hebrew": "ספל כחול מקרמיקה.",
    "devanagari": "सिरेमिक से बना नीला मग।",
    "bengali": "সিরামিকের তৈরি নীল মগ।",
    "thai": "แก้วเซรามิกสีฟ้า",
    "chinese": "这是一个蓝色的陶瓷杯子。",
    "japanese": "青いセラミックのマグカップです。",
    "korean": "파란색 도자기 머그컵입니다.",
    "tamil": "நீல பீங்கான் குவளை.",
}
ENGLISH = [
    ("The blue mug holds 300 ml.", "A blue mug, made of clay; it holds 300 ml"),
    ("red lamp", "lamp red"),
    ("nothing alike", "wholly different words"),
    ("It's a mid-size, half_open box (2x)", "a mid size half open box 2x"),
]


def answered(prediction: str, reference: str, **more: object) -> Answered:
    return Answered(id="1", prediction=prediction, reference=reference, **more)  # type: ignore[arg-type]


def score(name: str, prediction: str, reference: str, **more: object) -> dict[str, float]:
    return dict(find([name])[0].score(answered(prediction, reference, **more)))


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize(("name", "best"), [("rouge_l", 1.0), ("exact_match", 1.0), ("chrf", 100.0)])
def test_identical_texts_get_the_best_score_in_every_script(name: str, best: float, text: str) -> None:
    assert score(name, text, text)[name] == pytest.approx(best)


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_a_text_of_another_script_gets_no_rouge(text: str) -> None:
    assert score("rouge_l", text, "zzz qqq")["rouge_l"] == 0.0


@pytest.mark.parametrize(("prediction", "reference"), ENGLISH)
def test_rouge_l_equals_rouge_score_for_english(prediction: str, reference: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(["rougeL"]).score(reference, prediction)["rougeL"].fmeasure
    assert score("rouge_l", prediction, reference)["rouge_l"] == pytest.approx(theirs)


def test_rouge_l_of_a_hand_worked_example() -> None:
    """Common: police, the, gunman: precision 3/4, recall 3/4 (the example of Lin 2004, section 3.1)."""
    assert score("rouge_l", "police kill the gunman", "police killed the gunman")["rouge_l"] == 0.75


def test_rouge_l_of_a_chinese_example_counts_characters() -> None:
    """Common: 红 色 杯, precision 3/4, recall 3/3."""
    assert score("rouge_l", "红色的杯", "红色杯")["rouge_l"] == pytest.approx(2 * 0.75 * 1 / 1.75)


def test_words_keep_accents_marks_and_digits() -> None:
    assert words("Die Größe: 3,5 L_x") == ["die", "größe", "3", "5", "l", "x"]
    assert words("红色 mug杯2x") == ["红", "色", "mug", "杯", "2x"]
    assert words("नीला मग") == ["नीला", "मग"]
    assert words("Cafe\u0301") == ["café"]
    assert words("... --- !") == []


def test_texts_without_words_match_only_themselves() -> None:
    assert score("rouge_l", "--", "--")["rouge_l"] == 1.0
    assert score("rouge_l", "!!", "--")["rouge_l"] == 0.0
    assert score("rouge_l", "", "a mug")["rouge_l"] == 0.0


def test_chrf_equals_sacrebleu_and_is_a_corpus_score() -> None:
    import sacrebleu

    predictions, references = ["the blue mug", "a"], ["a blue mug", "a very long lamp"]
    metric = find(["chrf"])[0]
    rows = [answered(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)]
    corpus = metric.aggregate(rows)["chrf"]
    assert corpus == pytest.approx(sacrebleu.corpus_chrf(predictions, [references]).score)
    assert corpus != pytest.approx(sum(metric.score(row)["chrf"] for row in rows) / 2, abs=1)


def test_chrf_names_its_signature() -> None:
    signature = find(["chrf"])[0].signature  # type: ignore[attr-defined]
    assert signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_exact_match_is_strict_and_normalised() -> None:
    assert score("exact_match", "Blue Mug\n", "Blue Mug") == {"exact_match": 1.0, "exact_match.normalised": 1.0}
    assert score("exact_match", "blue  MUG", "Blue Mug") == {"exact_match": 0.0, "exact_match.normalised": 1.0}
    assert score("exact_match", "Gro\u0308ße", "GRÖSSE")["exact_match.normalised"] == 1.0
    assert score("exact_match", "blue mug.", "blue mug")["exact_match.normalised"] == 0.0


@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_answer_loss_weights_tokens_not_rows() -> None:
    metric = find(["answer_loss"])[0]
    rows = [answered("", "", nll=9.0, learned_tokens=1), answered("", "", nll=9.0, learned_tokens=9)]
    assert [metric.score(row)["answer_loss"] for row in rows] == [9.0, 1.0]
    assert metric.aggregate(rows) == {"answer_loss": 1.8}
    assert metric.aggregate([answered("", "")]) == {}
    assert not metric.higher_is_better


def test_attribute_recall_finds_whole_words_in_any_case() -> None:
    fields = {"colour": "Red", "brand": "Tavi & Co", "material": "stainless steel", "size": ""}
    found = score("attribute_recall", "A RED jug\nof stainless  steel by tavi & co.", "", fields=fields)
    assert found == {
        "attribute_recall": 1.0,
        "attribute_recall.all": 1.0,
        "attribute_recall.colour": 1.0,
        "attribute_recall.brand": 1.0,
        "attribute_recall.material": 1.0,
    }
    assert score("attribute_recall", "a bored, redder man", "", fields={"colour": "red"})["attribute_recall"] == 0.0


def test_attribute_recall_of_a_part() -> None:
    found = score("attribute_recall", "a red jug", "", fields={"colour": "red", "brand": "Tavi"})
    assert found["attribute_recall"] == 0.5
    assert found["attribute_recall.all"] == 0.0


def test_attribute_recall_reads_scripts_without_blanks() -> None:
    assert score("attribute_recall", "这是红色的杯子", "", fields={"colour": "红色"})["attribute_recall"] == 1.0
    assert score("attribute_recall", "100% Wolle", "", fields={"share": "100%"})["attribute_recall"] == 1.0


def test_attribute_recall_counts_a_field_where_it_has_a_value() -> None:
    metric = find(["attribute_recall"])[0]
    rows = [
        answered("red", "", fields={"colour": "red", "size": "S"}),
        answered("red", "", fields={"colour": "blue", "size": ""}),
        answered("red", "", fields={}),
    ]
    assert metric.aggregate(rows) == {
        "attribute_recall": 0.25,
        "attribute_recall.all": 0.0,
        "attribute_recall.colour": 0.5,
        "attribute_recall.size": 0.0,
    }


def test_every_metric_loads_and_bears_its_name() -> None:
    for name, metric in zip(METRICS, find(list(METRICS)), strict=True):
        assert metric.name == name
        assert metric.aggregate([]) == {}
        assert all(math.isfinite(value) for value in metric.score(answered("", "")).values())


def test_an_unknown_metric_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="there is no metric 'rouge'; did you mean 'rouge_l'"):
        find(["rouge"])
