"""The rules about the structure of messages."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vlmdata.checked_texts import Turn, asked, batch_of, found, problems, row_of
from vlmdata.check import checks
from vlmdata.check.messages import CHECKS, check_messages, roles_in_order, suspects
from vlmdata.check_settings import CheckSettings
from vlmdata.corpus import corpus_schema

U: Turn = ("user", ["What is it?"])
A: Turn = ("assistant", ["A blue mug."])
S: Turn = ("system", ["You describe products."])


@pytest.mark.parametrize("turns", [[U, A], [S, U, A], [U, A, U, A], [S, U, A, U, A]])
def test_turns_in_order_are_fine(turns: Sequence[Turn]) -> None:
    assert found(turns) == set()


@pytest.mark.parametrize(
    "turns", [[], [U], [A], [S], [A, U], [U, A, U], [U, U, A], [U, A, A], [S, A, U], [S, S, U, A], [U, S, A], [U, A, S]]
)
def test_turns_out_of_order_are_found(turns: Sequence[Turn]) -> None:
    assert "messages.roles" in found(turns)


def test_a_wrong_order_is_said_in_words() -> None:
    (problem,) = problems(batch_of([[U, A, U]]))
    assert str(problem) == (
        "mugs.csv:2 messages: the turns are user, assistant, user [messages.roles]"
        " a system turn or none, then user and assistant in turn, the assistant last"
    )
    (problem,) = problems(batch_of([[U, A] * 20 + [U]]))
    assert "user, assistant ... user (41 turns)" in problem.message


def test_an_unknown_role_is_found() -> None:
    assert "messages.unknown_role" in found([U, ("tool", ["It is blue."])])


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u00a0", "\u3000", "\u200b", "\ufeff \u00ad", "\x1f", "\x85"])
def test_a_text_without_anything_to_see_is_empty(blank: str) -> None:
    assert "text.empty" in found([U, ("assistant", [blank])])
    assert "text.empty" in found([("user", [None, blank]), A])


def test_a_turn_without_parts_is_empty() -> None:
    assert "text.empty" in found([("user", []), A])


def test_an_image_stands_in_the_question_only() -> None:
    assert found([("user", [None, "What is it?"]), A]) == set()
    assert found([U, ("assistant", [None, "A mug."])]) == {"messages.image_role"}
    assert found([("system", [None]), U, A]) == {"messages.image_role"}


def _changed(**changes: object) -> pa.RecordBatch:
    row = {**row_of(0, [("user", [None, "What is it?"]), A]), **changes}
    return pa.RecordBatch.from_pylist([row, row_of(1, [U, A])], schema=corpus_schema())


def test_images_and_their_parts_are_counted() -> None:
    (problem,) = problems(_changed(image_info=[]))
    assert (problem.rule, problem.message) == ("messages.images", "1 image part, but 0 images")
    assert problems(_changed(image_info=None))[0].rule == "messages.images"


def test_parts_of_no_known_kind_are_found() -> None:
    video = [{"role": "user", "content": [{"type": "video", "text": "What is it?"}]}]
    answer = {"role": "assistant", "content": [{"type": "text", "text": "A mug."}]}
    assert [problem.rule for problem in check_messages(_changed(messages=[*video, answer], image_info=[]))] == [
        "messages.part"
    ]
    labelled = [{"role": "user", "content": [{"type": "image", "text": "a mug"}]}, answer]
    assert "messages.part" in {problem.rule for problem in check_messages(_changed(messages=labelled))}


@pytest.mark.parametrize(
    "messages", [None, [], [None], [{"role": None, "content": None}], [{"role": "user", "content": [None]}]]
)
def test_what_is_null_is_found_and_breaks_nothing(messages: object) -> None:
    assert {problem.id for problem in problems(_changed(messages=messages))} == {"0"}


@given(st.lists(st.lists(st.sampled_from(["system", "user", "assistant", "bot"]), max_size=6), max_size=8))
def test_columns_judge_roles_as_a_loop_does(rows: list[list[str]]) -> None:
    batch = batch_of([[(role, ["Some words here."]) for role in roles] for roles in rows])
    wrong = [number for number, roles in enumerate(rows) if not roles_in_order(roles)]
    assert suspects(batch.column("messages"), [0] * len(rows)) == wrong


def test_rules_that_nobody_wants_are_not_looked_for() -> None:
    assert checks(CheckSettings(select=("images",))) == ()
    assert len(checks(CheckSettings(select=("text.html",)))) == 1
    assert len(checks()) == 3
    assert found([U, A, U], CheckSettings(select=("text.empty",))) == set()


def test_severities_are_as_settled() -> None:
    (problem,) = problems(batch_of([[U, A, U]]), CheckSettings(severities={"messages.roles": "warning"}))
    assert problem.severity == "warning"


def test_the_checks_of_structure_alone_stay_at_hand() -> None:
    batch = batch_of([asked("What is it?", "")])
    assert [problem.rule for check in CHECKS for problem in check(batch)] == ["text.empty"]
