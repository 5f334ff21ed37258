"""Drafted recipes of catalogs in other languages: flags of yes and no, and the language of the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.drawn_catalogs import COLUMNS, Written, simple_rows, travel
from vlmdata.draft import language
from vlmdata.draft.words import LANGUAGES

POLISH = "Kubek ceramiczny ręcznie malowany, z dużym uchem i grubym dnem; dobrze leży w dłoni. Numer {}."
UKRAINIAN = "Керамічна чашка ручної роботи з великою ручкою та товстим дном, добре лежить у руці. Номер {}."


def with_column(folder: Path, name: str, values: list[str]) -> None:
    """A catalog with one more column, whose values come in turn."""
    rows = simple_rows(folder, 40)
    more = [[*row, values[number % len(values)]] for number, row in enumerate(rows[1:])]
    Written().write(folder / "products.csv", [[*COLUMNS, name], *more])


def in_language(folder: Path, text: str) -> None:
    """A catalog whose descriptions are of another language."""
    rows = simple_rows(folder, 40)
    texts = [[*row[:-1], text.format(number)] for number, row in enumerate(rows[1:])]
    Written().write(folder / "products.csv", [rows[0], *texts])


@pytest.mark.parametrize(
    ("name", "values", "counted", "condition"),
    [
        ("widoczny", ["tak", "tak", "tak", "nie"], "'tak' in 30 rows and 'nie' in 10 rows", "widoczny == 'tak'"),
        ("sprzedane", ["tak", "tak", "tak", "nie"], "'nie' in 10 rows and 'tak' in 30 rows", "sprzedane == 'nie'"),
        ("Aktiv", ["nein", "nein", "nein", "ja"], "'ja' in 10 rows and 'nein' in 30 rows", "Aktiv == 'ja'"),
        ("visible", ["oui", "non"], "'oui' in 20 rows and 'non' in 20 rows", "visible == 'oui'"),
        ("vendido", ["si", "no"], "'no' in 20 rows and 'si' in 20 rows", "vendido == 'no'"),
        ("продан", ["да", "нет", "нет", "нет"], "'нет' in 30 rows and 'да' in 10 rows", "продан == 'нет'"),
        ("sold", ["1", "0", "0", "0"], "'0' in 30 rows and '1' in 10 rows", "sold == '0'"),
        ("waterproof", ["Y", "N", "N", "N"], "'Y' in 10 rows and 'N' in 30 rows", "waterproof == 'Y'"),
        ("w_sprzedaży", ["Tak", "tak", "nie", "NIE"], "and 'nie' in 10 rows", "w_sprzedaży in ['Tak', 'tak']"),
        ("discontinued", ["x", "", "", ""], "nothing in 30 rows and 'x' in 10 rows", "discontinued is none"),
    ],
)
def test_a_column_of_yes_and_no_gives_a_condition_to_uncomment(
    name: str, values: list[str], counted: str, condition: str, tmp_path: Path
) -> None:
    with_column(tmp_path, name, values)
    text = vlmdata.draft_recipe(tmp_path).text
    assert f"# The column '{name}' holds" in text
    assert counted in text
    assert f'# where: "{condition}"' in text
    assert f"{{{{ {name} }}}}" not in text
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text.replace("# where: ", "where: "), encoding="utf-8")
    skipped = vlmdata.build(vlmdata.load_recipe(recipe), out=tmp_path / "out").ledger.skipped
    assert 0 < skipped[f"where: {condition}"] < 40


def test_what_says_neither_yes_nor_no_is_no_condition(tmp_path: Path) -> None:
    with_column(tmp_path, "size", ["S", "M", "L"])
    assert "where:" not in vlmdata.draft_recipe(tmp_path).text


def test_the_prompt_is_in_the_language_of_the_texts(tmp_path: Path) -> None:
    in_language(tmp_path / "shop", POLISH)
    journey = travel(tmp_path / "shop", tmp_path / "out")
    assert journey.recipe.conversations[0].user[1].startswith("Opisz ten produkt.\n")
    assert "# The texts look Polish, and so the prompt is." in journey.draft.text


def test_a_language_that_no_prompt_is_written_in_is_said(tmp_path: Path) -> None:
    in_language(tmp_path, UKRAINIAN)
    text = vlmdata.draft_recipe(tmp_path).text
    assert "# The texts look to be in the language 'uk': write the prompt in it too." in text
    assert "Describe this product." in text


def test_without_the_detector_a_person_is_asked_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_detector", lambda: None)
    in_language(tmp_path, POLISH)
    text = vlmdata.draft_recipe(tmp_path).text
    assert "# The texts do not look English: where they are not, write the prompt in their language too." in text


def test_nothing_is_said_of_english_texts(tmp_path: Path) -> None:
    Written().write(tmp_path / "products.csv", simple_rows(tmp_path, 40))
    assert "language" not in vlmdata.draft_recipe(tmp_path).text


def test_every_prompt_has_its_language_among_those_that_are_known() -> None:
    for kind in (language.PRODUCT, language.IMAGE):
        assert set(language.PROMPTS[kind]) == set(LANGUAGES)
