"""A source's rows as prompts: what a build would have asked, and a rejection where it could not."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.shop import COLUMNS, RECIPE, Shop, csv_text, drawn, encoded, product
from tests.vlmdata.test_build import TWO, records
from vlmdata import Rejection, SourcePrompt
from vlmdata.errors import ConfigError, ContractError, RecipeError, SourceError
from vlmdata.prompting import PromptSource
from vlmdata.record import Skip, message_rows

ASKED = ("sku", "photo", "title")


def asked(shop: Shop, **changes: Any) -> PromptSource:
    return vlmdata.render_source(shop.recipe(**changes))


def kinds(source: PromptSource) -> list[str]:
    return [type(row).__name__ for row in source.rows()]


def only_prompts(source: PromptSource) -> list[SourcePrompt]:
    rows = list(source.rows())
    assert all(isinstance(row, SourcePrompt) for row in rows)
    return [row for row in rows if isinstance(row, SourcePrompt)]


def test_a_row_is_asked_as_the_record_asks_before_its_answer(shop: Shop) -> None:
    shop.write([product(number) for number in range(5)])
    stored = records(shop.build().path)
    prompts = only_prompts(asked(shop))
    assert [prompt.id for prompt in prompts] == [record["id"] for record in stored]
    assert [message_rows(prompt.messages) for prompt in prompts] == [record["messages"][:-1] for record in stored]
    assert [prompt.images for prompt in prompts] == [(record["images"][0]["bytes"],) for record in stored]
    assert [prompt.sizes for prompt in prompts] == [((40, 30),)] * 5
    assert prompts[1].values == dict(zip(COLUMNS, product(1), strict=True))
    assert prompts[1].origin.line == 3


def test_another_input_needs_no_column_of_the_answer(shop: Shop, tmp_path: Path) -> None:
    new = tmp_path / "elsewhere" / "new.csv"
    new.parent.mkdir()
    new.write_text(csv_text([ASKED, product(1)[:3]]), encoding="utf-8")
    shop.write([product(number) for number in range(5)])
    answer = {"fields": ["description"], "tags": ["description"], "group": "description"}
    recipe = shop.recipe(**answer, clean={"description": ["whitespace"], "title": ["whitespace"]})
    (prompt,) = only_prompts(vlmdata.render_source(recipe, input=new))
    assert (prompt.id, prompt.images) == ("SKU-001", (encoded(drawn(1)),))


def test_photos_of_new_rows_may_be_in_another_folder(shop: Shop, tmp_path: Path) -> None:
    new = tmp_path / "elsewhere" / "new.csv"
    new.parent.mkdir()
    new.write_text(csv_text([ASKED, ("A", "new.png", "Mug")]), encoding="utf-8")
    (new.parent / "new.png").write_bytes(encoded(drawn(9)))
    (prompt,) = only_prompts(vlmdata.render_source(shop.recipe(), input=new, image_roots=[new.parent]))
    assert prompt.images == (encoded(drawn(9)),)


def test_a_built_dataset_asks_as_its_recipe_did(shop: Shop) -> None:
    shop.write([product(number) for number in range(5)])
    built = shop.build().path
    new = shop.folder / "new.csv"
    new.write_text(csv_text([ASKED, product(2)[:3]]), encoding="utf-8")
    (prompt,) = only_prompts(vlmdata.render_source(built, input=new))
    assert prompt.images == (encoded(drawn(2)),)
    with pytest.raises(ConfigError, match="name the input"):
        vlmdata.render_source(built)
    (built / "manifest.json").write_text(json.dumps({"contract": "record.v1"}), encoding="utf-8")
    with pytest.raises(ContractError, match="holds no recipe"):
        vlmdata.render_source(built, input=new)


def test_a_row_that_cannot_be_asked_is_a_rejection_with_every_reason_and_its_neighbours_stay(shop: Shop) -> None:
    shop.photo("cut.png", encoded(drawn(1))[:60])
    rows = [product(0), product(1, photo="cut.png"), product(2, photo="nowhere.png"), product(0), product(4, sku="")]
    shop.write([*rows, product(3)])
    found = list(asked(shop).rows())
    rules = [[problem.rule for problem in row.problems] if isinstance(row, Rejection) else [] for row in found]
    assert rules == [[], ["images.truncated"], ["images.missing"], ["id.duplicate"], ["id.empty"], []]
    cut, again = found[1], found[3]
    assert isinstance(cut, Rejection)
    assert isinstance(again, Rejection)
    assert (cut.problems[0].line, cut.problems[0].field, cut.row) == (
        3,
        "images[0]",
        dict(zip(COLUMNS, rows[1], strict=True)),
    )
    assert again.problems[0].message == "the id 'SKU-000' stands already in line 2"


def test_the_photos_are_decoded_whatever_the_recipe_says_of_verifying(shop: Shop) -> None:
    shop.photo("cut.png", encoded(drawn(1))[:-40])
    shop.write([product(0, photo="cut.png")])
    images = {**RECIPE["images"], "verify": "header"}
    assert kinds(asked(shop, images=images)) == ["Rejection"]


def test_rows_that_the_recipe_leaves_out_are_skipped_and_its_limit_is_not_applied(shop: Shop) -> None:
    shop.write([product(number) for number in range(4)])
    source = {**RECIPE["source"], "where": "title != 'Mug 1'", "limit": 1}
    rows = list(asked(shop, source=source).rows())
    assert [isinstance(row, Skip) for row in rows] == [False, True, False, False]
    everything = vlmdata.render_source(shop.recipe(source=source), where="")
    assert kinds(everything) == ["SourcePrompt"] * 4
    other = vlmdata.render_source(shop.recipe(source=source), where="title == 'Mug 3'")
    assert kinds(other) == ["Skip", "Skip", "Skip", "SourcePrompt"]


def test_what_the_condition_says_of_the_answer_alone_is_left_out(shop: Shop) -> None:
    shop.write([product(0)[:3], product(1)[:3]], header=ASKED)
    recipe = shop.recipe(source={**RECIPE["source"], "where": "description is not none and title != 'Mug 1'"})
    source = vlmdata.render_source(recipe)
    assert (source.left_out, source.recipe.source.where) == ("description is not none", "title != 'Mug 1'")
    assert kinds(source) == ["SourcePrompt", "Skip"]
    alone = vlmdata.render_source(shop.recipe(source={**RECIPE["source"], "where": "description is not none"}))
    assert (alone.left_out, kinds(alone)) == ("description is not none", ["SourcePrompt"] * 2)


def test_a_condition_on_a_column_that_the_prompt_reads_too_stays(shop: Shop) -> None:
    shop.write([product(0), product(1)])
    user = ["images", "Shorten: {{ description }}"]
    recipe = shop.recipe(
        source={**RECIPE["source"], "where": "description is not none and title != 'Mug 1'"},
        conversations=[{"user": user, "assistant": "{{ description }}"}],
    )
    assert (source := vlmdata.render_source(recipe)).left_out == ""
    assert kinds(source) == ["SourcePrompt", "Skip"]


def test_a_condition_that_was_asked_for_is_applied_as_it_is(shop: Shop) -> None:
    shop.write([product(0), (*product(1)[:3], "")])
    source = vlmdata.render_source(shop.recipe(), where="description is none")
    assert (source.left_out, kinds(source)) == ("", ["Skip", "SourcePrompt"])


def test_a_condition_on_a_column_that_the_input_has_not_is_said_before_any_row_is_read(shop: Shop) -> None:
    shop.write([product(1)[:3]], header=ASKED)
    recipe = shop.recipe(source={**RECIPE["source"], "where": "active == '1'"})
    with pytest.raises(ConfigError, match=r"reads the column 'active', which the input has not.*--where"):
        vlmdata.render_source(recipe)
    assert kinds(vlmdata.render_source(recipe, where="")) == ["SourcePrompt"]


def test_a_column_of_the_prompt_that_is_missing_is_said_before_any_row_is_read(shop: Shop) -> None:
    shop.write([("A", "1.png", "Mug")], header=("sku", "photo", "titel"))
    with pytest.raises(RecipeError, match="no column 'title'") as raised:
        asked(shop)
    assert "titel" in raised.value.problems[0].hint


def test_one_of_several_conversations_must_be_chosen(shop: Shop) -> None:
    shop.write([product(1)])
    recipe = shop.recipe(conversations=TWO)
    for number in (None, 2, -1):
        with pytest.raises(ConfigError, match=r"makes 2 conversations a row; choose one .* 0 to 1"):
            vlmdata.render_source(recipe, conversation=number)
    (prompt,) = only_prompts(vlmdata.render_source(recipe, conversation=1))
    assert (prompt.id, prompt.messages[0].content[-1].text) == ("SKU-001", "Describe: Mug 1")


def test_reading_on_after_some_rows_gives_the_rest_and_knows_the_ids_before(shop: Shop) -> None:
    shop.write([product(0), product(1), product(0), product(2)])
    source = asked(shop)
    assert [repr(row) for row in source.rows(after=1)] == [repr(row) for row in source.rows()][1:]


def test_rows_without_an_id_column_are_numbered_where_they_are_equal(shop: Shop) -> None:
    shop.write([product(0), product(0), product(1), product(0)])
    first, second, _, third = (prompt.id for prompt in only_prompts(asked(shop, id=None)))
    assert (second, third) == (f"{first}-2", f"{first}-3")


def test_a_prompt_with_nothing_in_it_is_rejected(shop: Shop) -> None:
    shop.write([product(0, title="")])
    (row,) = asked(shop, images=None, conversations=[{"user": "{{ title }}", "assistant": "x"}]).rows()
    assert isinstance(row, Rejection)
    assert row.rules == ("text.empty",)


def test_a_conversation_file_is_asked_up_to_its_last_answer(shop: Shop) -> None:
    said = [("human", "<image>\nWhat is it?"), ("gpt", "A mug."), ("human", "Its colour?"), ("gpt", "Red.")]
    row = {"id": "a", "image": "1.png", "conversations": [{"from": who, "value": text} for who, text in said]}
    (shop.folder / "talks.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    source = {"type": "conversations", "path": "talks.jsonl", "format": "llava"}
    recipe = shop.recipe(source=source, conversations=None, id=None, images={"root": "photos"})
    (prompt,) = only_prompts(vlmdata.render_source(recipe))
    assert [message.role for message in prompt.messages] == ["user", "assistant", "user"]
    assert prompt.images == (encoded(drawn(1)),)


def test_a_missing_input_is_named(shop: Shop) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv"):
        vlmdata.render_source(shop.recipe(), input=shop.folder / "nowhere.csv")


@pytest.mark.parametrize(
    ("limit", "most"), [(0, 0), (3, 3), ("10%", 20), (0.1, 20), ("100%", 200), (1.0, 200)], ids=str
)
def test_the_recipe_says_how_many_rejected_rows_it_bears(shop: Shop, limit: Any, most: int) -> None:
    shop.write([product(0)])
    source = asked(shop, max_rejected=limit)
    assert source.too_many(rejected=most, read=200) == ""
    assert source.too_many(rejected=most + 1, read=200).startswith(f"{most + 1:,} of 200 rows were rejected")


def test_the_key_is_another_where_a_prompt_could_be(shop: Shop) -> None:
    shop.write([product(0)])
    one = asked(shop).key
    assert asked(shop).key == one
    assert asked(shop, conversations=[{"user": "Say: {{ title }}", "assistant": "x"}]).key != one
    assert vlmdata.render_source(shop.recipe(), where="title == 'x'").key != one
    shop.write([product(0), product(1)])
    assert asked(shop).key != one


def test_memory_grows_by_little_more_than_the_ids(shop: Shop) -> None:
    def peak(rows: int) -> int:
        shop.write([product(number, photo="0.png", title="Mug " * 200) for number in range(rows)])
        source = asked(shop, images=None)
        tracemalloc.start()
        assert sum(isinstance(row, SourcePrompt) for row in source.rows()) == rows
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)
    assert peak(3_000) - peak(1_000) < 2_000 * 300
