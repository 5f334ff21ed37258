"""Answers that people wrote into a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.vlmdata.description.asking import ASK, FULL, SETTINGS, reply
from vlmdata.description.answer_file import open_provider
from vlmdata.description.provider import ProviderSettings, Reply
from vlmdata.errors import ConfigError


def settings(path: Path, *lines: str) -> ProviderSettings:
    path = path / "answers.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return replace(SETTINGS, path=path)


def asked(tmp_path: Path, *lines: str, row: str = "sku-1") -> Reply:
    return reply(open_provider, settings(tmp_path, *lines), replace(ASK, id=row))


def test_an_answer_is_found_by_the_rows_id(tmp_path: Path) -> None:
    lines = ['{"id": "sku-0", "text": "No."}', "", '{"id": "sku-1", "text": "Ein grüner Krug."}']
    found = asked(tmp_path, *lines)
    assert (found.text, found.finish, found.model) == ("Ein grüner Krug.", "stop", "file")


def test_the_requests_own_key_comes_before_the_id(tmp_path: Path) -> None:
    lines = ['{"id": "sku-1", "text": "By id."}', '{"key": "k1", "text": "By key."}']
    assert asked(tmp_path, *lines).text == "By key."


def test_a_number_names_a_row_too(tmp_path: Path) -> None:
    assert asked(tmp_path, '{"id": 17, "text": "By number."}', row="17").text == "By number."


def test_what_follows_a_schema_is_given_as_json(tmp_path: Path) -> None:
    found = reply(open_provider, settings(tmp_path, '{"id": "v", "answer": {"text": "Ü"}}'), replace(FULL, id="v"))
    assert found.text == '{"text": "Ü"}'


def test_a_row_without_an_answer_is_empty_and_says_where_it_is_missing(tmp_path: Path) -> None:
    found = asked(tmp_path, '{"id": "other", "text": "Text."}')
    assert (found.finish, found.reason) == ("empty", "not in answers.jsonl")


def test_an_answer_without_words_is_empty(tmp_path: Path) -> None:
    assert asked(tmp_path, '{"id": "sku-1", "text": "  "}').finish == "empty"


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    lines = [
        '{"id": "a", "text": "Fine."}',
        "not json",
        '["a list"]',
        '{"text": "Whose?"}',
        '{"id": "b"}',
        '{"id": "c", "text": 5}',
        '{"id": "a", "text": "Again."}',
        '{"id": ["x"], "text": "Whose?"}',
        '{"id": ' + "[" * 5_000,
    ]
    with pytest.raises(ConfigError) as caught:
        open_provider(settings(tmp_path, *lines))
    assert str(caught.value).splitlines() == [
        "the file of answers can't be used as it is:",
        'answers.jsonl:2: no JSON; expected {"id": ..., "text": ...}',
        'answers.jsonl:3: list found; expected {"id": ..., "text": ...}',
        'answers.jsonl:4: neither "id" nor "key" says which row this answers',
        'answers.jsonl:5: "text" is missing, or no text',
        'answers.jsonl:6: "text" is missing, or no text',
        "answers.jsonl:7: id 'a' has an answer already, in an earlier line",
        'answers.jsonl:8: neither "id" nor "key" says which row this answers',
        'answers.jsonl:9: JSON that is nested too deeply; expected {"id": ..., "text": ...}',
    ]


def test_a_long_list_of_mistakes_is_cut_with_a_count(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="and 5 more"):
        open_provider(settings(tmp_path, *["{}"] * 25))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl: the file of answers can't be read: No such file"):
        open_provider(replace(SETTINGS, path=tmp_path / "gone.jsonl"))
    with pytest.raises(ConfigError, match="needs the name"):
        open_provider(SETTINGS)
