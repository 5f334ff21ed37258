"""The screens of the rules about texts: they clear nothing that a closer look finds, and clean texts stay clean."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vlmdata.checked_texts import Turn, asked, batch_of, problems, with_screens, without_screens
from tests.vlmdata.test_check_text import FINE, IN_ANSWERS
from vlmdata.check.messages import check_messages
from vlmdata.check.text import Texts

SLIPS = [text for texts in IN_ANSWERS.values() for text in texts if len(text) < 400]
PROMPTS = [
    "You are a product copywriter for our shop.",
    "Write a short text about the vase that is shown below.",
    "请描述这张图片。",
    "What is in the picture?",
]
PIECES = [
    *PROMPTS,
    *SLIPS,
    *FINE,
    "\n",
    " ",
    "\u00a0",
    "\t",
    "“",
    ": ",
    ", ",
    "<",
    "{",
    "}}",
    "nan",
    "&",
    "\x85",
    "\u3000",
    "Ã",
    "â",
]

written = st.one_of(
    st.sampled_from(PIECES),
    st.sampled_from(PIECES).map(str.upper),
    st.sampled_from(PIECES).map(str.lower),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map(" ".join),
    st.text(max_size=30),
    st.text(alphabet="nNaeoul <>{}[]|/&;:,.!?\n-#\\\u200b\u00c3\u00a4\u20ac", max_size=20),
    st.tuples(st.sampled_from(SLIPS), st.integers(2, 5)).map(lambda drawn: " ".join([drawn[0]] * drawn[1])),
)
parts = st.lists(st.one_of(st.none(), written), min_size=1, max_size=4)
turns = st.lists(
    st.tuples(st.sampled_from(["user", "assistant", "system", "user", "assistant"]), parts), min_size=0, max_size=4
)


@settings(max_examples=120, deadline=None)
@given(st.lists(turns, min_size=0, max_size=5))
def test_a_screen_clears_nothing_that_a_closer_look_finds(conversations: list[list[Turn]]) -> None:
    batch = batch_of(conversations)
    assert with_screens(batch) == without_screens(batch)


def test_no_example_is_cleared_by_a_screen() -> None:
    forms = [form for text in SLIPS for form in (text, text.upper(), f"“{text}", f"  {text}\n", f"Blue. {text} Red.")]
    batch = batch_of([asked(form, form) for form in [*forms, *FINE]])
    assert with_screens(batch) == without_screens(batch)


@given(st.lists(turns, min_size=2, max_size=6), st.integers(0, 3), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_a_slice_of_a_batch_says_what_its_rows_say(conversations: list[list[Turn]], start: int, length: int) -> None:
    whole = batch_of(conversations)
    part = whole.slice(start, length)
    ids = set(part.column("id").to_pylist())
    assert with_screens(part) == {found for found in with_screens(whole) if found[0] in ids}
    of_rows = [problem for problem in check_messages(whole) if problem.id in ids]
    assert list(check_messages(part)) == of_rows


NOUNS = ("mug", "bag", "lamp", "chair", "bottle", "jacket", "watch")
WORDS = ("blue", "sturdy", "light", "Swiss", "waxed", "handmade", "round", "dark-green", "3-piece", "500 ml")
FRAMES = (
    "A {word} {noun} with a {other} lid stands on the table.",
    "This {noun} is {word}, {other} and easy to clean.",
    "Die {noun}-Serie ist {word} und {other} – größer als gedacht.",
    "Ce modèle {word} ({noun}) est très {other} : idéal pour l'été.",
    "It holds {number} ml; the {noun} weighs {number} g (without its {other} box).",
    "«{noun}» {word}, {other}: así de fácil, ¿no?",
    "{noun}：{word}、{other}、重さ{number}グラム。",
    "Kubek {noun} jest {word}, także {other}; waży {number} g.",
)
sentences = st.builds(
    lambda frame, noun, word, other, number: frame.format(noun=noun, word=word, other=other, number=number),
    st.sampled_from(FRAMES),
    st.sampled_from(NOUNS),
    st.sampled_from(WORDS),
    st.sampled_from(WORDS),
    st.integers(1, 9_999),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(sentences, min_size=1, max_size=5, unique=True), sentences)
def test_clean_sentences_raise_nothing(answer: list[str], question: str) -> None:
    said = " ".join(sentence for sentence in answer if sentence != question) or "A mug."
    assert problems(batch_of([asked(question, said)])) == []


def test_the_bytes_of_all_texts_stand_behind_each_other() -> None:
    columns = Texts(batch_of([asked("größer", "a mug"), asked("x", "")])).columns
    assert columns.data.tobytes().decode() == "größera mugx"
    assert columns.sizes.tolist() == [8, 5, 1, 0]
