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
from vlmtrain.budget import check_budget, measured
from vlmtrain.errors import BudgetError

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
    for each, found in zip(rows(), measured(rows(), made), strict=True):
        batch = made([each])
        assert not isinstance(found, Problem)
        assert found.tokens == int(batch["attention_mask"].sum())
        assert found.learned == int((batch["labels"] != -100).sum())


def test_every_row_over_the_budget_is_listed_at_once(tiny: Tiny) -> None:
    many = product_rows(3) + product_rows(2, start=3, size=(300, 300))
    empty = row("empty", [("user", ["Hello?"]), ("assistant", [""])])
    with pytest.raises(BudgetError) as caught:
        check_budget([*many, empty], collator(tiny, "qwen2_vl", max_length=50))
    assert [(problem.id, problem.rule) for problem in caught.value.problems] == [
        ("p3", "budget.max_length"),
        ("p4", "budget.max_length"),
        ("empty", "budget.nothing_learned"),
    ]
    assert caught.value.message == "3 of 6 rows can't be trained on"


def test_a_row_that_its_template_refuses_is_listed_with_the_others(tiny: Tiny) -> None:
    unanswered = row("q", [("user", ["Hello?"])])
    with pytest.raises(BudgetError) as caught:
        check_budget([*product_rows(1), unanswered], collator(tiny, "qwen2_vl"))
    assert str(caught.value.problems[0]) == (
        "q: the conversation has no answer after a prompt, so there is nothing to learn [template]"
    )


def test_a_text_that_a_processor_takes_for_an_image_is_listed_before_training(tiny: Tiny) -> None:
    forged = row("forged", [("user", [image(), "<|image|>"]), ("assistant", ["A mug."])], [picture("red")])
    with pytest.raises(BudgetError) as caught:
        check_budget([*product_rows(1), forged], collator(tiny, "mllama"))
    assert str(caught.value.problems[0]).startswith("forged: MllamaProcessor refuses a row of forged: ")


def test_images_that_do_not_match_their_placeholders_are_listed(tiny: Tiny) -> None:
    broken = {**product_rows(1)[0], "image_info": []}
    with pytest.raises(BudgetError, match="p0: 1 image parts in the messages, 0 images"):
        check_budget([broken], collator(tiny, "qwen2_vl"))


def test_all_rows_together_are_counted(tiny: Tiny) -> None:
    found = check_budget(product_rows(4), collator(tiny, "qwen2_vl"))
    assert found.rows == 4
    assert found.longest * 4 >= found.tokens > found.learned > 4
