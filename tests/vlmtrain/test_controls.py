"""Images swapped between rows: each row gets another product's, equally many, or is left out and counted."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlmdata.errors import ConfigError
from vlmtrain.controls import blank, find_control, reorder, swap


def a_row(name: str, colour: str, images: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": name,
        "messages": [],
        "images": [{"bytes": image.encode(), "path": None} for image in images],
        "image_info": [{"sha256": image} for image in images],
        "fields": [{"name": "colour", "value": colour}],
    }


def shown(row: dict[str, Any]) -> set[str]:
    return {info["sha256"] for info in row["image_info"]}


def test_every_row_gets_the_images_of_a_row_with_other_fields() -> None:
    rows = [a_row(str(n), "red" if n < 5 else "blue", (f"i{n}",)) for n in range(10)]
    swapped = swap(rows)
    assert swapped.left_out == 0
    colour_of = {f"i{n}": "red" if n < 5 else "blue" for n in range(10)}
    for row, other in zip(rows, swapped, strict=True):
        assert other["id"] == row["id"]
        assert other["fields"] == row["fields"]
        assert {colour_of[image] for image in shown(other)} != {row["fields"][0]["value"]}
        assert [image["bytes"].decode() for image in other["images"]] == [
            info["sha256"] for info in other["image_info"]
        ]


def test_no_image_is_used_twice() -> None:
    rows = [a_row(str(n), str(n % 3), (f"i{n}",)) for n in range(30)]
    images = [image for row in swap(rows) for image in shown(row)]
    assert len(images) == len(set(images)) == 30


def test_a_row_without_a_partner_is_left_out_and_counted() -> None:
    rows = [a_row("1", "red", ("a",)), a_row("2", "blue", ("b",)), a_row("3", "red", ("c", "d")), a_row("4", "red", ())]
    swapped = swap(rows)
    assert [row["id"] for row in swapped] == ["1", "2"]
    assert swapped.left_out == 2


def test_rows_that_share_a_photo_do_not_swap() -> None:
    assert swap([a_row("1", "red", ("a",)), a_row("2", "blue", ("a",))]).left_out == 2


def test_rows_without_fields_swap_with_any_other() -> None:
    rows = [{**a_row(str(n), "", (f"i{n}",)), "fields": []} for n in range(3)]
    assert len(swap(rows)) == 3


def test_blank_images_are_as_large_and_say_nothing() -> None:
    row = {
        **a_row("1", "red", ("a", "b")),
        "image_info": [{"sha256": each, "width": 30, "height": 20} for each in "ab"],
    }
    (shown_row,) = blank([row, a_row("2", "red", ())][:1])
    for image in shown_row["images"]:
        picture = Image.open(io.BytesIO(image["bytes"]))
        assert (picture.size, picture.getcolors()) == ((30, 20), [(600, (127, 127, 127))])
    assert {info["sha256"] for info in shown_row["image_info"]}.isdisjoint("ab")
    assert blank([row, a_row("2", "red", ())]).left_out == 1


def test_images_change_places_where_they_differ() -> None:
    rows = [a_row("1", "red", ("a", "b", "c")), a_row("2", "red", ("a", "a")), a_row("3", "red", ("a",))]
    turned = reorder(rows)
    assert [[info["sha256"] for info in row["image_info"]] for row in turned] == [["b", "c", "a"]]
    assert [image["bytes"] for image in turned[0]["images"]] == [b"b", b"c", b"a"]
    assert turned.left_out == 2


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(ConfigError, match="no control 'shuffle'; known: swap, blank, reorder"):
        find_control("shuffle")


@given(st.lists(st.tuples(st.sampled_from("rgb"), st.integers(1, 2)), max_size=24))
def test_swapped_rows_differ_and_leave_out_no_more_than_they_must(made: list[tuple[str, int]]) -> None:
    rows = [a_row(str(n), colour, tuple(f"{n}-{k}" for k in range(count))) for n, (colour, count) in enumerate(made)]
    swapped = swap(rows)
    owner = {image: row for row in rows for image in shown(row)}
    for row in swapped:
        for image in shown(row):
            assert owner[image]["fields"] != row["fields"]
        assert len({owner[image]["id"] for image in shown(row)}) == 1
    must = 0
    for count in (1, 2):
        bucket = [colour for colour, images in made if images == count]
        most = max((bucket.count(colour) for colour in set(bucket)), default=0)
        must += max(2 * most - len(bucket), 0)
    assert swapped.left_out == must
