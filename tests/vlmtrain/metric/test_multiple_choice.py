"""Letters found in answers as models write them, and accuracy by row and by task."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vlmtrain.metric.answers import answered, fitted, overall
from vlmtrain.metric import Answered
from vlmtrain.metric.choosing import chosen
from vlmtrain.metric.multiple_choice import confusion

OPTIONS = {"A": "the first image", "B": "the second image", "C": "a mug", "D": "none of them"}

B = """
B
b
b.
(B)
 (b)
B)
**B**
**B.**
\uff22
Option B
Option B.
option (B)
B: the second image
B. the second image
B) the second image
B - the second image
B the second image
(B) the second image
**B: the second image**
The answer is (B)
The answer is B.
The answer is b.
The answer is: **B**
The answer is option B.
Answer: B
ANSWER: (B)
Answer: 'B'
Answer - B
Answer: **B: the second image**
Final answer: B
The correct option is **B**
The best answer to the question is B.
The answer is B because it is sharper than the others.
A is wrong because it is blurred, so the answer is B.
Option A shows a lamp and option C shows a cup. The answer is B.
B is correct.
(B) is the correct answer
I'd go with B.
It must be B
I choose B, since it is sharper.
the second image
The second image.
It is the second image
I think that it shows the second image, since it is sharper
$\\boxed{B}$
\\boxed{\\text{B}}
<think>A? Or C? The answer is A.</think>B
答案是B
答案:B。
正解はBです
정답은 B입니다
Ответ: B
Die richtige Antwort ist B.
La réponse est (B)
La respuesta es B
"B"
Answer: "B"
The answer is clearly (B).
The answer, I believe, is option B.
No, it is (B).
There is no doubt that the answer is B.
(B) because there is no dog in it.
B: there is no dog
A is not right, option B is
""".strip("\n").splitlines()

NOTHING = """

I don't know.
E
The answer is E
Z
A or B
The answer is A or B.
Both A and B
(A) and (B)
Option A and option B
The answer is A. No, the answer is B.
The answer is not B
It is not the second image.
It is not (B).
It can't be B.
Option B is wrong.
Option B isn't right.
(B) is not what is shown.
I would never choose option B
The first image or the second image
B: the first image
A man walks along a frame
An A-frame house
I see a vitamin C tablet
The answer is a matter of taste
<think>B
As an AI model, I can't see any images.
""".strip("\n").splitlines()


@pytest.mark.parametrize("answer", B)
def test_one_clear_letter_is_found(answer: str) -> None:
    assert chosen(answer, OPTIONS) == "B"


@pytest.mark.parametrize("answer", NOTHING)
def test_no_letter_or_several_are_never_a_guess(answer: str) -> None:
    assert chosen(answer, OPTIONS) is None


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B.\n\nThe second image is sharper, unlike A.", "B"),
        ("It is the sharper one.\n\nB", "B"),
        ("A: a lamp\nB: a cup\nAnswer: B", "B"),
        ("A: a lamp\nB: a cup", None),
        ("A\nB\nC", None),
        ("A. the first image B. the second image C. a mug D. none of them", None),
        ("A: the first image\nB: the second image\nI think it is the second image.", "B"),
        ("(A) the first image, (B) the second image: it is (B).", "B"),
        ("The answer is A because it is sharp", "A"),
        ("A mug is on the table", "C"),
        ("None of them.", "D"),
    ],
)
def test_an_answer_of_several_lines_or_with_small_words(answer: str, letter: str | None) -> None:
    assert chosen(answer, OPTIONS) == letter


def test_a_longer_option_is_not_mistaken_for_the_one_inside_it() -> None:
    colours = {"A": "red", "B": "dark red", "C": "blue"}
    assert chosen("It is a dark red mug", colours) == "B"
    assert chosen("It is a bored man", colours) is None
    assert chosen("A dark red mug and a red lamp", colours) is None


def test_yes_and_no_are_options_like_others() -> None:
    said = {"A": "Yes", "B": "No"}
    assert chosen("No, they are not alike.", said) == "B"
    assert chosen("yes", said) == "A"
    assert chosen("Yes and no", said) is None


def test_numbers_are_whole_numbers() -> None:
    counts = {"A": "2", "B": "3", "C": "3.5"}
    assert chosen("There are 3 cups.", counts) == "B"
    assert chosen("3.5", counts) == "C"
    assert chosen("It is 3.5 cm long", counts) == "C"
    assert chosen("2 cups and 3 plates", counts) is None


def test_two_options_with_one_text_are_told_apart_by_letter_only() -> None:
    same = {"A": "red", "B": "red"}
    assert chosen("red", same) is None
    assert chosen("B: red", same) == "B"


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("ABCDEFGH"), st.text("abc xyz", min_size=1, max_size=9), min_size=2), st.data())
def test_every_letter_is_found_however_it_is_adorned(options: dict[str, str], data: st.DataObject) -> None:
    letter = data.draw(st.sampled_from(sorted(options)))
    form = data.draw(st.sampled_from(["{}", "({})", "{}.", "**{}**", "The answer is {}.", "Answer: ({})", "Option {}"]))
    assert chosen(form.format(letter), options) == letter


@settings(deadline=None)
@given(st.text(max_size=60))
def test_whatever_is_said_an_option_or_nothing_is_chosen(answer: str) -> None:
    assert chosen(answer, OPTIONS) in {None, *OPTIONS}


def asked(prediction: str, right: str, task: str | None = None, **more: object) -> Answered:
    fields = {f"option.{letter}": text for letter, text in OPTIONS.items()} | {"answer": right}
    return answered(prediction, right, fields=fields, tags={"task": task} if task else {}, **more)


ASKED = [
    asked("B", "B", "ordering"),
    asked("(B)", "B", "ordering"),
    asked("A", "B", "ordering"),
    asked("I can't say.", "B", "ordering"),
    asked("C", "C", "counting"),
    asked("", "A", "counting", failed="the image was refused"),
    asked("C", "C"),
    answered("red", "red"),
]


def test_accuracy_counts_rows_and_by_task_counts_tasks() -> None:
    """4 of 7 rows are right; of the tasks 2 of 4 and 1 of 2, whatever their size; two answers choose nothing."""
    assert overall("multiple_choice", ASKED) == {
        "multiple_choice": pytest.approx(4 / 7),
        "multiple_choice.unparsed": pytest.approx(2 / 7),
        "multiple_choice.by_task": 0.5,
    }


def test_tasks_count_the_same_however_many_rows_they_have() -> None:
    rows = [asked("A", "A", "easy")] * 9 + [asked("A", "B", "hard")]
    scores = overall("multiple_choice", rows)
    assert (scores["multiple_choice"], scores["multiple_choice.by_task"]) == (0.9, 0.5)


def test_a_task_without_rows_in_a_sample_counts_for_nothing() -> None:
    metric = fitted("multiple_choice", ASKED)
    row = metric.sums(ASKED[0])["multiple_choice.by_task"]  # type: ignore[attr-defined]
    assert float(metric.value("multiple_choice.by_task", row)) == 1.0  # type: ignore[attr-defined]


def test_a_reference_in_words_is_read_like_an_answer() -> None:
    fields = {"option.A": "red", "option.B": "blue"}
    assert overall("multiple_choice", [answered("b", "blue", fields=fields)])["multiple_choice"] == 1.0


def test_confusion_says_which_letter_was_answered_for_which() -> None:
    assert confusion(ASKED) == {
        "A": {"unparsed": 1},
        "B": {"A": 1, "B": 2, "unparsed": 1},
        "C": {"C": 2},
    }
