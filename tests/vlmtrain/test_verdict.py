"""What is said of an evaluation: whether it helped, where, and whether the model reads the photos."""

from __future__ import annotations

import dataclasses

import pytest

from tests.vlmtrain.answered import a_control, a_row, candidate, helped, references, result, rows_of
from vlmtrain.comparing import Change
from vlmtrain.errors import ThresholdError
from vlmtrain.evaluation import Alone
from vlmtrain.findings import findings, warnings
from vlmtrain.intervals import Interval
from vlmtrain.score_words import around, chance_words, difference, figure, most_wrong, score_words
from vlmtrain.thresholds import require
from vlmtrain.verdict import headline, holding, main_comparison
from vlmtrain.verdict_images import control_finding


def words(found: object) -> tuple[str, ...]:
    return tuple(each.answer for each in findings(found))  # type: ignore[arg-type]


def test_an_adapter_that_helped_is_told_with_figure_and_interval() -> None:
    did, where, looks = findings(helped())
    assert (did.question, did.answer, did.tone) == ("Did the adapter help?", "Yes: from 0% to 90%", "good")
    assert did.said.startswith("Every field named goes from 0% to 90% (+90 points; 95% interval +7")
    assert where.answer == "Better in colour and brand"
    assert looks.question == "Does it read the photos?"
    assert (looks.answer, looks.tone) == ("Yes", "good")
    assert "colour named falls from 90% to 0%" in looks.said


def test_rows_that_were_trained_on_can_not_tell_whether_that_helped() -> None:
    found = helped()
    trained = {**found.setup["dataset"], "trained_on": 3, "other_than_trained": True}
    told = dataclasses.replace(found, setup={**found.setup, "dataset": trained})
    did, where, _ = findings(told)
    assert (did.answer, did.tone) == ("These rows can't tell", "none")
    assert did.said.startswith("3 of 40 rows were trained on. Every field named goes from 0% to 90%")
    assert where.tone == "none"
    assert warnings(told)[0] == (
        "The dataset is another one than was trained on, and 3 of 40 rows asked were trained on: these are not held "
        "out, and show nothing of how it does on new ones."
    )
    unknown = {**trained, "trained_on": None}
    said = warnings(dataclasses.replace(found, setup={**found.setup, "dataset": unknown}))
    assert said[0].endswith("does not tell which rows those were: some of these may be among them.")
    none = {**trained, "trained_on": 0}
    assert warnings(dataclasses.replace(found, setup={**found.setup, "dataset": none})) == warnings(found)


def test_two_copies_of_one_model_show_no_difference() -> None:
    rows = rows_of(40)
    texts = ["A mug." if place % 3 else text for place, text in enumerate(references(rows))]
    same = result(rows, (candidate("base", rows, texts), candidate("adapter", rows, texts)))
    did, where, _ = findings(same)
    assert (did.answer, did.tone) == ("No difference shown, at 35%; most answers miss a field", "none")
    assert did.said.endswith("none is better and none is worse.")
    assert (where.answer, where.tone) == ("No difference shown", "none")


def test_a_model_that_is_worse_is_called_so() -> None:
    rows = rows_of(40)
    told = references(rows)
    worse = result(rows, (candidate("base", rows, told), candidate("adapter", rows, ["A mug."] * 40)))
    did, where, _ = findings(worse)
    assert (did.answer, did.tone) == ("No, it is worse: from 100% to 0%; most answers miss a field", "bad")
    assert where.answer == "Worse in colour and brand"


def test_what_is_better_in_one_field_and_worse_in_another_is_mixed() -> None:
    rows = rows_of(40)
    colours = [f"A {row['fields'][0]['value']} thing" for row in rows]
    mixed = result(rows, (candidate("base", rows, ["A Tavi thing"] * 40), candidate("adapter", rows, colours)))
    assert findings(mixed)[1].answer == "Better in colour, worse in brand"
    assert findings(mixed)[1].tone == "mixed"


def test_a_model_that_answers_the_same_with_others_photos_is_called_out() -> None:
    looks = findings(helped(looks=0))[-1]
    assert (looks.answer, looks.tone) == ("Not shown", "bad")
    assert looks.said.startswith(
        "With the photos of another row no score falls beyond chance, and not a word of any answer changes: "
    )
    assert looks.said.endswith("the adapter does not show that it reads the images.")


def test_a_fall_that_is_shown_but_small_is_a_little() -> None:
    rows = rows_of(100)
    adapter = candidate("adapter", rows, references(rows))
    looks = findings(result(rows, (adapter,), (a_control(adapter, rows, looks=14),)))[-1]
    assert (looks.answer, looks.tone) == ("A little", "mixed")
    assert "colour named falls from 100% to 86%" in looks.said
    assert looks.said.endswith("the images count for little in what the adapter answers.")


