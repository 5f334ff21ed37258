"""What of a path leaves the machine: the last name of one that leads elsewhere, and all else as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.hub.places import is_place, places_within, without_place, without_places, without_places_within

NAMES = st.text("abcdefgh_-.0123456789 é", min_size=1).filter(lambda name: name not in {".", ".."})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/home/jane/shop/products.csv", "products.csv"),
        ("~/shop", "shop"),
        ("../data/shop", "shop"),
        ("./shop", "shop"),
        (r"C:\Users\Jane Doe\shop", "shop"),
        (r"\\server\share\photos", "photos"),
        ("file:///home/jane/a.csv", "a.csv"),
        ("data/../../secret/photos", "photos"),
        ("..", "."),
        ("/", "."),
        ("photos/spring", "photos/spring"),
        ("products.csv", "products.csv"),
        ("https://example.org/a/b.jpg", "https://example.org/a/b.jpg"),
        ("owner/name", "owner/name"),
        (".", "."),
        ("", ""),
    ],
)
def test_only_what_leads_elsewhere_is_cut(text: str, said: str) -> None:
    assert without_place(text) == said


@given(st.lists(NAMES, min_size=1, max_size=5), st.sampled_from(["/", "~/", "../", "./", "C:\\", "file:///"]))
def test_of_any_such_path_one_name_stays(names: list[str], start: str) -> None:
    said = without_place(start + "/".join(names))
    assert said == names[-1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
)


@given(JSON)
def test_what_holds_no_path_stays_as_it_is(data: Any) -> None:
    assert without_places(data) == data


def test_a_text_is_a_path_where_it_leads_to_a_place_of_a_machine(tmp_path: Path) -> None:
    for text in (str(tmp_path / "gone"), r"C:\shop\a.csv", "~/shop", "../data", "file:///a", f"{tmp_path}"):
        assert is_place(text), text
    for text in ("our shop", "/r/pics", "/imagine", "", "https://example.org/a", "and/or", "/r/pics\n/data"):
        assert not is_place(text), text


def test_of_a_path_in_a_sentence_no_more_than_its_last_name_stays(tmp_path: Path) -> None:
    said = {
        f"export of {tmp_path}/shop, May": "export of shop, May",
        r"from C:\Users\jane\shop.": "from shop.",
        "photos (~/photos/2024) and file:///srv/list": "photos (2024) and list",
        r"on \\server\share\wares of it": "on wares of it",
    }
    for text, left in said.items():
        assert without_places_within(text) == left
        assert places_within(text)
    for text in ("~50 photos a day", "and/or", "a / b", "see https://x.org/home/a", "1/2", r"\alpha", "/imagine a mug"):
        assert without_places_within(text) == text
        assert places_within(text) == []


def test_texts_of_templates_are_no_paths_and_keys_can_be() -> None:
    recipe = {
        "source": {"path": "/data/products.csv", "where": "/x/ in title", "rebase": {"/mnt/photos/": "/home/jane/img"}},
        "conversations": [{"user": "/imagine {{ title }}", "assistant": "~/{{ text }}"}],
        "describe": {"prompt": "/describe", "system": "../", "journal": "/var/journal.jsonl"},
    }
    assert without_places(recipe) == {
        "source": {"path": "products.csv", "where": "/x/ in title", "rebase": {"photos": "img"}},
        "conversations": recipe["conversations"],
        "describe": {"prompt": "/describe", "system": "../", "journal": "journal.jsonl"},
    }


def test_a_prompt_that_is_no_text_holds_settings_whose_paths_go() -> None:
    merged = {"prompt": {"images": {"root": "/home/jane/photos"}, "conversations": [{"user": "/x"}]}}
    assert without_places(merged) == {"prompt": {"images": {"root": "photos"}, "conversations": [{"user": "/x"}]}}


def test_a_folder_that_stands_for_a_dataset_of_the_hub_is_cut_and_the_cards_words_are_not() -> None:
    said = {"dataset": {"source": "/r/pics"}, "source": {"type": "hub", "dataset": "/home/jane/rows"}}
    assert without_places(said) == {"dataset": {"source": "/r/pics"}, "source": {"type": "hub", "dataset": "rows"}}
