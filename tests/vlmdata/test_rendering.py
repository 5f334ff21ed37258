"""Rows to prompts: the same as the build made of them, with no answer needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.shop import COLUMNS, Shop, drawn, encoded, product
from tests.vlmdata.test_build import TWO, records
from vlmdata.errors import ConfigError, ContractError
from vlmdata.record import message_rows


def row(number: int, **changes: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, product(number), strict=True)) | changes


def test_a_prompt_is_what_the_record_has_before_its_answer(shop: Shop) -> None:
    shop.write([product(number) for number in range(5)])
    built = shop.build()
    stored = records(built.path)
    for recipe in (shop.recipe(), shop.folder / "dataset"):
        rows = [row(number) for number in range(5)]
        if isinstance(recipe, Path):
            rows = [each | {"images": [shop.folder / "photos" / each["photo"]]} for each in rows]
        prompts = list(vlmdata.render(rows, recipe))
        assert [prompt.id for prompt in prompts] == [record["id"] for record in stored]
        assert [message_rows(prompt.messages) for prompt in prompts] == [record["messages"][:-1] for record in stored]
        assert [prompt.images for prompt in prompts] == [(record["images"][0]["bytes"],) for record in stored]


def test_the_answers_columns_and_the_id_may_be_left_out(shop: Shop) -> None:
    (prompt,) = vlmdata.render([{"title": "Mug", "images": [encoded(drawn(1)), encoded(drawn(2))]}], shop.recipe())
    assert prompt.id == "0"
    assert [part.type for part in prompt.messages[0].content] == ["image", "image", "text"]
    assert prompt.images == (encoded(drawn(1)), encoded(drawn(2)))


def test_one_of_several_conversations_is_chosen_by_its_number(shop: Shop) -> None:
    recipe = shop.recipe(conversations=TWO)
    texts = [next(vlmdata.render([row(1)], recipe, conversation=n)).messages[0].content[-1].text for n in (0, 1)]
    assert texts == ["Beschreibe: Mug 1", "Describe: Mug 1"]
    for number in (-1, 2):
        with pytest.raises(ConfigError, match="makes 2 conversations a row"):
            list(vlmdata.render([row(1)], recipe, conversation=number))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": ...}, "the prompt reads the column 'title'"),
        ({"photo": "../secret.png"}, "leads out of the image root"),
        ({"photo": "nowhere.png"}, "'nowhere.png' does not exist"),
        ({"photo": "https://example.com/a.png"}, "nothing is downloaded"),
        ({"images": ["/nowhere/a.png"]}, "No such file or directory"),
    ],
)
def test_what_a_row_has_not_is_named(shop: Shop, changes: dict[str, Any], words: str) -> None:
    given = {key: value for key, value in row(7, **changes).items() if value is not ...}
    with pytest.raises(ConfigError, match="row 'SKU-007' can't be rendered") as raised:
        list(vlmdata.render([given], shop.recipe()))
    assert words in str(raised.value)


def test_all_that_is_wrong_with_a_row_is_said_at_once(shop: Shop) -> None:
    with pytest.raises(ConfigError) as raised:
        list(vlmdata.render([{"sku": "A", "titel": "x", "photo": "nowhere.png"}], shop.recipe()))
    assert [problem.rule for problem in raised.value.problems] == ["row.column", "images.missing"]
    assert raised.value.problems[0].hint == "did you mean 'titel'?"


def test_a_column_that_is_called_images_is_a_column(shop: Shop) -> None:
    recipe = shop.recipe(images={"root": "photos", "from": "images"})
    for images in ("1.png", ["1.png"], [{"bytes": encoded(drawn(1)), "path": "a.png"}], [shop.folder / "photos/1.png"]):
        (prompt,) = vlmdata.render([{"sku": "A", "title": "x", "images": images}], recipe)
        assert prompt.images == (encoded(drawn(1)),)


def test_a_prompt_has_the_cleaned_texts_and_the_photos_that_are_named_after_the_row(shop: Shop) -> None:
    recipe = shop.recipe(
        clean={"title": ["html_to_text"], "sku": ["whitespace"]},
        images={"root": "photos", "from": [{"glob": "{{ sku }}.*"}, {"folder": "{{ row['no such'] }}"}]},
    )
    (prompt,) = vlmdata.render([{"sku": " 1", "title": "<b>Red</b> mug"}], recipe)
    assert prompt.images == (encoded(drawn(1)),)
    assert prompt.messages[0].content[-1].text == "Describe: Red mug"
    with pytest.raises(ConfigError, match="no name of a file or folder"):
        list(vlmdata.render([{"sku": "..", "title": "x"}], recipe))


def test_a_manifest_without_a_recipe_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"contract": "record.v1"}), encoding="utf-8")
    with pytest.raises(ContractError, match="holds no recipe"):
        list(vlmdata.render([{}], tmp_path))
