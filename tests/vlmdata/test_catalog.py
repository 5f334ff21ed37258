"""Catalog rows to conversations: cleaned values, images of every kind of place, dotted names, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.convert.catalog import CatalogConverter, column_hint, columns_missing, columns_read
from vlmdata.protocols import Tools
from vlmdata.recipe import Recipe, recipe_from
from vlmdata.record import Change, Conversation, InlineImage, Origin, Problem, RawRecord, Rejection, Skip

PNG = b"\x89PNG\r\n\x1a\n"
BASE: dict[str, Any] = {
    "source": {"type": "csv", "path": "products.csv"},
    "conversations": [{"user": "Describe: {{ title }}", "assistant": "{{ text }}"}],
}


def recipe(**changes: Any) -> Recipe:
    return recipe_from(BASE | changes)


@dataclass
class Shop:
    """A converter with what it warned of, changed, and looked for among file names."""

    recipe: Recipe
    files: Sequence[str] = ()
    warnings: list[Problem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        tools = Tools(warn=self.warnings.append, changed=self.changes.append, matching=self.matching)
        self.convert = CatalogConverter(self.recipe, tools)

    def matching(self, pattern: str) -> Sequence[str]:
        self.asked.append(pattern)
        return [name for name in self.files if fnmatchcase(name, pattern)]

    def all(self, **values: Any) -> list[Conversation | Rejection | Skip]:
        row: Mapping[str, Any] = {"title": "Mug", "text": "A mug."} | values
        return list(self.convert(RawRecord(origin=Origin(source="products.csv", row=3, line=4), values=row)))

    def one(self, **values: Any) -> Conversation:
        (made,) = self.all(**values)
        assert isinstance(made, Conversation), made
        return made

    def refused(self, **values: Any) -> tuple[Problem, ...]:
        (made,) = self.all(**values)
        assert isinstance(made, Rejection), made
        return made.problems


def shop(files: Sequence[str] = (), **changes: Any) -> Shop:
    return Shop(recipe(**changes), files)


DATA_ADDRESS = "data:image/png;base64,iVBORw0KGgo="
IMAGE_VALUES = {
    "a path": ("a.jpg", ["a.jpg"]),
    "an address": (" https://shop.example/a,b.jpg ", ["https://shop.example/a,b.jpg"]),
    "a data address": (DATA_ADDRESS, [DATA_ADDRESS]),
    "a list": (["a.jpg", " b.jpg", "", None], ["a.jpg", "b.jpg"]),
    "a list with commas": (["a,b.jpg"], ["a,b.jpg"]),
    "bytes": (PNG, [InlineImage(data=PNG, name="")]),
    "bytes and a path": (
        {"bytes": PNG, "path": "/home/ann/x/a.png"},
        [InlineImage(data=PNG, name="a.png")],
    ),
    "a Windows path": ({"bytes": PNG, "path": "C:\\x\\a.png"}, [InlineImage(data=PNG, name="a.png")]),
    "bytes without a path": ({"bytes": PNG, "path": None}, [InlineImage(data=PNG, name="")]),
    "no bytes and no path": ([{"bytes": None, "path": None}, "a.jpg"], ["a.jpg"]),
    "mappings": (
        [{"src": "https://shop.example/a.jpg", "alt": "front"}, {"url": "b.jpg"}, {"path": "c.jpg", "url": "x"}],
        ["https://shop.example/a.jpg", "b.jpg", "c.jpg"],
    ),
    "nothing": (None, []),
    "an empty list": ([], []),
    "white space": ("  ", []),
}


@pytest.mark.parametrize("name", IMAGE_VALUES)
def test_a_column_names_images_in_many_ways(name: str) -> None:
    value, expected = IMAGE_VALUES[name]
    made = shop(images={"from": "photo", "min": 0}).one(photo=value)
    assert list(made.images) == expected
    assert [part.type for part in made.messages[0].content] == ["image"] * len(expected) + ["text"]


SEPARATED = {
    "a.jpg|b.jpg": ("|", ["a.jpg", "b.jpg"]),
    "a.jpg; b.jpg;": (";", ["a.jpg", "b.jpg"]),
    DATA_ADDRESS: (",", [DATA_ADDRESS]),
    f"{DATA_ADDRESS},a.jpg,{DATA_ADDRESS}": (",", [DATA_ADDRESS, "a.jpg", DATA_ADDRESS]),
    f"a.jpg; {DATA_ADDRESS};b.jpg": (";", ["a.jpg", DATA_ADDRESS, "b.jpg"]),
}


@pytest.mark.parametrize("cell", SEPARATED)
def test_a_separator_takes_a_cell_apart_but_no_data_address(cell: str) -> None:
    separator, expected = SEPARATED[cell]
    made = shop(images={"from": {"column": "photo", "separator": separator}}).one(photo=cell)
    assert list(made.images) == expected


REFUSED = {
    "a number": (17, "images.value", "photo", "found the number 17"),
    "true": (True, "images.value", "photo", "found true"),
    "a list inside a list": ([["a.jpg"]], "images.value", "photo[0]", "found a list inside a list"),
    "a number in a list": (["a.jpg", 2.5], "images.value", "photo[1]", "found the number 2.5"),
    "a mapping of something else": ({"width": 3}, "images.value", "photo", "found the keys 'width'"),
    "bytes as text": ({"bytes": "iVBOR", "path": "a.png"}, "images.value", "photo", "found the keys 'bytes', 'path'"),
    "a path without bytes": (
        [{"bytes": None, "path": "/etc/passwd"}],
        "images.null_bytes",
        "photo[0]",
        "its path '/etc/passwd' is of the machine that wrote the file",
    ),
    "a list as text": ('["a.jpg", "b.jpg"]', "images.value", "photo", "found a list written as text"),
    "Python's list as text": ("['a.jpg']", "images.value", "photo", "found a list written as text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_names_no_image_rejects_the_row_and_says_what_was_found(name: str) -> None:
    value, rule, place, words = REFUSED[name]
    (problem,) = shop(images={"from": "photo"}).refused(photo=value)
    assert (problem.rule, problem.field, problem.line) == (rule, place, 4)
    assert words in problem.message
    assert problem.hint


def test_all_places_of_a_row_are_told_at_once() -> None:
    found = shop(id="sku", images={"from": ["photo", "more"]}).refused(photo=1, more=[2], sku=" ")
    assert [(problem.rule, problem.field) for problem in found] == [
        ("images.value", "photo"),
        ("images.value", "more[0]"),
        ("id.empty", "sku"),
    ]


FILES = ("A1/1.jpg", "A1/2.jpg", "A1-front.jpg", "A10-front.jpg", "[x]-1.jpg", "x-1.jpg", "a*b-1.jpg", "aXb-1.jpg")


@pytest.mark.parametrize(
    ("sku", "expected"),
    [
        ("A1", ["A1-front.jpg"]),
        ("A10 ", ["A10-front.jpg"]),
        ("[x]", ["[x]-1.jpg"]),
        ("a*b", ["a*b-1.jpg"]),
        ("*", []),
        ("?1", []),
        (None, []),
        ("", []),
    ],
)
def test_a_glob_finds_the_files_of_the_very_value(sku: str | None, expected: list[str]) -> None:
    assert list(shop(FILES, images={"from": {"glob": "{{ sku }}-*.jpg"}, "min": 0}).one(sku=sku).images) == expected


@given(sku=st.text(st.sampled_from("ab*?[]!-.^"), min_size=1, max_size=6).filter(lambda text: set(text) != {"."}))
def test_a_glob_matches_the_files_that_begin_with_the_value_and_no_others(sku: str) -> None:
    files = [f"{sku}-1.jpg", "a-1.jpg", "b-1.jpg", "ab-1.jpg", "*-1.jpg", "[a]-1.jpg"]
    found = shop(files, images={"from": {"glob": "{{ sku }}-1.jpg"}}).one(sku=sku).images
    assert set(found) == {f"{sku}-1.jpg"}


def test_a_folder_gives_its_images_in_the_order_they_are_found() -> None:
    looking = shop(FILES, images={"from": [{"folder": "{{ sku }}"}, "photo"]})
    assert looking.one(sku="A1", photo="z.jpg").images == ("A1/1.jpg", "A1/2.jpg", "z.jpg")
    assert looking.asked == ["A1/*"]


def test_a_missing_value_gives_no_images_rather_than_other_products() -> None:
    looking = shop(FILES, images={"from": {"glob": "{{ sku }}{{ colour }}{{ n.x }}*.jpg"}, "min": 0})
    assert looking.one(sku="A1", colour=None, n={"x": "1"}).images == ()
    assert looking.one(sku="A1", colour="red", n={}).images == ()
    assert looking.one(sku="A1").images == ()
    assert looking.asked == []


@pytest.mark.parametrize("sku", ["..", "../A1", "/etc", "a/../../b", ".", "A1/", "..\\b", "a//b"])
@pytest.mark.parametrize("kind", ["glob", "folder"])
def test_a_value_that_names_a_folder_above_rejects_the_row(sku: str, kind: str) -> None:
    looking = shop(FILES, images={"from": {kind: "{{ sku }}"}})
    (problem,) = looking.refused(sku=sku)
    assert (problem.rule, problem.field) == ("images.outside", "{{ sku }}")
    assert looking.asked == []


@pytest.mark.parametrize(
    "folder",
    ["{{ a | replace('-', '.') }}", "x/{{ a | replace('-', '.') }}/y", "/{{ b }}", "{{ n.up }}", "{{ n.bad }}"],
)
def test_a_pattern_that_leads_upwards_rejects_the_row(folder: str) -> None:
    values = {"a": "--", "b": "x", "n": {"up": "..", "bad": "a\0b"}}
    (problem,) = shop(images={"from": {"folder": folder}}).refused(**values)
    assert problem.rule == "images.outside"


def test_what_a_pattern_does_not_print_may_be_anything() -> None:
    looking = shop(FILES, images={"from": {"glob": "{{ p.sku }}{% if colour %}-{{ colour }}{% endif %}-*.jpg"}})
    assert looking.one(p={"sku": "A1", "url": "https://shop.example/../a"}, colour=None).images == ("A1-front.jpg",)
    assert looking.one(p={"sku": "[x]", "note": None}, colour="").images == ("[x]-1.jpg",)
    assert looking.asked[0] == "A1-*.jpg"


def test_a_pattern_that_fails_on_a_row_rejects_it() -> None:
    (problem,) = shop(images={"from": {"glob": "{{ 1 // n }}-*.jpg"}}).refused(n=0)
    assert (problem.rule, problem.field) == ("images.value", "{{ 1 // n }}-*.jpg")
    (problem,) = shop(images={"from": {"glob": "{{ a }}"}}).refused(a="x" * 5000)
    assert "more than 4,000 characters" in problem.message


def test_columns_of_patterns_and_cleaning_are_read() -> None:
    made = recipe(
        images={"from": ["photo", {"glob": "{{ sku }}-*.jpg"}, {"folder": "{{ row['Product no'] }}"}]},
        clean={"text": ["nfc"]},
    )
    read = dict(columns_read(made))
    assert read["images", "from", 0] == "photo"
    assert read["images", "from", 1, "glob"] == "sku"
    assert read["images", "from", 2, "folder"] == "Product no"
    assert read["clean", "text"] == "text"


def test_max_and_over_are_kept_and_counted() -> None:
    first = shop(images={"from": {"column": "photo", "separator": "|"}, "max": 2, "over": "first"})
    assert first.one(photo="a|b|c").images == ("a", "b")
    assert [problem.rule for problem in first.warnings] == ["images.over"]
    (problem,) = shop(images={"from": {"column": "photo", "separator": "|"}, "max": 2}).refused(photo="a|b|c")
    assert problem.rule == "images.too_many"


def test_cleaning_comes_before_everything_and_each_change_is_told() -> None:
    cleaning = shop(
        source={"type": "csv", "path": "p.csv", "where": "brand == 'Ko'", "nulls": ["", "n/a"]},
        clean={"text": ["html_to_text", "whitespace"], "brand": ["whitespace"], "note": ["html_to_text"]},
        fields=["brand", "note"],
        tags=["brand"],
    )
    made = cleaning.one(text="<p>A\u00a0 mug</p>", brand=" Ko\t", note="<p>n/a</p>")
    assert made.messages[-1].content[0].text == "A mug"
    assert (made.tags, made.fields) == ({"brand": "Ko"}, {"brand": "Ko"})
    assert [(change.rule, change.field, change.before, change.after) for change in cleaning.changes] == [
        ("clean.html_to_text", "text", "<p>A\u00a0 mug</p>", "A\u00a0 mug"),
        ("clean.whitespace", "text", "A\u00a0 mug", "A mug"),
        ("clean.whitespace", "brand", " Ko\t", "Ko"),
        ("clean.html_to_text", "note", "<p>n/a</p>", "n/a"),
    ]


def test_texts_in_lists_and_mappings_are_cleaned_and_other_columns_are_not() -> None:
    cleaning = shop(clean={"points": ["whitespace"]}, images={"from": "photo", "min": 0})
    cleaning.one(points=["a  b", {"x": " c", "n": 3}, None], photo=" a  b.jpg ", title=" T  t")
    assert [(change.field, change.after) for change in cleaning.changes] == [("points[0]", "a b"), ("points[1].x", "c")]


def test_a_row_that_is_left_out_changes_nothing() -> None:
    cleaning = shop(source={"type": "csv", "path": "p.csv", "where": "title == 'Cup'"}, clean={"text": ["whitespace"]})
    (skipped,) = cleaning.all(text="a  b")
    assert isinstance(skipped, Skip)
    assert cleaning.changes == []


def test_a_rejected_row_stands_as_it_was_read() -> None:
    cleaning = shop(images={"from": "photo"}, clean={"text": ["whitespace"]})
    (rejected,) = cleaning.all(text="a  b", photo="")
    assert isinstance(rejected, Rejection)
    assert rejected.row is not None and rejected.row["text"] == "a  b"


def test_dotted_names_reach_into_nested_columns() -> None:
    nested = shop(id="product.no", group="product.parent.no", fields=["attributes.brand", "sizes"], tags=["a.b"])
    product = {"no": 17, "parent": {"no": "P"}}
    made = nested.one(product=product, attributes={"brand": "Ko"}, sizes=["S", {"w": 2}], **{"a.b": "plain"})
    assert (made.id, made.group) == ("17", "P")
    assert made.fields == {"attributes.brand": "Ko", "sizes": '["S", {"w": 2}]'}
    assert made.tags == {"a.b": "plain"}
    assert nested.one(product={"no": 1}).group == "1"
    assert [problem.rule for problem in nested.refused(product=["no"])] == ["row.value", "row.value"]


def test_a_dotted_name_is_known_where_its_column_is() -> None:
    lines = {"type": "jsonl", "path": "products.jsonl"}
    made = recipe(source=lines, id="product.no", tags=["brnd.name"], fields=["title"], clean={"product.no": ["nfc"]})
    columns = ["product", "title", "text"]
    assert [name for _, name in columns_missing(made, columns)] == ["product.no", "brnd.name"]
    assert dict(columns_missing(made, columns))["clean", "product.no"] == "product.no"


def test_bytes_are_no_text_of_a_field() -> None:
    found = shop(fields=["photo", "list"]).refused(photo=PNG, list=[{"x": PNG}])
    assert [(problem.rule, problem.field) for problem in found] == [("row.value", "photo"), ("row.value", "list")]


def test_a_row_may_lack_columns_that_the_source_has() -> None:
    made = shop(group="parent", tags=["brand"], fields=["brand"], images={"from": "photo", "min": 0}).one()
    assert (made.group, made.tags, made.fields, made.images) == (made.id, {}, {}, ())


def test_equal_rows_have_equal_ids_whatever_stands_before_them() -> None:
    converter = shop()
    assert converter.one().id == converter.one().id == shop().one().id
    assert converter.one(text="Another.").id != converter.one().id
    assert len(converter.one().id) == 16


def test_a_made_recipe_file_refuses_a_step_that_is_not_known(tmp_path: Path) -> None:
    from vlmdata.errors import RecipeError

    with pytest.raises(RecipeError, match="html_to_tex"):
        recipe_from(BASE | {"clean": {"text": ["html_to_tex"]}}, tmp_path)


@pytest.mark.parametrize(
    "key",
    [
        {"fields": ["attributes.size"]},
        {"tags": ["attributes.size"]},
        {"group": "attributes.size"},
        {"id": "attributes.size"},
        {"images": {"from": "attributes.size"}},
    ],
    ids=lambda key: next(iter(key)),
)
def test_a_dotted_path_into_text_is_refused_before_the_build_and_in_a_row(key: dict[str, Any]) -> None:
    columns = ["title", "text", "attributes"]
    assert [name for _, name in columns_missing(recipe(**key), columns)] == ["attributes.size"]
    assert "`json: [attributes]`" in column_hint(recipe(**key), "attributes.size", columns)
    source = {**BASE["source"], "json": ["attributes"]}
    assert not list(columns_missing(recipe(**key, source=source), columns))
    lines = {"type": "jsonl", "path": "products.jsonl"}
    assert not list(columns_missing(recipe(**key, source=lines), columns))
    shop = Shop(recipe(**key, source=lines))
    found = next(problem for problem in shop.refused(attributes='{"size": 3}') if problem.rule == "row.value")
    assert found.field == "attributes.size"
    assert "the text '{\"size\": 3}', keys and values were expected" in found.message
    assert "source.json" in found.hint


@pytest.mark.parametrize("value", [{"size": {"cm": "3"}}, {"size": None}, {}, None])
def test_a_dotted_path_that_leads_nowhere_is_a_missing_value(value: Any) -> None:
    made = Shop(recipe(fields=["attributes.size.cm"], source={"type": "jsonl", "path": "x"})).one(attributes=value)
    assert made.fields == ({"attributes.size.cm": "3"} if value and value.get("size") else {})


@pytest.mark.parametrize("value", [["size"], {"size": "large"}, 3])
def test_a_dotted_path_through_a_list_text_or_number_is_refused(value: Any) -> None:
    shop = Shop(recipe(fields=["attributes.size.cm"], source={"type": "jsonl", "path": "x"}))
    assert [problem.rule for problem in shop.refused(attributes=value)] == ["row.value"]


def test_a_lone_column_with_another_delimiter_in_its_name_is_suspected() -> None:
    only = ["sku;photo;title"]
    hint = column_hint(recipe(), "title", only)
    assert hint == "the only column is 'sku;photo;title': set source.delimiter: \";\""
    assert column_hint(recipe(), "titel", ["title", "text"]) == "did you mean 'title'?"
    semicolons = {**BASE["source"], "delimiter": ";"}
    assert column_hint(recipe(source=semicolons), "q", ["a,b"]).endswith('source.delimiter: ","')
    assert column_hint(recipe(source=semicolons), "q", only) == "its columns are sku;photo;title"


def test_an_image_that_a_row_names_twice_is_a_warning() -> None:
    shop = Shop(recipe(images={"from": ["photo", {"glob": "{{ title }}*.png"}]}), files=["Mug1.png", "Mug2.png"])
    assert len(shop.one(photo="Mug1.png").images) == 3
    (warning,) = shop.warnings
    assert (warning.rule, warning.severity) == ("images.repeated", "warning")
    assert "'Mug1.png' is named 2 times" in warning.message
    shop.warnings.clear()
    shop.one(photo="other.png")
    assert not shop.warnings
    listed = Shop(recipe(images={"from": "photo"}))
    listed.one(photo=["https://u:secret@example.org/a.png"] * 2)
    assert "secret" not in listed.warnings[0].message
