"""report.html of an evaluation: what stands on it, that data stays text, and that it stays small."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vlmdata.shop import drawn, encoded
from tests.vlmtrain.answered import a_row, candidate, helped, references, result, rows_of
from vlmdata.page import text
from vlmtrain.comparing import Estimate
from vlmtrain.evaluation import EvalResult
from vlmtrain.intervals import Interval
from vlmtrain.page.choosing import MOST_ROWS, chosen_rows
from vlmtrain.page.differences import marked, pieces
from vlmtrain.page.lanes import Dot, Scale, lane, scale_of
from vlmtrain.page_evaluation import evaluation_page

HOSTILE = '<script>alert(1)</script></style><img src=x onerror="alert(2)">\u202e'
TRAINING = {
    "training": {
        "steps": 176,
        "rows_seen": 1408,
        "tokens_seen": 158672,
        "tokens_learned": 52952,
        "seconds": 70.9,
        "best_step": 80,
        "history": [
            {"step": 40, "loss": 2.9},
            {"step": 80, "loss": 0.14, "validation_loss": 0.2},
            {"step": 120, "loss": 0.05, "validation_loss": 0.3},
        ],
    }
}
PREFLIGHT = {
    "passed": True,
    "problems": [],
    "splits": {
        "train": {"rows": 90, "used": 88, "images": 120, "tokens": {"p50": 97, "longest": 1203}, "left_out": [{}, {}]}
    },
}


def photos(name: str) -> Sequence[bytes]:
    return [encoded(drawn(len(name), (60, 40)))]


def page(found: EvalResult, **more: Any) -> str:
    return evaluation_page(found, photos=more.pop("photos", photos), **more)


def read(html: str) -> str:
    """What a person reads: no tags, single blanks."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture(scope="module")
def good() -> EvalResult:
    return helped()


def test_the_top_of_the_page_answers_the_three_questions(good: EvalResult) -> None:
    said = read(page(good))
    top = said[: said.index("Lines and small figures")]
    for words in ("Did the adapter help? Yes", "Where? Better in colour and brand", "Does it read the photos? Yes"):
        assert words in top
    assert "The adapter against the base" in top


def test_every_section_stands_on_the_page_and_in_its_links(good: EvalResult) -> None:
    html = page(good, training=TRAINING, preflight=PREFLIGHT)
    sections = re.findall(r'<section id="(\w+)"', html)
    assert sections == ["scores", "changed", "slices", "controls", "training", "rows", "method"]
    assert re.findall(r'<a href="#(\w+)">', html) == sections


def test_rows_fixed_and_broken_are_counted_and_tested(good: EvalResult) -> None:
    said = read(page(good))
    assert "36 rows fixed, 0 broken; 0 right and 4 wrong as before" in said
    assert "36 fixed and 0 broken. By McNemar's test, p < 0.001. The words of 40 of 40 answers changed." in said


def test_no_difference_is_said_in_those_words() -> None:
    rows = rows_of(30)
    same = [candidate(name, rows, ["A mug."] * 30) for name in ("base", "adapter")]
    said = read(page(result(rows, same)))
    assert "Did the adapter help? No difference shown" in said
    assert "Does it read the photos? Not asked" in said
    assert "No row's score moved." in said


def test_hostile_data_stays_text_everywhere() -> None:
    rows = [a_row(place, brand=HOSTILE, prompt=HOSTILE) for place in range(12)]
    for row in rows:
        row["id"] += HOSTILE
        row["tags"] = [{"name": HOSTILE, "value": f"{HOSTILE}{int(row['image_info'][0]['sha256']) % 2}"}]
    said: list[str | None] = [HOSTILE] * 11
    two = (candidate("base", rows, references(rows)), candidate(HOSTILE, rows, [*said, None]))
    html = page(result(rows, two))
    assert html.count("<script>") == html.count("</script>") == 1
    assert html.count("</style>") == 1
    assert 'onerror="' not in html
    assert "\u202e" not in html
    assert "[U+202E]" in html


