"""Rows of others' formats: every turn and every image in its place, as the format's own trainers bind them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vlmdata.one_row import IMAGE, PNG, PNG_ADDRESS, PNG_BASE64, converted, shared, turns
from vlmdata.record import Conversation, InlineImage

QA = [("user", [IMAGE, "What is it?"]), ("assistant", ["A mug."])]
TEXT_FIRST = [("user", ["What is it?", IMAGE]), ("assistant", ["A mug."])]
HERE = "a.png"

ROWS: dict[str, tuple[dict[str, Any], str, tuple[Any, ...]]] = {
    "llava, marker and newline first": (
        {"id": "1", "image": HERE, "conversations": shared("<image>\nWhat is it?", "A mug.")}, "llava", (HERE,)),
    "llava, marker and newline last": (
        {"id": "1", "image": HERE, "conversations": shared("What is it?\n<image>", "A mug.")}, "llava", (HERE,)),
    "sharegpt": (
        {"conversations": shared("<image>What is it?", "A mug."), "images": [HERE]}, "sharegpt", (HERE,)),
    "sharegpt with roles": (
        {"messages": turns("<image>What is it?", "A mug."), "images": [HERE]}, "sharegpt", (HERE,)),
    "sharegpt, images one text": (
        {"messages": turns("<image>What is it?", "A mug."), "images": HERE}, "sharegpt", (HERE,)),
    "sharegpt, newer parts": (
        {"messages": [
            {"role": "user", "loss_weight": 0.0, "content": [
                {"type": "image_url", "value": HERE}, {"type": "text", "value": "What is it?"}]},
            {"role": "assistant", "content": [{"type": "text", "value": "A mug."}], "loss_weight": 1.0}]},
        "sharegpt", (HERE,)),
    "alpaca": (
        {"instruction": "<image>What", "input": "is it?", "output": "A mug.", "images": [HERE]}, "sharegpt", (HERE,)),
    "swift": (
        {"messages": turns("<image>What is it?", "A mug."), "images": [HERE]}, "swift", (HERE,)),
    "swift without a marker": (
        {"messages": turns("What is it?", "A mug."), "images": [HERE]}, "swift", (HERE,)),
    "swift, images with bytes": (
        {"messages": turns("What is it?", "A mug."), "images": [{"bytes": PNG, "path": "x/a.png"}]}, "swift",
        (InlineImage(data=PNG, name="a.png"),)),
    "swift, images with a path": (
        {"messages": turns("What is it?", "A mug."), "images": [{"bytes": None, "path": HERE}]}, "swift", (HERE,)),
    "swift, base64": (
        {"messages": turns("What is it?", "A mug."), "images": [PNG_ADDRESS]}, "swift", (PNG_ADDRESS,)),
    "swift, query and response": (
        {"query": "What is it?", "response": "A mug.", "image": HERE}, "swift", (HERE,)),
    "swift, named in the text": (
        {"query": f"<img>{HERE}</img>What is it?", "response": "A mug."}, "swift", (HERE,)),
    "swift, other names and case": (
        {"Question": "<image>What is it?", "answer": "A mug.", "images": [HERE]}, "swift", (HERE,)),
    "swift, pairs": (
        {"conversation": [{"human": "<image>What is it?", "assistant": "A mug."}], "images": [HERE]}, "swift", (HERE,)),
    "openai": (
        {"messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_ADDRESS, "detail": "auto"}},
                                         {"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": "A mug.", "weight": 1, "refusal": None, "tool_calls": []}]},
        "openai", (PNG_ADDRESS,)),
    "openai, the question in a message of its own": (
        {"messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h.org/a.png"}}]},
            {"role": "user", "content": "What is it?"},
            {"role": "assistant", "content": [{"type": "text", "text": "A mug."}]}]},
        "openai", ("https://h.org/a.png",)),
    "openai, names of the Responses API": (
        {"messages": [
            {"role": "user", "content": [{"type": "input_image", "image_url": PNG_ADDRESS},
                                         {"type": "input_text", "text": "What is it?"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "A mug.", "annotations": []}]}]},
        "openai", (PNG_ADDRESS,)),
    "anthropic": (
        {"messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}},
                {"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A mug."}]}]},
        "anthropic", (PNG_ADDRESS,)),
    "anthropic by address": (
        {"messages": [
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://h.org/a.png"}},
                                         {"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": "A mug."}]},
        "anthropic", ("https://h.org/a.png",)),
    "oumi": (
        {"messages": [
            {"role": "user", "content": [{"type": "image_path", "content": HERE},
                                         {"type": "text", "content": "What is it?"}]},
            {"role": "assistant", "content": "A mug."}]},
        "oumi", (HERE,)),
    "oumi, binary": (
        {"conversation_id": "c", "messages": [
            {"role": "user", "content": [{"type": "image_binary", "binary": PNG_BASE64},
                                         {"type": "text", "content": "What is it?"}]},
            {"role": "assistant", "content": "A mug."}]},
        "oumi", (f"data:;base64,{PNG_BASE64}",)),
    "oumi, the conversation as a whole": (
        {"conversation": {"messages": [
            {"role": "user", "content": [{"type": "image_url", "content": HERE},
                                         {"type": "text", "content": "What is it?"}]},
            {"role": "assistant", "content": "A mug."}]}},
        "oumi", (HERE,)),
    "gemini": (
        {"contents": [
            {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG_BASE64}},
                                       {"text": "What is it?"}]},
            {"role": "model", "parts": [{"text": "A mug."}]}]},
        "gemini", (PNG_ADDRESS,)),
    "gemini, other spelling": (
        {"contents": [
            {"role": "user", "parts": [{"file_data": {"mime_type": "image/png", "file_uri": "https://h.org/a.png"}},
                                       {"text": "What is it?"}]},
            {"role": "model", "parts": [{"text": "A mug."}]}]},
        "gemini", ("https://h.org/a.png",)),
    "trl": (
        {"messages": [
            {"role": "user", "content": [{"type": "image", "text": None, "index": 0},
                                         {"type": "text", "text": "What is it?", "index": None}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A mug.", "index": None}]}],
         "images": [{"bytes": PNG, "path": None}]},
        "trl", (InlineImage(data=PNG, name=""),)),
    "trl, plain texts": (
        {"messages": turns("What is it?", "A mug."), "images": [HERE]}, "trl", (HERE,)),
    "trl, prompt and completion": (
        {"prompt": turns("What is it?"), "completion": [{"role": "assistant", "content": "A mug."}], "image": HERE},
        "trl", (HERE,)),
    "trl, plain prompt and completion": (
        {"prompt": "What is it?", "completion": "A mug.", "images": [HERE]}, "trl", (HERE,)),
    "transformers, the image in its part": (
        {"messages": [{"role": "user", "content": [{"type": "image", "image": HERE},
                                                   {"type": "text", "text": "What is it?", "image": None}]},
                      {"role": "assistant", "content": "A mug."}]}, "trl", (HERE,)),
    "messages as JSON, as a table holds them": (
        {"messages": '[{"role": "user", "content": "<image>What is it?"}, {"role": "assistant", "content": "A mug."}]',
         "images": [HERE]}, "sharegpt", (HERE,)),
    "tao_vl_reason": (
        {"image_id": HERE, "question": "What is it?", "answer": "A mug.", "item_index": "0"}, "tao_vl_reason", (HERE,)),
    "tao_vl_reason with a media root": (
        {"image_id": HERE, "question": "What is it?", "answer": "A mug.", "media_root": "media/"}, "tao_vl_reason",
        ("media/a.png",)),
}  # fmt: skip


@pytest.mark.parametrize("named", [True, False], ids=["named", "auto"])
@pytest.mark.parametrize("case", ROWS)
def test_a_row_is_read_and_its_image_bound(case: str, named: bool) -> None:
    row, name, images = ROWS[case]
    result = converted(row, name if named else "auto")
    if case in {"llava, marker and newline last"}:
        assert result.said == TEXT_FIRST
    elif case == "alpaca":
        assert result.said == [("user", [IMAGE, "What\nis it?"]), ("assistant", ["A mug."])]
    else:
        assert result.said == QA
    assert result.images == images


def test_text_only_rows_are_read_in_every_format_of_messages() -> None:
    row = {"messages": [{"role": "system", "content": "Be brief."}, *turns("Hi", "Hello", "And?", "Bye")]}
    for name in ("auto", "llava", "sharegpt", "swift", "openai", "anthropic", "oumi", "trl"):
        assert converted(row, name).said == [
            ("system", ["Be brief."]), ("user", ["Hi"]), ("assistant", ["Hello"]), ("user", ["And?"]),
            ("assistant", ["Bye"]),
        ]  # fmt: skip


def test_the_system_prompt_may_stand_beside_the_messages() -> None:
    for name in ("sharegpt", "swift", "openai", "anthropic", "oumi", "trl"):
        assert converted({"system": "Be brief.", "messages": turns("Hi", "Hello")}, name).said[0] == (
            "system",
            ["Be brief."],
        )
    row = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}]}
    for system in ({"role": "system", "parts": [{"text": "Be brief."}]}, {"parts": {"text": "Be brief."}}, "Be brief."):
        assert converted({**row, "systemInstruction": system}).said[0] == ("system", ["Be brief."])
    blocks = [{"type": "text", "text": "Be brief."}]
    assert converted({"system": blocks, "messages": turns("Hi", "Hello")}, "anthropic").said[0][1] == ["Be brief."]


def test_a_system_turn_wins_over_the_prompt_beside_it_and_that_is_counted() -> None:
    row = {"system": "Be long.", "messages": [{"role": "system", "content": "Be brief."}, *turns("Hi", "Hello")]}
    result = converted(row, "sharegpt")
    assert result.said[0] == ("system", ["Be brief."])
    assert result.left_out == [("import.left_out", "system")]


def test_the_developer_speaks_for_the_system() -> None:
    row = {"messages": [{"role": "developer", "content": "Be brief."}, *turns("Hi", "Hello")]}
    assert converted(row, "openai").said[0] == ("system", ["Be brief."])


def test_images_of_several_turns_keep_their_order() -> None:
    row = {
        "messages": turns("<image>Who?", "She.", "And here?<image> or <image>?", "He."),
        "images": ["1.png", "2.png", "1.png"],
    }
    for name in ("sharegpt", "swift"):
        result = converted(row, name)
        assert result.said[0][1] == [IMAGE, "Who?"]
        assert result.said[2][1] == ["And here?", IMAGE, " or ", IMAGE, "?"]
        assert result.images == ("1.png", "2.png", "1.png")


def test_swift_puts_the_missing_markers_first() -> None:
    row = {"messages": [{"role": "system", "content": "S"}, *turns("Hi", "Hello", "Look<image>", "I see")],
           "images": ["1.png", "2.png", "3.png"]}  # fmt: skip
    result = converted(row, "swift")
    assert [said for _, said in result.said] == [["S"], [IMAGE, IMAGE, "Hi"], ["Hello"], ["Look", IMAGE], ["I see"]]
    assert result.images == ("1.png", "2.png", "3.png")


def test_swift_reads_history_before_the_query() -> None:
    row = {"query": "<image>C", "response": "D", "history": [["<image>A", "B"]], "images": ["1.png", "2.png"]}
    assert converted(row).said == [
        ("user", [IMAGE, "A"]), ("assistant", ["B"]), ("user", [IMAGE, "C"]), ("assistant", ["D"])
    ]  # fmt: skip
    named = {"query": "<img>2.png</img>C", "response": "D", "history": [["<img>1.png</img>A", "B"]]}
    assert converted(named).images == ("1.png", "2.png")


def test_trl_takes_the_images_that_the_parts_number() -> None:
    parts = [{"type": "image", "index": 1}, {"type": "image", "index": 0}, {"type": "text", "text": "Which?"}]
    row = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "The first."}],
           "images": ["0.png", "1.png"]}  # fmt: skip
    assert converted(row).images == ("1.png", "0.png")
    row["images"] = ["0.png"]
    assert converted(row).rules == ("messages.images",)


@pytest.mark.parametrize("name", ["openai", "anthropic", "oumi", "trl"])
def test_a_literal_marker_is_text_where_parts_name_the_images(name: str) -> None:
    row = {"messages": turns("What does <image> mean in HTML?", "Nothing: it is <img>.")}
    assert converted(row, name).said[0][1] == ["What does <image> mean in HTML?"]


@pytest.mark.parametrize("text", ["  two  spaces \n\n and a newline \n", "\ttab", "ends with space "])
def test_white_space_is_kept(text: str) -> None:
    assert converted({"conversations": shared(text, text)}, "llava").said[0][1] == [text]
    assert converted({"messages": turns(text, text)}, "openai").said == [("user", [text]), ("assistant", [text])]
    result = converted({"image": "a.png", "conversations": shared(f"<image>\n{text}", "A")}, "llava")
    assert result.said[0][1] == [IMAGE, text]


def test_blank_text_between_markers_is_no_part() -> None:
    row = {"image": ["1.png", "2.png"], "conversations": shared("<image>\n<image>\nCompare.", "Equal.")}
    assert converted(row, "llava").said[0][1] == [IMAGE, IMAGE, "Compare."]


def test_blank_text_between_parts_is_left_out_and_counted() -> None:
    parts = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "\n"}, {"type": "text", "text": "What?"}]
    result = converted({"messages": [{"role": "user", "content": parts}, *turns("", "A")[1:]]}, "trl")
    assert result.said[0][1] == [IMAGE, "What?"]
    assert result.left_out == [("import.blank_text", "messages[].content")]


def test_what_changes_nothing_is_left_out_and_counted() -> None:
    row = {"id": 7, "image": "a.png", "model": "gpt-4", "source": "coco", "tools": [], "videos": None,
           "conversations": shared("<image>\nWhat?", "A mug.")}  # fmt: skip
    result = converted(row, "llava")
    assert result.left_out == [("import.left_out", "model"), ("import.left_out", "source")]
    assert isinstance(result.made, Conversation)
    assert result.made.id == "7"


def test_keys_that_the_recipe_names_are_kept() -> None:
    row = {"id": "x", "source": "coco", "score": 0.5, "meta": {"a": [1]}, "conversations": shared("Hi", "Hello")}
    made = converted(row, recipe={"fields": ["score", "meta"], "tags": ["source", "absent"], "group": "source"}).made
    assert isinstance(made, Conversation)
    assert (made.id, made.group, made.tags) == ("x", "coco", {"source": "coco"})
    assert made.fields == {"score": "0.5", "meta": '{"a": [1]}'}


def test_a_row_without_an_id_is_named_after_its_values() -> None:
    row = {"messages": turns("Hi", "Hello")}
    first, second = converted(row).made, converted({**row, "id": " "}).made
    assert isinstance(first, Conversation)
    assert isinstance(second, Conversation)
    assert len(first.id) == len(second.id) == 16
    assert first.group == first.id


def test_other_words_are_understood_with_a_map() -> None:
    row = {
        "dialog": [{"speaker": "customer", "said": "<image>Hi"}, {"speaker": "agent", "said": "Hello"}],
        "pics": ["a"],
    }
    words = {"messages": "dialog", "role": "speaker", "content": "said", "user": "customer", "assistant": "agent",
             "images": "pics"}  # fmt: skip
    result = converted(row, "sharegpt", map=words)
    assert result.said == [("user", [IMAGE, "Hi"]), ("assistant", ["Hello"])]
    assert converted(row, map=words).said == result.said


def test_paths_and_buckets_are_rebased() -> None:
    row = {"messages": turns("<image><image>Hi", "Hello"), "images": ["/data/coco/1.png", "file:///data/2.png"]}
    rebase = {"/data/": "", "/data/coco/": "coco/"}
    assert converted(row, "swift", rebase=rebase).images == ("coco/1.png", "2.png")
    bucket = {"contents": [
        {"role": "user",
         "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x/1.png"}}, {"text": "?"}]},
        {"role": "model", "parts": [{"text": "A"}]}]}  # fmt: skip
    assert converted(bucket, rebase={"gs://b/": "images/"}).images == ("images/x/1.png",)


def test_a_condition_may_ask_for_keys_that_a_row_lacks() -> None:
    row = {"messages": turns("Hi", "Hello"), "lang": "de"}
    assert isinstance(converted(row, where="lang == 'de' and not quality").made, Conversation)
    assert not isinstance(converted(row, where="quality == 'good'").made, Conversation)


def test_dotted_paths_are_followed_and_refused_where_they_lead_into_text() -> None:
    row = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}]}
    keys = {"id": "meta.no", "group": "meta.shop", "tags": ["meta.kind"], "fields": ["meta.size"]}
    made = converted({**row, "meta": {"no": 7, "shop": "north", "kind": "mug", "size": "L"}}, recipe=keys).made
    assert isinstance(made, Conversation)
    assert (made.id, made.group, made.tags, made.fields) == ("7", "north", {"meta.kind": "mug"}, {"meta.size": "L"})
    result = converted({**row, "meta": '{"size": "L"}'}, recipe={"fields": ["meta.size"]})
    assert result.rules == ("row.value",)
    assert "keys and values were expected" in result.words