def test_a_model_with_nothing_right_can_not_fall() -> None:
    rows = rows_of(40)
    base = candidate("base", rows, ["No"] * 40, metrics=["exact_match"])
    looks = findings(result(rows, (base,), (a_control(base, rows, looks=40),)))[-1]
    assert (looks.answer, looks.tone) == ("Can't be told", "none")


def test_another_order_of_the_photos_says_nothing_of_whether_they_are_seen() -> None:
    rows = rows_of(40)
    adapter = candidate("adapter", rows, references(rows))
    order = a_control(adapter, rows, looks=0, name="reorder")
    both = result(rows, (adapter,), (order, a_control(adapter, rows, looks=40)))
    assert findings(both)[-1].answer == "Yes"
    assert findings(result(rows, (adapter,), (order,)))[-1].answer == "Not asked"
    found = control_finding(both, order)
    assert found.said.endswith("the adapter does not show that it knows which photo is which.")
    assert found.tone == "none"


def test_a_control_that_tells_is_taken_before_one_that_can_not() -> None:
    rows = rows_of(40)
    adapter = candidate("adapter", rows, references(rows))
    few = a_control(candidate("adapter", rows[:3], references(rows)[:3]), rows[:3], looks=3)
    blank = a_control(adapter, rows, looks=40, name="blank")
    said = findings(result(rows, (adapter,), (few, blank)))[-1].said
    assert said.startswith("With blank photos ")


def test_too_few_rows_are_called_so() -> None:
    few = helped(4, right=4)
    assert words(few) == ("Too few rows to tell", "Can't be told", "Too few rows to tell")


def test_one_candidate_alone_is_told_with_its_interval_and_the_references() -> None:
    rows = rows_of(40)
    (good, _) = findings(result(rows, (candidate("base", rows, references(rows)[:20] + ["A mug."] * 20),)))
    assert (good.question, good.answer) == ("How good is the base?", "50%")
    assert "95% interval" in good.said
    assert good.said.endswith("the references themselves get 100%.")


def test_a_score_that_nobody_has_right_does_not_hide_the_others() -> None:
    rows = [{**row, "fields": []} for row in rows_of(40)]
    near = [f"{text} Yes." for text in references(rows)]
    found = result(rows, (candidate("base", rows, ["No"] * 40), candidate("adapter", rows, near)))
    assert found.correct is not None
    assert found.correct.startswith("exact_match")
    assert headline(found) == "chrf"
    assert findings(found)[0].answer.startswith("Yes: chrF from ")
    assert findings(found)[0].answer.endswith("; no answer is the same as its reference")
    assert findings(found)[0].tone == "good"


def test_answers_that_choose_no_option_are_no_measure_of_how_good_a_model_is() -> None:
    options = [{"name": f"option.{letter}", "value": f"{letter.lower()} mug"} for letter in "AB"]
    rows = [{**a_row(place, reference="A"), "fields": options} for place in range(40)]
    found = result(rows, (candidate("base", rows, ["I see."] * 40, metrics=["multiple_choice"]),))
    assert found.candidates["base"].metrics["multiple_choice.unparsed"] == 1
    assert headline(found) == "multiple_choice"
    assert findings(found)[0].answer.startswith("0%")


def test_an_adapter_that_helped_and_is_poor_is_not_called_good() -> None:
    did = findings(helped(60, right=15))[0]
    assert (did.answer, did.tone) == ("Yes: from 0% to 25%; most answers still miss a field", "mixed")


@pytest.mark.parametrize(
    ("score", "still", "said"),
    [
        ("label", True, "most answers are still wrong"),
        ("exact_match", True, "most answers still differ from it"),
        ("exact_match.normalised", False, "most answers differ from it"),
    ],
)
def test_what_most_answers_do_is_said_as_the_score_has_it(score: str, still: bool, said: str) -> None:
    assert most_wrong(score, still=still) == said


def test_a_control_that_not_every_row_takes_part_in_says_of_which_rows_it_speaks() -> None:
    rows = rows_of(40)
    adapter = candidate("adapter", rows, references(rows))
    control = dataclasses.replace(a_control(adapter, rows, looks=40), left_out=5)
    looks = findings(result(rows, (adapter,), (control,)))[-1]
    assert looks.said.startswith("With the photos of another row (of 40 of 45 rows) colour named falls")


def test_where_nothing_is_shown_fields_and_slices_are_named_as_what_they_are() -> None:
    rows = rows_of(80)
    texts = ["A mug." if place % 3 else text for place, text in enumerate(references(rows))]
    same = result(rows, (candidate("base", rows, texts), candidate("adapter", rows, texts)))
    said = findings(same)[1].said
    assert said.startswith("Looked at were the fields colour and brand, and the slices category ")