@pytest.mark.long
def test_the_page_stays_small_whatever_the_rows_hold() -> None:
    rows = [a_row(place, prompt="long " * 20_000, reference="word " * 20_000) for place in range(60)]
    two = [candidate(name, rows, ["other " * 20_000] * 60, metrics=["exact_match"]) for name in ("base", "adapter")]
    html = page(result(rows, two), photos=lambda _: [encoded(drawn(1, (900, 700)))] * 30)
    assert len(html.encode()) < 1_500_000
    assert "more characters" in html
    assert html.count('<img class="picture"') <= 120


def test_the_page_is_the_same_each_time(good: EvalResult) -> None:
    assert page(good) == page(good)


def test_one_candidate_alone_has_a_page_without_changes() -> None:
    rows = rows_of(30)
    html = page(result(rows, (candidate("base", rows, references(rows)),)))
    assert "How good is the base? 100%" in read(html)
    assert 'id="changed"' not in html
    assert 'id="rows"' in html


def test_rows_without_fields_tags_or_photos_have_a_page() -> None:
    rows = [{**row, "fields": [], "tags": [], "images": []} for row in rows_of(30)]
    for row in rows:
        row["messages"][0]["content"] = row["messages"][0]["content"][1:]
    two = (candidate("base", rows, ["No."] * 30), candidate("adapter", rows, references(rows)))
    html = page(result(rows, two), photos=lambda _: pytest.fail("asked for photos that are not there"))
    assert "Does it read the photos? There are none" in read(html)
    assert 'class="picture' not in html


def test_a_score_that_is_no_number_is_called_so(good: EvalResult) -> None:
    adapter = good.candidates["adapter"]
    endless = Estimate(value=float("inf"), interval=Interval(low=1.0, high=float("inf")), rows=40, groups=40)
    diverged = dataclasses.replace(adapter, estimates={**adapter.estimates, "answer_loss": endless})
    said = read(page(dataclasses.replace(good, candidates={**good.candidates, "adapter": diverged})))
    assert "no number" in said
    assert "nan" not in said.lower().split()
    assert "inf" not in said.lower().split()


def test_rows_that_a_candidate_could_not_take_are_named_with_the_score_without_them() -> None:
    rows = rows_of(20)
    told: list[str | None] = [*references(rows)[:15], *[None] * 5]
    html = page(result(rows, (candidate("base", rows, references(rows)), candidate("adapter", rows, told))))
    said = read(html)
    assert (
        "The adapter could not take 5 of 20 rows, and each counts as wrong. Without them: same as the reference 100%"
        in said
    )
    assert "could not take this row: too long for its context" in said


def test_a_photo_that_can_not_be_read_leaves_a_reason_in_its_place(good: EvalResult) -> None:
    html = page(good, photos=lambda _: [b"no picture"])
    assert '<img class="picture"' not in html
    assert html.count('<span class="picture none">') > 10


def test_answers_in_every_script_are_marked_where_they_differ() -> None:
    gone = '<del title="in the reference, not in the answer">青</del>'
    assert marked("赤い陶器の湯呑み", "青い陶器の湯呑み") == (
        f'{gone} <ins title="not in the reference">赤</ins>い陶器の湯呑み'
    )
    assert ">كوب<" in marked("كوب أحمر كبير جدا", "إبريق أحمر كبير جدا")
    assert marked("A red mug", "A red mug") == "A red mug"
    assert marked("orange lamp striped", "an orange striped thing on a shelf, nothing more to say of it") == (
        'orange <ins title="not in the reference">lamp</ins> striped'
    )


@given(st.text(max_size=60), st.text(max_size=60))
def test_marks_lose_nothing_of_the_answer(answer: str, reference: str) -> None:
    assert "".join(pieces(answer)) == answer
    left = re.sub(r"<del [^>]*>.*?</del> ", "", marked(answer, reference), flags=re.DOTALL)
    assert re.sub(r"</?ins[^>]*>", "", left) == "".join(map(text, answer))


