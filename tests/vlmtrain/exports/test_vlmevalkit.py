"""The TSV for VLMEvalKit, read back with pandas as VLMEvalKit reads it."""

from __future__ import annotations

import ast
import base64
import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.vlmtrain.small_data import image, picture, row
from vlmtrain.evaluation import answered_rows
from vlmtrain.exports.vlmevalkit import vlmevalkit_tsv
from vlmtrain.generation import Answer

CHOICE = [{"name": f"option.{letter}", "value": text} for letter, text in {"A": "the first", "B": 'a "second"'}.items()]
ROWS = [
    row(
        "q-1",
        [("user", [image(), image(), 'Which is\tred?\nA: the first\nB: a "second"']), ("assistant", ["B"])],
        [picture("red"), picture("blue")],
        fields=CHOICE,
        tags=[{"name": "task", "value": "colours"}],
    ),
    row("q-2", [("user", [image(), "Beschreibe die Größe."]), ("assistant", ["红色\nund groß"])], [picture("red")]),
    row("q-3", [("user", ["No image"]), ("assistant", ["none here"])]),
]
TEXTS = ("The answer is B", 'red\n\n"big"\t', "")
ANSWERS = [Answer(id=row["id"], text=text, tokens=1) for row, text in zip(ROWS, TEXTS, strict=True)]


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    path = tmp_path / "shop.tsv"
    vlmevalkit_tsv(ROWS, answered_rows(ROWS, ANSWERS), path, split="test")
    assert [file.name for file in tmp_path.iterdir()] == ["shop.tsv"]
    return pd.read_csv(path, sep="\t")


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_every_row_has_its_question_options_answer_and_prediction(table: pd.DataFrame) -> None:
    assert list(table["index"]) == [0, 1, 2]
    assert list(table["id"]) == ["q-1", "q-2", "q-3"]
    assert list(table["question"]) == ["Which is\tred?", "Beschreibe die Größe.", "No image"]
    assert (table["A"][0], table["B"][0], table["answer"][0]) == ("the first", 'a "second"', "B")
    assert table["prediction"][1] == 'red\n\n"big"\t'
    assert table["answer"][1] == "红色\nund groß"
    assert list(table["split"]) == ["test"] * 3
    assert table["category"][0] == "colours"
    assert pd.isna(table["A"][1])


def test_images_are_the_rows_own(table: pd.DataFrame) -> None:
    assert decoded(table["image"][1]).getpixel((0, 0)) == (255, 0, 0)
    several, names = ast.literal_eval(table["image"][0]), ast.literal_eval(table["image_path"][0])
    assert [decoded(each).getpixel((0, 0)) for each in several] == [(255, 0, 0), (0, 0, 255)]
    assert names == ["0_0.png", "0_1.png"]
    assert pd.isna(table["image"][2]), "VLMEvalKit leaves such rows out"


def test_answers_in_another_order_are_refused(tmp_path: Path) -> None:
    answers = answered_rows(ROWS, ANSWERS)
    with pytest.raises(ValueError, match="stands at the place of row"):
        vlmevalkit_tsv(ROWS, answers[::-1], tmp_path / "shop.tsv")
    assert not list(tmp_path.iterdir())
