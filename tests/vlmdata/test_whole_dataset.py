"""Checks of whole datasets: what they must find, and what they must leave alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmdata.check.balance import chi_square_bound
from vlmdata.check.row_keys import row_keys
from vlmdata.check.whole import dataset_checks
from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.corpus import corpus_schema
from vlmdata.record import Problem

Record = dict[str, Any]
WORDS = ("clay", "oak", "glass", "linen", "brass", "wool", "cork", "slate", "cotton", "steel", "paper")


def record(number: int, **changes: Any) -> Record:
    """One product, like no other; `question`, `answer`, `images`, `group`, `tags` and `fields` may be given."""
    word, other = WORDS[number % 11], WORDS[number // 11 % 11]
    said: dict[str, Any] = {
        "question": f"Describe product {number}.",
        "answer": f"A bowl made of {word} and {other}, number {number} of its series.",
        "images": (f"photo {number}",),
        "group": f"P-{number}",
        "tags": {},
        "fields": {},
    } | changes
    shas = [hashlib.sha256(name.encode()).hexdigest() for name in said["images"]]
    images = [{"type": "image", "text": None} for _ in shas]
    return {
        "id": f"P-{number}",
        "messages": [
            {"role": "user", "content": [*images, {"type": "text", "text": said["question"]}]},
            {"role": "assistant", "content": [{"type": "text", "text": said["answer"]}]},
        ],
        "image_info": [
            {"sha256": sha, "width": 400, "height": 300, "format": "JPEG", "dhash": "00ff00ff00ff00ff"} for sha in shas
        ],
        "origin": {"source": "products.csv", "row": number + 1, "line": number + 2},
        "group": said["group"],
        "tags": [{"name": name, "value": value} for name, value in said["tags"].items()],
        "fields": [{"name": name, "value": value} for name, value in said["fields"].items()],
        "provenance": None,
    }


def batch(records: Sequence[Record]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(records), schema=corpus_schema())


def findings(
    splits: Mapping[str, Sequence[Record]] | Sequence[Record],
    checks: CheckSettings = DEFAULT,
    rows_a_batch: int = 64,
) -> list[Problem]:
    by_split = splits if isinstance(splits, Mapping) else {"train": splits}
    made = dataset_checks(checks, tuple(by_split))
    for split, records in by_split.items():
        for start in range(0, len(records), rows_a_batch):
            shown = batch(records[start : start + rows_a_batch])
            for check in made:
                check.see(split, shown)
    return [problem for check in made for problem in check.findings()]


def rules(problems: Iterable[Problem]) -> set[str]:
    return {problem.rule for problem in problems}


def products(count: int = 300, **changes: Callable[[int], Any]) -> list[Record]:
    return [record(number, **{name: make(number) for name, make in changes.items()}) for number in range(count)]


def question(number: int, letter: str, options: int = 4) -> Record:
    fields = {f"option.{chr(65 + place)}": f"choice {place}" for place in range(options)} | {"answer": letter}
    return record(number, question=f"Which one is it, {number}?", answer=letter, fields=fields)


def test_a_clean_catalog_has_no_findings() -> None:
    assert findings(products()) == []


def test_a_catalog_in_two_languages_has_no_findings() -> None:
    rows = [
        record(
            2 * number + place,
            question=f"{ask} {number}",
            answer=f"{said} {number}",
            images=(f"{number}",),
            group=f"G{number}",
        )
        for number in range(150)
        for place, (ask, said) in enumerate((("Describe", "A fine bowl of clay"), ("Beschreibe", "Eine feine Schale")))
    ]
    assert findings(rows) == []


def test_a_visual_question_set_asks_much_about_each_picture() -> None:
    rows = [
        record(
            number,
            question=f"Is thing {number % 30} there?",
            answer=("yes", "no")[number * 7 % 5 % 2],
            images=(f"{number // 30}",),
        )
        for number in range(900)
    ]
    assert findings(rows) == []


def test_variants_of_one_product_share_a_photo_and_a_text() -> None:
    rows = products(
        300,
        images=lambda n: (f"{n // 12}",),
        group=lambda n: f"G{n // 12}",
        answer=lambda n: f"A shirt of {n // 12} threads",
    )
    assert "dataset.one_answer" not in rules(findings(rows))
    assert not rules(findings(rows)) & {"dataset.shared_image", "dataset.reused_image"}


def test_class_labels_are_no_findings() -> None:
    templated = products(question=lambda _: "What is it?", answer=lambda n: f"This is a bowl of {WORDS[n * n % 11]}.")
    assert findings(templated) == []
    assert findings(products(question=lambda _: "What is it?", answer=lambda n: WORDS[n % 11])) == []


def test_of_two_letters_as_far_off_the_same_is_named_however_rows_are_batched() -> None:
    rows = [question(number, letter, 3) for number, letter in enumerate("A" * 180 + "B" * 60 + "C" * 120)]
    found = [findings(rows, rows_a_batch=size) for size in range(1, 100, 7)]
    assert {problem.id for problems in found for problem in problems} == {"P-0"}


def test_balanced_letters_are_no_finding() -> None:
    random = np.random.default_rng(1)
    assert findings([question(n, "ABCD"[random.integers(4)]) for n in range(400)]) == []
    mixed = [question(n, "ABCD"[random.integers(k)], k) for n in range(400) for k in (2 + n % 3,)]
    assert findings(mixed) == []


def test_a_few_rows_are_not_judged_by_their_numbers() -> None:
    assert findings([question(number, "A") for number in range(20)]) == []
    assert findings(products(20, question=lambda _: "What?", answer=lambda _: "mug")) == []
    assert findings({"train": products(9), "test": [record(20)]}) == []


def test_an_image_twice_in_a_row_is_told_with_its_place() -> None:
    rows = products(100)
    rows[70] = record(70, images=("a", "b", "c", "b"))
    (problem,) = findings(rows)
    assert (problem.rule, problem.id, problem.line, problem.field) == ("images.repeated", "P-70", 72, "images[3]")
    assert problem.severity == "warning"


def test_a_placeholder_is_told_once_with_examples() -> None:
    rows = products()
    for number in range(40, 60):
        rows[number] = record(number, images=("coming soon",))
    (problem,) = findings(rows)
    assert problem.rule == "dataset.shared_image"
    assert problem.message == (
        "one image stands in 20 rows of 20 groups: 'P-40' (products.csv:42), 'P-41' (products.csv:43), "
        "'P-42' (products.csv:44) …"
    )
    assert (problem.source, problem.line, problem.id) == ("products.csv", 42, "P-40")


def test_a_placeholder_on_most_rows_is_still_one() -> None:
    rows = products(images=lambda n: ("coming soon",) if n % 5 else (f"{n}",))
    assert rules(findings(rows)) == {"dataset.shared_image"}


def test_a_placeholder_beside_real_photos_is_found() -> None:
    rows = products(images=lambda n: (f"{n}", "logo") if n % 9 == 0 else (f"{n}",))
    assert rules(findings(rows)) == {"dataset.shared_image"}


def test_another_products_photo_is_found() -> None:
    rows = products()
    rows[90] = record(90, images=("photo 12",))
    (problem,) = findings(rows)
    assert (problem.rule, problem.id) == ("dataset.reused_image", "P-90")
    assert problem.message == "an image is also that of 'P-12' (products.csv:14), whose answer is another"


def test_rows_that_are_there_twice_are_duplicates() -> None:
    rows = products(100)
    rows += [{**rows[3], "id": "again"}, {**rows[3], "id": "and again"}, {**rows[5], "id": "too"}]
    found = [problem for problem in findings(rows) if problem.rule == "dataset.duplicate"]
    assert [problem.id for problem in found] == ["again", "too", "and again"]
    assert found[0].message == found[2].message == "text and images equal those of 'P-3' (products.csv:5)"


def test_a_large_set_of_equal_rows_hides_no_small_one() -> None:
    rows = products(20)
    rows += [{**rows[3], "id": f"again {number:05}"} for number in range(10_000)] + [{**rows[5], "id": "too"}]
    found = [problem for problem in findings(rows, rows_a_batch=4_096) if problem.rule == "dataset.duplicate"]
    assert len(found) == 10_001
    assert [problem.id for problem in found[:3]] == ["again 00000", "too", "again 00001"]


def test_each_row_that_is_answered_otherwise_than_the_first_is_a_conflict() -> None:
    rows = products(100)
    for number, answer in ((100, "blue"), (101, "blue"), (102, "a bowl"), (103, rows[7])):
        said = answer if isinstance(answer, str) else answer["messages"][1]["content"][0]["text"]
        rows.append(record(number, question="Describe product 7.", images=("photo 7",), group="P-7", answer=said))
    found = [problem for problem in findings(rows) if problem.rule == "dataset.conflict"]
    assert [problem.id for problem in found] == ["P-100", "P-101", "P-102"]
    assert {problem.message for problem in found} == {
        "'P-7' (products.csv:9) asks the same about the same images and is answered otherwise (5 such rows, 3 answers)"
    }


def test_each_product_that_has_anothers_photo_is_told() -> None:
    rows = products()
    for number in (90, 91):
        rows[number] = record(number, images=("photo 12",))
    found = [problem for problem in findings(rows) if problem.rule == "dataset.reused_image"]
    assert [problem.id for problem in found] == ["P-90", "P-91"]
    assert found[1].message == "an image is also that of 'P-12' (products.csv:14), whose answer is another"


def test_every_finding_of_a_rule_is_told() -> None:
    rows = products(100)
    rows += [{**row, "id": f"again {number}"} for number, row in enumerate(rows[:47])]
    found = [problem for problem in findings(rows) if problem.rule == "dataset.duplicate"]
    assert len(found) == 47


def test_one_question_with_two_answers_is_a_conflict() -> None:
    rows = products(100)
    rows.append({**record(100, question="Describe product 7.", images=("photo 7",), group="P-7"), "id": "other"})
    (problem,) = findings(rows)
    assert (problem.rule, problem.id) == ("dataset.conflict", "other")
    assert problem.message.startswith("'P-7' (products.csv:9) asks the same about the same images")


def test_questions_without_images_may_have_several_answers() -> None:
    assert findings(products(60, question=lambda _: "Tell me a joke.", images=lambda _: ())) == []


def test_a_filled_in_answer_is_found_and_shown() -> None:
    rows = products()
    for number in range(100, 112):
        rows[number] = record(number, answer="No description available.")
    (problem,) = findings(rows)
    assert (problem.rule, problem.id) == ("dataset.one_answer", "P-100")
    assert problem.message == "12 rows with different images have one answer, 'No description available.'"


def test_a_long_filled_in_answer_is_found_and_cut() -> None:
    rows = products(answer=lambda n: f"{n} " + "words " * 30 if n % 20 else "This product has no text yet. " * 5)
    (problem,) = findings(rows)
    assert problem.message.startswith("15 rows with different images have one answer, 'This product has no text yet.")
    assert problem.message.endswith(" …'")


@pytest.mark.parametrize("letter", "ABCD")
def test_a_letter_that_is_nearly_always_right_is_found(letter: str) -> None:
    rows = [question(number, letter if number % 3 else "ABCD"[number % 4]) for number in range(200)]
    (problem,) = findings(rows)
    assert problem.rule == "dataset.letter_balance"
    assert f"{letter} " in problem.message
    assert "(by chance 50)" in problem.message


def test_a_label_that_is_nearly_always_right_is_found() -> None:
    rows = products(question=lambda n: f"What is it, {n}?", answer=lambda n: "mug" if n % 10 else "bowl")
    (problem,) = findings(rows)
    assert problem.message == "270 of 300 answers are 'mug' (90%); 1 other has the rest"
    assert (problem.rule, problem.id) == ("dataset.label_balance", "P-1")


def test_a_kind_that_a_split_lacks_is_found() -> None:
    rows = products(400, tags=lambda n: {"category": "lamp" if n % 4 == 0 else "mug", "sku": str(n)})
    lamps = [row for row in rows if row["tags"][0]["value"] == "lamp"]
    mugs = [row for row in rows if row["tags"][0]["value"] == "mug"]
    (problem,) = findings({"train": [*mugs[:260], *lamps], "test": mugs[260:]})
    assert problem.rule == "dataset.tag_coverage"
    assert problem.message == (
        "category 'lamp' stands in 100 rows of 'train' and in none of 'test', where 10 were to be expected"
    )
    words = [problem.message for problem in findings({"train": mugs, "test": lamps[:90]})]
    assert any("'lamp' stands in 90 rows of 'test' and in none of 'train'" in said for said in words)


def test_a_rare_kind_may_be_missing_from_a_small_split() -> None:
    rows = products(400, tags=lambda n: {"category": "lamp" if n == 3 else "mug"})
    assert findings({"train": rows[:360], "test": rows[360:]}) == []


def test_empty_and_tiny_splits_are_found() -> None:
    rows = products(300)
    found = findings({"train": rows[:297], "validation": [], "test": rows[297:]})
    assert [(problem.rule, problem.severity) for problem in found] == [
        ("split.empty", "warning"),
        ("dataset.small_split", "warning"),
    ]
    assert found[0].message == "the split 'validation' is empty"
    assert found[1].message == "the split 'test' has 3 of 300 rows, at least 10 were expected"


def test_settings_choose_rules_severities_and_thresholds() -> None:
    rows = products()
    for number in range(40, 60):
        rows[number] = record(number, images=("coming soon",))
    ignored = CheckSettings(ignore=("dataset",))
    assert dataset_checks(CheckSettings(select=("split.empty",)))[0].__class__.__name__ == "SplitSizes"
    assert findings(rows, ignored) == []
    strict = CheckSettings(severities={"dataset.shared_image": "error"})
    assert [problem.severity for problem in findings(rows, strict)] == ["error"]
    loose = CheckSettings(thresholds={"dataset.shared_image": {"groups": 50}})
    assert rules(findings(rows, loose)) == {"dataset.reused_image"}


def test_broken_rows_are_left_to_the_contract() -> None:
    broken = dict.fromkeys(corpus_schema().names)
    odd = {
        **broken,
        "id": "x",
        "messages": [None, {"role": None, "content": None}],
        "image_info": [None, {"sha256": "ab"}],
    }
    assert rules(findings([broken, odd, record(1), broken, {**record(2), "messages": []}])) <= {
        "dataset.duplicate",
        "images.repeated",
    }
    assert findings([]) == []


LONG = "A bowl of clay that was fired twice, so that it keeps its colour, and may go into the oven; number {}"


def test_an_answer_that_was_cut_is_found_where_the_others_end() -> None:
    rows = [record(number, answer=LONG.format(number) + " of its series.") for number in range(40)]
    rows[7] = record(7, answer=LONG.format(7) + " of its ser")
    rows[9] = record(9, answer=LONG.format(9) + " of its 12 ")
    said = [problem for problem in findings(rows) if problem.rule == "dataset.unfinished_answer"]
    assert [(problem.id, problem.line) for problem in said] == [("P-7", 9), ("P-9", 11)]
    assert "'...ven; number 7 of its ser'" in said[0].message


@pytest.mark.parametrize("end", [".", "!", '."', ".)", "…", "。", " ✨", ".  ", "*", "</p>"])
def test_answers_that_end_well_are_left_alone(end: str) -> None:
    rows = [record(number, answer=LONG.format(number) + end) for number in range(40)]
    assert "dataset.unfinished_answer" not in rules(findings(rows))


@pytest.mark.parametrize(
    "end",
    [
        *(
            ":\n- colour: blue\n- made in a small workshop",
            ".\nAnswer: B",
            ".\n\nKind regards\nYour shop",
            ": 3 + 4 = 7",
        ),
        *(". Dimensions: 10 x 12 cm", "; see https://example.org/mug", ". #mug #kitchen", ": Size = 12 cm"),
        *(" เหมาะสำหรับกาแฟร้อน และชา ใช้ได้ทุกวัน", " 電子レンジでも 使えます", " ໃຊ້ໄດ້ ທຸກ ມື້"),
    ],
)
def test_an_answer_whose_last_words_are_no_sentence_is_left_alone(end: str) -> None:
    rows = [record(number, answer=LONG.format(number) + ".") for number in range(40)]
    rows[7] = record(7, answer=LONG.format(7) + end)
    assert "dataset.unfinished_answer" not in rules(findings(rows))


ARABIC = "وعاء من الطين تم حرقه مرتين لكي يحتفظ بلونه ويمكن وضعه في الفرن وغسله في غسالة الصحون رقم {}"


def test_answers_in_scripts_that_leave_the_stop_out_are_left_alone_among_others() -> None:
    rows = [record(number, answer=LONG.format(number) + " of its series.") for number in range(400)]
    rows += [record(number, answer=ARABIC.format(number)) for number in range(400, 425)]
    assert "dataset.unfinished_answer" not in rules(findings(rows))


def test_an_answer_in_another_script_that_was_cut_is_found_among_its_own() -> None:
    rows = [record(number, answer=ARABIC.format(number) + ".") for number in range(40)]
    rows[7] = record(7, answer=ARABIC.format(7))
    said = [problem.id for problem in findings(rows) if problem.rule == "dataset.unfinished_answer"]
    assert said == ["P-7"]


def test_answers_of_a_style_without_full_stops_and_short_ones_are_left_alone() -> None:
    rows = [record(number, answer=LONG.format(number) + (" cm" if number % 5 else ".")) for number in range(40)]
    assert "dataset.unfinished_answer" not in rules(findings(rows))
    rows = [record(number, answer=LONG.format(number) + ".") for number in range(40)] + [
        record(50, answer="A blue bowl")
    ]
    assert "dataset.unfinished_answer" not in rules(findings(rows))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}), min_size=1, max_size=3)
TURNS = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": PARTS}), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TURNS, st.lists(st.sampled_from("abc"), max_size=3)), min_size=1, max_size=8), st.data())
def test_keys_are_equal_where_texts_and_images_are(
    rows: list[tuple[list[Any], list[str]]], data: st.DataObject
) -> None:
    made = [{**record(number, images=tuple(images)), "messages": turns} for number, (turns, images) in enumerate(rows)]
    whole = batch(made)
    start = data.draw(st.integers(0, len(made) - 1))
    keys, part = row_keys(whole), row_keys(whole.slice(start))
    for name in ("questions", "answers", "image_sets", "groups"):
        assert (getattr(keys, name)[start:] == getattr(part, name)).all()
    texts = [[[part["text"] for part in turn["content"]] for turn in turns] for turns, _ in rows]
    asked = [[text for turn in turns[:-1] for text in turn] for turns in texts]
    for name, values in (
        ("questions", asked),
        ("answers", [turns[-1] for turns in texts]),
        ("image_sets", [images for _, images in rows]),
    ):
        found = getattr(keys, name).tolist()
        assert all(
            (found[one] == found[other]) == (values[one] == values[other])
            for one in range(len(rows))
            for other in range(len(rows))
        )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40))
def test_findings_do_not_depend_on_the_size_of_batches(rows_a_batch: int) -> None:
    rows = products(80, tags=lambda n: {"kind": "ab"[n % 2]})
    rows += [{**rows[5], "id": "again"}, record(90, images=("photo 3", "photo 3"))]
    assert findings(rows, rows_a_batch=rows_a_batch) == findings(rows, rows_a_batch=1_000)


@pytest.mark.parametrize(("freedom", "bound"), [(1, 10.83), (3, 16.27), (9, 27.88), (25, 52.62)])
def test_the_bound_of_chi_square_is_that_of_the_tables(freedom: int, bound: float) -> None:
    assert chi_square_bound(freedom) == pytest.approx(bound, rel=0.04)
