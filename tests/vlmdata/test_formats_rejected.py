"""Rows of others' formats that are rejected, each by a named rule, and what a recipe may leave out of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vlmdata.one_row import IMAGE, PNG_BASE64, converted, shared, turns
from vlmdata.conversation_options import FORMATS
from vlmdata.record import Conversation, Rejection

CHAT = turns("Hi", "Hello")
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}


def parts(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}, {"role": "assistant", "content": "A"}]


def gemini(*parts: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}, {"role": "model", "parts": [{"text": "A"}]}]}


UNSUPPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "videos": ({"messages": turns("<video>Hi", "A"), "videos": ["a.mp4"]}, "video"),
    "video frames": ({"messages": turns("Hi", "A"), "images": [["1.png", "2.png"]]}, "video"),
    "a video part": ({"messages": parts({"type": "video", "video": "a.mp4"})}, "video"),
    "a video of Gemini": (gemini({"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/a.mp4"}}), "video"),
    "a video of TAO": ({"video_id": "a.mp4", "question": "Q", "answer": "A"}, "video"),
    "audios": ({"messages": turns("<audio>Hi", "A"), "audios": ["a.wav"]}, "audio"),
    "an audio part": ({"messages": parts({"type": "input_audio", "input_audio": {"data": "AA"}})}, "audio"),
    "an answer that is spoken": ({"messages": [CHAT[0], {**CHAT[1], "audio": {"id": "1"}}]}, "audio"),
    "a document": ({"messages": parts({"type": "document", "source": {"type": "base64", "data": "AA"}})}, "document"),
    "a file": ({"messages": parts({"type": "file", "file": {"file_id": "f"}})}, "document"),
    "a PDF of Gemini": (gemini({"inlineData": {"mimeType": "application/pdf", "data": "AA"}}), "document"),
    "a PDF as data": ({"messages": turns("Hi", "A"), "images": ["data:application/pdf;base64,AA"]}, "document"),
    "tools": ({"messages": CHAT, "tools": [{"type": "function"}]}, "tools"),
    "tools as JSON": ({"conversations": shared("Hi", "A"), "tools": '[{"name": "f"}]'}, "tools"),
    "tool calls": ({"messages": [CHAT[0], CALL, {"role": "tool", "content": "1"}, CHAT[1]]}, "tools"),
    "function calls": ({"messages": [CHAT[0], {**CALL, "tool_calls": None, "function_call": {"name": "f"}}]}, "tools"),
    "observations": (
        {"conversations": [*shared("Hi"), {"from": "function_call", "value": "{}"},
                           {"from": "observation", "value": "1"}, *shared("", "A")[1:]]}, "tools"),
    "tool use": (
        {"messages": [CHAT[0], {"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]}]}, "tools"),
    "tool use of Gemini": (gemini({"functionCall": {"name": "f"}}), "tools"),
    "boxes": ({"messages": CHAT, "objects": {"ref": ["a"], "bbox": [[1, 2, 3, 4]]}}, "boxes"),
    "boxes of another key": (
        {"image": "a", "bboxes": [[1, 2, 3, 4]], "conversations": shared("<image>Hi", "A")}, "boxes"),
    "chosen and rejected": ({"prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": CHAT[1:]}, "preference"),
    "a rejected response": ({"messages": CHAT, "rejected_response": "No."}, "preference"),
    "preferred output": ({"input": {"messages": CHAT[:1]}, "preferred_output": CHAT[1:]}, "preference"),
    "a good or bad label": ({"messages": CHAT, "label": False}, "preference"),
    "reasoning of TAO": ({"image_id": "a", "question": "Q", "answer": "A", "reasoning": "Because."}, "reasoning"),
    "reasoning content": ({"messages": [CHAT[0], {**CHAT[1], "reasoning_content": "So."}]}, "reasoning"),
    "thinking": (
        {"messages": [CHAT[0], {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "So."}, {"type": "text", "text": "A"}]}]}, "reasoning"),
    "a thought of Gemini": (gemini({"text": "So.", "thought": True}), "reasoning"),
    "loss": ({"messages": [*CHAT, CHAT[0], {**CHAT[1], "loss": False}]}, "loss"),
    "a weight": ({"messages": [*CHAT, CHAT[0], {**CHAT[1], "weight": 0}]}, "loss"),
    "a loss weight of the user's": ({"messages": [{**CHAT[0], "loss_weight": 1.0}, CHAT[1]]}, "loss"),
    "a channel": ({"messages": CHAT, "channel": "math"}, "loss"),
    "a format of the answer": ({"messages": CHAT, "response_format": {"type": "json_object"}}, "response_format"),
    "a refusal": ({"messages": [CHAT[0], {"role": "assistant", "content": None, "refusal": "No."}]}, "refusal"),
    "a format that nobody knows": ({"ask": "Hi", "reply": "Hello"}, "format"),
    "a part that nobody knows": ({"messages": parts({"type": "hologram", "value": 1})}, "part"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_a_dataset_can_not_hold_is_rejected_by_name(case: str) -> None:
    row, rule = UNSUPPORTED[case]
    assert f"unsupported.{rule}" in converted(row).rules


def test_empty_keys_hold_nothing() -> None:
    empty = {"tools": [], "tool_calls": None, "videos": [], "objects": {"ref": [], "bbox": []}, "rejected_response": "",
             "chosen": None, "reasoning": "", "functions": "[]"}  # fmt: skip
    assert converted({**empty, "messages": [CHAT[0], {**CHAT[1], "tool_calls": [], "function_call": None}]}).said
    assert converted({"messages": [CHAT[0], {**CHAT[1], "weight": 1, "loss": True, "loss_scale": 1.0}]}).said
    assert converted({"messages": CHAT, "response_format": {"type": "text"}}).said
    assert converted(gemini({"text": "Hi", "thought": False})).said


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        ({"messages": CHAT, "tools": ["f"]}, "tools", ["Hi", "Hello"]),
        ({"messages": [CHAT[0], CALL, {"role": "tool", "content": "1"}, CHAT[1]]}, "tools", ["Hi", "Hello"]),
        ({"messages": CHAT, "objects": {"bbox": [[1, 2]]}}, "boxes", ["Hi", "Hello"]),
        ({"messages": CHAT, "rejected_response": "No."}, "rejected_response", ["Hi", "Hello"]),
        ({"messages": [CHAT[0], {**CHAT[1], "reasoning_content": "So."}]}, "reasoning", ["Hi", "Hello"]),
        ({"messages": CHAT, "channel": "math"}, "loss", ["Hi", "Hello"]),
        ({"messages": CHAT, "response_format": {"type": "json_object"}}, "response_format", ["Hi", "Hello"]),
    ],
)
def test_what_may_be_dropped_is_left_out_and_counted(row: dict[str, Any], kind: str, said: list[str]) -> None:
    assert "unsupported" in converted(row).rules[0]
    result = converted(row, drop=[kind])
    assert [text for _, (text,) in result.said] == said
    assert {rule for rule, _ in result.left_out} == {f"import.dropped_{kind}"}


def test_a_text_with_the_places_of_boxes_is_rejected_even_without_them() -> None:
    row = {"messages": turns("Find <ref-object>", "<bbox>"), "objects": {"ref": ["a"], "bbox": [[1, 2, 3, 4]]}}
    assert converted(row, "swift", drop=["boxes"]).rules == ("unsupported.boxes",)


def test_a_judgement_is_never_dropped() -> None:
    row = {"messages": CHAT, "label": False}
    assert converted(row, drop=["rejected_response", "loss"]).rules == ("unsupported.preference",)


@pytest.mark.parametrize("name", ["llava", "sharegpt"])
@pytest.mark.parametrize(
    ("first", "images", "words"),
    [
        ("<image><image>Hi", ["a"], "2 <image> markers, but 1 image"),
        ("<image>Hi", ["a", "b"], "1 <image> marker, but 2 images"),
        ("Hi", ["a"], "no <image> marker, but 1 image"),
        ("<image>Hi", [], "1 <image> marker, but no image"),
        ("<image>Hi", None, "1 <image> marker, but no image"),
    ],
)
def test_markers_and_images_must_be_as_many(name: str, first: str, images: Any, words: str) -> None:
    result = converted({"conversations": shared(first, "A"), "images": images}, name)
    assert result.rules == ("messages.images",)
    assert words in result.words


def test_a_key_that_seems_to_name_the_images_is_said() -> None:
    row = {"conversations": shared("<image>Hi", "A"), "images_file_names": ["images/a.jpg"], "kind": "mug"}
    result = converted(row, "llava")
    assert result.rules == ("messages.images",)
    assert "(--map images=images_file_names)" in str(result)
    assert "--map" not in str(converted({"conversations": shared("<image>Hi", "A"), "kind": "mug"}, "llava"))


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"conversations": shared("Hi", "<image>"), "image": "a"}, "llava"),
        ({"messages": [{"role": "system", "content": "<image>"}, *CHAT], "images": ["a"]}, "swift"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": [{"type": "image", "image": "a"}]}]}, "trl"),
    ],
)
def test_an_image_stands_in_the_users_turn_alone(row: dict[str, Any], name: str) -> None:
    assert "messages.image_role" in converted(row, name).rules


@pytest.mark.parametrize(
    ("row", "rule", "words"),
    [
        ({"messages": [{"role": "narrator", "content": "Hi"}, CHAT[1]]}, "messages.unknown_role", "'narrator'"),
        ({"messages": [{"content": "Hi", "role": None}, CHAT[1]]}, "messages.unknown_role", "says not who speaks"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": None}]}, "messages.content", "has no content"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": {"a": 1}}]}, "messages.part", "the keys 'a'"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": 7}]}, "messages.content", "found 7"),
        ({"messages": [CHAT[0], "Hello"]}, "messages.shape", "found 'Hello'"),
        ({"messages": parts({"type": "text"})}, "messages.part", "nothing where the text belongs"),
        ({"messages": parts({"type": "image_url", "image_url": {}})}, "images.value", "names no image"),
        ({"messages": parts({"type": "input_image", "file_id": "f-1"})}, "images.uploaded", "'f-1'"),
        ({"messages": parts({"type": "image", "source": {"type": "file", "file_id": "f"}})}, "images.uploaded", "'f'"),
        ({"messages": parts({"type": "image", "source": {"type": "magic"}})}, "images.value", "the keys 'type'"),
        ({"messages": turns("Hi", "A"), "images": [7]}, "images.value", "found 7"),
        ({"messages": turns("Hi", "A"), "images": ["a", ""]}, "images.value", "images[1]"),
        (gemini({"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x/a.png"}}), "images.bucket",
         "gcloud storage rsync -r gs://b/x/ images"),
        ({"question": "Q", "answer": "A", "output": "B"}, "import.ambiguous", "each of answer, output could be"),
        ({"conversation": [{"human": "Q"}]}, "messages.shape", "the keys 'human'"),
        ({"query": "Q", "response": "A", "history": ["B"]}, "messages.shape", "history[0]"),
    ],
)  # fmt: skip
def test_a_broken_row_is_rejected_with_its_reason(row: dict[str, Any], rule: str, words: str) -> None:
    result = converted(row)
    assert rule in result.rules
    assert words in result.words


def test_images_that_a_format_does_not_read_are_not_left_out() -> None:
    row = {"messages": CHAT, "images": ["a.png"]}
    assert converted(row, "openai").rules == ("messages.images",)
    assert converted(row, "anthropic").rules == ("messages.images",)


@pytest.mark.parametrize(("images", "rule"), [({"max": 1}, "images.too_many"), ({"min": 3}, "images.too_few")])
def test_a_recipe_bounds_the_number_of_images(images: dict[str, int], rule: str) -> None:
    row = {"messages": turns("<image><image>Hi", "A"), "images": ["a", "b"]}
    assert converted(row, recipe={"images": images}).rules == (rule,)
    assert converted({"messages": CHAT}, recipe={"images": {"max": 1}}).said
    assert converted({"messages": CHAT}, recipe={"images": {"min": 1}}).rules == ("images.none",)


def test_a_key_that_a_map_hides_is_counted() -> None:
    row = {"messages": CHAT, "dialog": turns("Bye", "See you")}
    result = converted(row, "openai", map={"messages": "dialog"})
    assert result.said[0] == ("user", ["Bye"])
    assert result.left_out == [("import.left_out", "messages")]


def test_all_faults_of_a_row_are_named_at_once() -> None:
    row = {"messages": [{"role": "narrator", "content": "Hi"}, CHAT[1]], "videos": ["v"], "tools": ["t"]}
    assert set(converted(row).rules) == {"messages.unknown_role", "unsupported.video", "unsupported.tools"}


@pytest.mark.parametrize("last", ["user", "assistant twice"])
def test_turns_out_of_order_are_left_to_the_check_of_roles(last: str) -> None:
    row = {"messages": [*CHAT, CHAT[0]] if last == "user" else [*CHAT, CHAT[1]]}
    assert len(converted(row, "openai").said) == 3


def test_two_texts_of_the_user_are_not_joined() -> None:
    result = converted({"messages": [CHAT[0], CHAT[0], CHAT[1]]}, "openai")
    assert [role for role, _ in result.said] == ["user", "user", "assistant"]
    assert result.left_out == []


def test_joined_turns_are_counted() -> None:
    row = {"messages": [CHAT[0], *parts({"type": "image_url", "image_url": {"url": "https://h.org/a.png"}})]}
    result = converted(row)
    assert result.said[0] == ("user", ["Hi", IMAGE])
    assert result.left_out == [("import.joined_turns", "messages[1]")]


def test_an_id_that_the_recipe_asks_for_must_be_there() -> None:
    assert converted({"messages": CHAT}, recipe={"id": "key"}).rules == ("id.empty",)


KEYS = st.sampled_from(
    ["messages", "conversations", "images", "image", "role", "from", "content", "value", "type", "text", "image_url",
     "source", "parts", "contents", "query", "response", "tools", "index", "bytes", "path", "prompt", "completion",
     "instruction", "output", "question", "answer", "image_id", "history", "system", "__key__", "json", "label"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(
    ["user", "assistant", "human", "gpt", "text", "image", "<image>", "a.png", "", "[", "{", "[1]", PNG_BASE64,
     "data:x"]
) | st.binary(max_size=3)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=400)
@given(row=st.dictionaries(KEYS, VALUES, max_size=5), name=st.sampled_from(["auto", *FORMATS]))
def test_any_row_is_a_conversation_or_a_rejection(row: dict[str, Any], name: str) -> None:
    made = converted(row, name).made
    assert isinstance(made, Conversation | Rejection)
    if isinstance(made, Conversation):
        places = sum(part.text is None for turn in made.messages for part in turn.content)
        assert places == len(made.images)
        assert all(turn.role == "user" or all(part.text is not None for part in turn.content) for turn in made.messages)