def test_rows_are_chosen_from_every_kind_and_never_more_than_the_page_holds() -> None:
    rows = rows_of(300)
    told = references(rows)
    base = [text if place % 3 == 0 else "A mug." for place, text in enumerate(told)]
    tuned = [text if place % 3 != 0 or place > 200 else "A cup." for place, text in enumerate(told)]
    chosen = chosen_rows(result(rows, (candidate("base", rows, base), candidate("adapter", rows, tuned))))
    became = [row.became for row in chosen]
    assert set(became) == {"broken", "fixed", "same answer"}
    assert len(chosen) <= MOST_ROWS
    assert len({row.place for row in chosen}) == len(chosen)
    assert {"worst: chrF", "worst: same as the reference"} <= {why for row in chosen for why in row.reasons}
    fixed = [row.place for row in chosen if row.became == "fixed"]
    assert min(fixed) < 20
    assert max(fixed) > 280


def test_several_candidates_are_each_told_against_the_first() -> None:
    rows = rows_of(40)
    told = references(rows)
    said = {"base": ["A mug."] * 40, "adapter": told, "theirs": ["A mug."] * 40, "half": [*told[:20], *["A mug."] * 20]}
    html = page(result(rows, [candidate(name, rows, texts) for name, texts in said.items()]))
    (each,) = re.findall(r"Each against the base</h3>(.*?)</table>", html, flags=re.DOTALL)
    assert [line.split()[0] for line in re.findall(r'<th scope="row"><span dir="auto">(.*?)</span>', each)] == [
        "adapter",
        "theirs",
        "half",
    ]
    assert re.findall(r'class="badge (\w+)"', each) == ["better", "no", "better"]
    assert "Each against" not in page(helped(8, right=8))


def test_a_dot_never_leaves_its_lane() -> None:
    scale = Scale(low=0.0, high=1.0)
    assert [scale.place(value) for value in (-9.0, 0.0, 0.5, 1.0, 9.0)] == [2.5, 2.5, 50.0, 97.5, 97.5]
    dots = [Dot(value=value, interval=None, kind="k0", said="") for value in (3.0, float("nan"), -2.0)]
    assert (scale_of("chrf", dots).low, scale_of("chrf", dots, 5.0).high) == (-2.0, 5.0)
    assert lane(dots, scale_of("chrf", dots)).count("<circle") == 2
    assert Scale(low=1.0, high=1.0).place(1.0) == 50.0


def test_the_training_is_told_in_short() -> None:
    html = page(helped(8, right=8), training=TRAINING, preflight=PREFLIGHT)
    said = read(html)
    assert "Training loss from 2.90 at step 40 to 0.050 at step 120" in said
    assert "the best step, 80, was kept" in said
    assert "1 min 11 s" in said
    assert "Preflight passed, with 0 problems." in said
    assert html.count("<polyline") == 2


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"training": None},
        {"training": {"history": "none", "seconds": "long", "steps": None, "best_step": "two"}},
        {"training": {"history": [3, {"step": 1}, {"step": "x", "loss": 1}, {"step": 2, "loss": float("nan")}]}},
        {"training": {"history": [{"step": 1, "loss": 0.0}, {"step": 1, "loss": 0.0}]}},
    ],
)
def test_a_training_file_with_odd_things_in_it_breaks_nothing(good: EvalResult, odd: dict[str, Any]) -> None:
    html = page(good, training=odd, preflight={"splits": {HOSTILE: None, "b": {"tokens": 3, "left_out": 4}}})
    assert html.count("<script>") == 1


def test_multiple_choice_shows_which_letters_were_given() -> None:
    rows = []
    for place in range(20):
        row = a_row(place, reference="AB"[place % 2])
        row["fields"] = [
            {"name": f"option.{letter}", "value": f"{word} one"}
            for letter, word in zip("AB", ("the", "no"), strict=True)
        ]
        rows.append(row)
    always = ["The answer is (A)"] * 19 + ["I can not say."]
    two = [candidate(name, rows, always, metrics=["multiple_choice"]) for name in ("base", "adapter")]
    html = page(result(rows, two))
    assert 'id="choices"' in html
    assert "right A B unparsed" in read(html) or "right A unparsed" in read(html)


def test_the_files_beside_the_page_are_linked(good: EvalResult) -> None:
    html = page(good)
    assert '<a href="./results.json"' in html
    assert '<a href="./predictions-adapter.swap.jsonl"' in html
