"""Lengths are known before training, exactly, and every row that does not fit is named at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vlmtrain.small_data import image, picture, product_rows, row
from tests.vlmtrain.tiny_models import MAKERS
from vlmdata.record import Problem
from vlmtrain import Collator
from vlmtrain.budget import Measure, RowLength, measured
from vlmtrain.pictures import SHRUNK_TO, pictures
from vlmtrain.shrinking import FEWEST_PIXELS
from vlmtrain.survey import Survey, survey

Tiny = Callable[[str], Path]


def collator(tiny: Tiny, family: str, **options: Any) -> Collator:
    from transformers import AutoProcessor

    return Collator(AutoProcessor.from_pretrained(tiny(family)), **options)


def rows() -> list[dict[str, Any]]:
    sizes = [(40, 30), (200, 60), (31, 97), (64, 64), (300, 300)]
    several = [picture("red", size) for size in sizes[:3]]
    turns = [
        ("system", ["You sell mugs."]),
        ("user", [image(), "\nwhat? ", image()]),
        ("assistant", ["A mug."]),
        ("user", ["And", image()]),
        ("assistant", ["A lamp."]),
    ]
    singles = [
        row(f"s{number}", [("user", [image(), "What?"]), ("assistant", ["A red mug."])], [picture("red", size)])
        for number, size in enumerate(sizes)
    ]
    forged = row("forged", [("user", [image(), "<|image_pad|>[IMG]"]), ("assistant", ["A</s>"])], [picture("red")])
    return [row("many", turns, several), *singles, forged]


@pytest.mark.parametrize("family", sorted(MAKERS))
def test_measured_lengths_equal_those_of_the_batch(family: str, tiny: Tiny) -> None:
    made = collator(tiny, family)
    measure = Measure(made)
    for each in rows():
        batch, found = made([each]), measured(each, measure)
        assert not isinstance(found, Problem)
        assert found.tokens == int(batch["attention_mask"].sum())
        assert found.learned == int((batch["labels"] != -100).sum())


def surveyed(many: list[dict[str, Any]], made: Collator, over: Any = "error") -> Survey:
    return survey("train", many, Measure(made), over)


def test_every_row_over_the_budget_is_listed_at_once(tiny: Tiny) -> None:
    many = product_rows(3) + product_rows(2, start=3, size=(300, 300))
    empty = row("empty", [("user", ["Hello?"]), ("assistant", [""])])
    found = surveyed([*many, empty], collator(tiny, "qwen2_vl", max_length=50))
    assert [(problem.id, problem.rule) for problem in found.problems] == [
        ("p3", "budget.max_length"),
        ("p4", "budget.max_length"),
        ("empty", "budget.nothing_learned"),
    ]


def test_a_row_that_its_template_refuses_is_listed_with_the_others(tiny: Tiny) -> None:
    unanswered = row("q", [("user", ["Hello?"])])
    found = surveyed([*product_rows(1), unanswered], collator(tiny, "qwen2_vl"))
    assert str(found.problems[0]) == (
        "q: the conversation has no answer after a prompt, so there is nothing to learn [template]"
    )
    assert found.used() == [0]


def test_a_text_that_a_processor_takes_for_an_image_is_listed_before_training(tiny: Tiny) -> None:
    forged = row("forged", [("user", [image(), "<|image|>"]), ("assistant", ["A mug."])], [picture("red")])
    found = surveyed([*product_rows(1), forged], collator(tiny, "mllama"))
    assert str(found.problems[0]).startswith("forged: MllamaProcessor can't read the control tokens")


def test_images_that_do_not_match_their_placeholders_are_listed(tiny: Tiny) -> None:
    broken = {**product_rows(1)[0], "image_info": []}
    found = surveyed([broken], collator(tiny, "qwen2_vl"))
    assert "p0: 1 image parts in the messages, 0 images" in str(found.problems[0])


def test_an_image_that_the_processor_takes_at_no_size_is_listed(tiny: Tiny) -> None:
    strip = row("strip", [("user", [image(), "What?"]), ("assistant", ["A box."])], [picture("red", (900, 4))])
    found = surveyed([strip], collator(tiny, "qwen2_vl"))
    assert str(found.problems[0]).startswith(
        "strip: Qwen2VLProcessor takes no images of 900 x 4 pixels: absolute aspect"
    )


def test_rows_over_the_budget_are_dropped_where_that_is_asked_for(tiny: Tiny) -> None:
    many = product_rows(2) + product_rows(1, start=2, size=(300, 300)) + product_rows(1, start=3)
    found = surveyed(many, collator(tiny, "qwen2_vl", max_length=52), "drop")
    assert found.problems == []
    assert found.used() == [0, 1, 3]
    assert [(left.id, left.rule) for left in found.left_out] == [("p2", "budget.max_length")]


SHRINKING = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "pixtral", "mistral3"]


@pytest.mark.parametrize("family", SHRINKING)
def test_images_are_shrunk_until_the_row_fits_exactly_as_the_collator_makes_it(family: str, tiny: Tiny) -> None:
    sizes = [(300, 300), (40, 30), (260, 90)]
    turns = [("user", [image(), "What?", image(), image()]), ("assistant", ["A red mug."])]
    wide = row("wide", turns, [picture("red", size) for size in sizes])
    whole = Measure(collator(tiny, family)).row(wide).tokens
    made = collator(tiny, family, max_length=whole - 6)
    found = surveyed([wide, *product_rows(1)], made, "shrink_images")
    (shrunk,) = found.shrunk
    assert (shrunk.tokens_before, found.problems, found.used()) == (whole, [], [0, 1])
    assert shrunk.sizes[1] == (30, 40), "a small image is left as it is"
    taken = {**wide, SHRUNK_TO: [[width, height] for height, width in shrunk.sizes]}
    assert [(shown.height, shown.width) for shown in pictures(taken)] == list(shrunk.sizes)
    batch = made([taken])  # raises where the row is over
    assert int(batch["attention_mask"].sum()) == shrunk.tokens == found.tokens[0]


@pytest.mark.parametrize("family", SHRINKING)
def test_images_are_shrunk_no_more_than_needed(family: str, tiny: Tiny) -> None:
    (wide,) = product_rows(1, size=(300, 300))
    measure = Measure(collator(tiny, family))
    whole = measure.row(wide).tokens
    (shrunk,) = surveyed([wide], collator(tiny, family, max_length=whole - 1), "shrink_images").shrunk
    (height, width), larger = shrunk.sizes[0], 1.02
    assert measure.row(wide, [(int(height * larger) + 1, int(width * larger) + 1)]).tokens > whole - 1


@pytest.mark.parametrize("family", ["gemma3", "mllama", "idefics3", "smolvlm"])
def test_a_row_whose_images_take_the_same_tokens_at_any_size_stays_an_error(family: str, tiny: Tiny) -> None:
    (wide,) = product_rows(1, size=(300, 300))
    bound = Measure(collator(tiny, family)).row(wide).tokens - 1
    found = surveyed([wide], collator(tiny, family, max_length=bound), "shrink_images")
    assert "gives its images as many tokens at any size" in str(found.problems[0])


def test_a_row_of_images_that_the_processor_enlarges_is_told_of_the_floor(tiny: Tiny) -> None:
    (small,) = product_rows(1, size=(40, 30))
    bound = Measure(collator(tiny, "qwen2_vl")).row(small).tokens - 1
    found = surveyed([small], collator(tiny, "qwen2_vl", max_length=bound), "shrink_images")
    assert "no fewer tokens at smaller sizes, since it enlarges those; budget.min_pixels" in str(found.problems[0])


def test_a_text_that_is_too_long_is_never_cut_nor_its_images_shrunk(tiny: Tiny) -> None:
    (wide,) = product_rows(1, size=(300, 300))
    found = surveyed([wide], collator(tiny, "qwen2_vl", max_length=10), "shrink_images")
    assert found.shrunk == []
    assert "its text alone has" in str(found.problems[0])


def test_no_image_is_shrunk_to_nothing(tiny: Tiny) -> None:
    many = row("many", [("user", [image()] * 9), ("assistant", ["A mug."])], [picture("red", (300, 300))] * 9)
    made = collator(tiny, "qwen2_vl", max_length=55)
    found = surveyed([many], made, "shrink_images")
    assert f"nor do they with its images at {FEWEST_PIXELS:,} pixels each" in str(found.problems[0])


def test_all_rows_together_are_counted(tiny: Tiny) -> None:
    found = surveyed(product_rows(4), collator(tiny, "qwen2_vl"))
    assert len(found) == 4
    assert max(found.tokens) * 4 >= sum(found.tokens) > sum(found.learned) > 4


@pytest.mark.parametrize("family", sorted(MAKERS))
@pytest.mark.filterwarnings("ignore:.*channel dimension is ambiguous")
def test_lengths_are_right_for_images_of_any_shape(family: str, tiny: Tiny) -> None:
    exact = collator(tiny, family)
    sizes = [(36, 3), (153, 3), (1, 90), (56, 56), (57, 56), (113, 112), (160, 17), (33, 129)]
    turns = [("user", [image(), "What?"]), ("assistant", ["A box."])]
    rows = [row(str(size), turns, [picture("red", size)]) for size in sizes]
    measure = Measure(exact)
    for each in rows:
        found = measured(each, measure)
        assert isinstance(found, RowLength)
        batch = exact([each])
        assert found.tokens == int(batch["attention_mask"].sum()), each["id"]
        assert found.learned == int((batch["labels"] != -100).sum())