def test_the_adapter_is_compared_though_others_came_later() -> None:
    rows = rows_of(40)
    told = references(rows)
    three = [candidate(name, rows, told) for name in ("base", "adapter", "theirs")]
    found = main_comparison(result(rows, three))
    assert found is not None
    assert (found.before, found.after) == ("base", "adapter")


def test_rows_that_failed_and_answers_that_hang_on_the_batch_are_warned_of() -> None:
    rows = rows_of(10)
    told: list[str | None] = [*references(rows)[:8], None, None]
    two = (candidate("base", rows, references(rows)), candidate("adapter", rows, told))
    said = warnings(result(rows, two, alone=[Alone(candidate="adapter", rows=8, different=("p1",))]))
    assert said == [
        "The adapter could not take 2 of 10 rows; each counts as wrong. Without them: every field named 100%.",
        "1 of 8 rows were answered otherwise by the adapter one by one than in a batch.",
    ]


def test_fields_that_the_references_do_not_name_are_warned_of() -> None:
    rows = rows_of(20)
    for row in rows:
        row["fields"].append({"name": "code", "value": f"X-{row['id']}"})
    found = result(rows, (candidate("base", rows, ["No"] * 20), candidate("adapter", rows, references(rows))))
    assert warnings(found) == [
        "The references themselves name code (0%) in few rows or none, and reach 67% by attribute_recall: "
        "answers like them can't reach more."
    ]
    with pytest.raises(ThresholdError) as caught:
        require(found, {"attribute_recall": 0.8, "attribute_recall.brand": 2})
    (recall, brand) = caught.value.problems
    assert recall.message.endswith(
        "at least 0.8 was asked for; the references themselves reach 0.6667, so that no model that answers as they do "
        "can reach it"
    )
    assert "the references themselves reach 1," in brand.message
    with pytest.raises(ThresholdError) as caught:
        require(result(rows, (candidate("base", rows, ["No"] * 20),)), {"attribute_recall": 0.5})
    assert caught.value.problems[0].message.endswith("at least 0.5 was asked for")


@pytest.mark.parametrize(
    ("fields", "metrics", "said"),
    [
        (True, ["exact_match"], "The rows have fields, which no metric here looks at (attribute_recall does), and no "),
        (False, ["exact_match"], "The rows have no fields (a recipe's `fields` keeps some of its columns), and "),
        (True, ["attribute_recall"], "Neither a field nor a slice has enough rows to tell by."),
    ],
)
def test_why_no_place_can_be_told_is_said_as_it_is(fields: bool, metrics: list[str], said: str) -> None:
    rows = [row if fields else {**row, "fields": []} for row in rows_of(4)]
    both = [candidate(name, rows, references(rows), metrics=metrics) for name in ("base", "adapter")]
    where = findings(result(rows, both))[1]
    assert where.answer == "Can't be told"
    assert where.said.startswith(said)


def change(p: float) -> Change:
    sure = Interval(low=0.1, high=0.3)
    return Change(
        before=0.1, after=0.3, delta=0.2, interval=sure, p=p, test="mcnemar", verdict="better", rows=9, groups=9
    )


def test_what_is_shown_in_one_of_many_looks_alone_does_not_hold() -> None:
    many = {f"slice {place}": change(0.04) for place in range(20)}
    assert holding(many) == {}
    assert list(holding({**many, "sure": change(0.001)})) == ["sure"]
    assert list(holding({"one": change(0.04)})) == ["one"]


@pytest.mark.parametrize(
    ("score", "value", "said"),
    [
        ("attribute_recall.all", 0.9996, "100.0%"),
        ("attribute_recall.all", 1.0, "100%"),
        ("exact_match", 0.004, "0.4%"),
        ("chrf", 97.26, "97.3"),
        ("answer_loss", float("inf"), "no number"),
        ("chrf", None, "-"),
    ],
)
def test_figures_say_what_they_are(score: str, value: float | None, said: str) -> None:
    assert figure(score, value) == said


def test_differences_are_points_of_a_share_and_never_a_bare_nothing() -> None:
    assert difference("exact_match", 0.01) == "+1 point"
    assert difference("exact_match", -0.125) == "−12 points"
    assert difference("exact_match", 0.0) == "±0 points"
    assert difference("chrf", 1.5) == "+1.50"
    assert around("exact_match", Interval(low=-0.1, high=0.0), signed=True) == "−10 to 0"
    assert around("exact_match", Interval(low=1.0, high=1.0)) == "the same in every row"
    assert chance_words(0.0004) == "p < 0.001"
    assert score_words("attribute_recall.colour") == "colour named"
    assert score_words("their.metric") == "their.metric"
