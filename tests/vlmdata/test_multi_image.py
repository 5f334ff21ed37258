"""Questions over several images: options however they are written, images in their places, answers that are options."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.convert.answer_options import read_options
from vlmdata.convert.benchmark_zips import BenchmarkZips
from vlmdata.convert.multi_image import MultiImageConverter
from vlmdata.errors import RecipeError, SourceError
from vlmdata.protocols import Tools
from vlmdata.recipe import SourceConfig, recipe_from
from vlmdata.record import Change, Conversation, InlineImage, Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.source.multi_image import open_mmiu, open_multi_image

COLUMNS = {"question": "q", "images": "pictures", "answer": "a", "context": "intro", "options": "choices"}
ROW: dict[str, Any] = {
    "q": "Which is larger?",
    "pictures": ["1.png", "2.png"],
    "a": "B",
    "intro": "Look at both.",
    "choices": "A: the first\nB: the second",
}


class Converting:
    """A converter, and what it warned of and changed."""

    def __init__(self, source: dict[str, Any] | None = None, **recipe: Any) -> None:
        self.warned: list[Problem] = []
        self.changed: list[Change] = []
        described = {"type": "multi_image", "path": "q.jsonl", "columns": COLUMNS, **(source or {})}
        tools = Tools(warn=self.warned.append, changed=self.changed.append, matching=lambda _: ())
        self._convert = MultiImageConverter(recipe_from({"source": described, **recipe}), tools)

    def __call__(self, **changes: Any) -> Conversation | Rejection | Skip:
        """What a row becomes, after some of its values are changed."""
        raw = RawRecord(origin=Origin(source="q.jsonl", row=1, line=1), values={**ROW, **changes})
        (made,) = self._convert(raw)
        return made


def conversation(made: Any) -> Conversation:
    assert isinstance(made, Conversation), made
    return made


def problems(made: Any) -> list[str]:
    assert isinstance(made, Rejection), made
    return [str(problem) for problem in made.problems]


def turns(made: Any) -> list[tuple[str, list[str | None]]]:
    """Roles and texts; None is an image."""
    return [(message.role, [part.text for part in message.content]) for message in conversation(made).messages]


def test_context_is_the_system_turn_and_images_come_before_the_question() -> None:
    converting = Converting(tags=["kind"], fields=["level"])
    made = conversation(converting(kind="size", level=3))
    assert turns(made) == [
        ("system", ["Look at both."]),
        ("user", [None, None, "Which is larger?\nA: the first\nB: the second"]),
        ("assistant", ["B"]),
    ]
    assert made.images == ("1.png", "2.png")
    assert made.tags == {"kind": "size"}
    assert made.fields == {"level": "3", "option.A": "the first", "option.B": "the second", "answer": "B"}
    assert not converting.warned
    assert not converting.changed


def test_options_that_the_context_shows_are_not_shown_again() -> None:
    shown = f"Look.\nSelect from the following choices.\n{ROW['choices']}\n"
    made = Converting()(intro=shown, choices="A: the first \nB: the second\n")
    assert turns(made)[:2] == [("system", [shown.strip()]), ("user", [None, None, "Which is larger?"])]
    longer = Converting()(intro="A: the first\nB: the second one")
    assert turns(longer)[1][1][2] == "Which is larger?\nA: the first\nB: the second"


def test_without_options_the_answer_is_a_text() -> None:
    made = conversation(Converting()(choices=None, a=" The second one. ", intro=None))
    assert turns(made) == [("user", [None, None, "Which is larger?"]), ("assistant", ["The second one."])]
    assert made.fields == {}


LETTERED = {"A": "one", "B": "two words", "C": "3"}


@pytest.mark.parametrize(
    "written",
    [
        "A: one\nB: two words\nC: 3",
        "A. one\n B. two words\nC. 3\n",
        "A) one\n\nB) two words\nC) 3",
        "(A) one\n(B) two words\n(C) 3",
        "[A] one\n[B] two words\n[C] 3",
        "(A) one (B) two words (C) 3",
        ["one", "two words", 3],
        ["A: one", "B: two words", "C: 3"],
        '["one", "two words", "3"]',
        "['one', 'two words', '3']",
        {"A": "one", "B": "two words", "C": 3, "D": None},
        '{"A": "one", "B": "two words", "C": "3"}',
        np.array(["one", "two words", "3"]).tolist(),
    ],
    ids=repr,
)
def test_options_are_read_however_they_are_written(written: Any) -> None:
    options = read_options(written)
    assert options is not None
    assert dict(options.by_letter) == LETTERED


def test_an_option_may_have_several_lines() -> None:
    options = read_options("A: one\nor none\nB: {'x': [1, 2]}\nC: step 1: A\nstep 2: B")
    assert options is not None
    assert dict(options.by_letter) == {"A": "one\nor none", "B": "{'x': [1, 2]}", "C": "step 1: A\nstep 2: B"}


@pytest.mark.parametrize("written", ["one, two or three", "B: one\nC: two", "A: only", "Choose:\nA: 1\nB: 2", 7])
def test_options_that_can_not_be_told_apart_are_kept_as_text(written: Any) -> None:
    options = read_options(written)
    assert options is not None
    assert options.shown == str(written)
    assert options.by_letter == {}


@pytest.mark.parametrize("written", [None, "", "  ", [], {}, [None]])
def test_no_options_are_none(written: Any) -> None:
    assert read_options(written) is None


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12), min_size=2, max_size=26))
def test_options_read_back_as_they_are_shown(entries: list[str]) -> None:
    given_as_list = read_options(entries)
    assert given_as_list is not None
    assert list(given_as_list.by_letter.values()) == entries
    assert read_options(given_as_list.shown) == given_as_list


def test_options_without_letters_are_shown_with_a_warning() -> None:
    converting = Converting()
    made = converting(choices="one, two or three", a="two")
    assert turns(made)[1][1][2] == "Which is larger?\none, two or three"
    assert turns(made)[2] == ("assistant", ["two"])
    assert [str(problem) for problem in converting.warned] == [
        "q.jsonl:1 choices: the options can't be told apart, and are shown as they are [options.unparsed] "
        "write one a line, as `A: …`"
    ]


def test_an_answer_with_an_options_text_becomes_its_letter_and_is_counted() -> None:
    converting = Converting()
    made = conversation(converting(choices=["cat", "dog"], a="dog"))
    assert turns(made)[1][1][2] == "Which is larger?\nA: cat\nB: dog"
    assert made.fields["answer"] == "B"
    assert converting.changed == [Change(rule="answer.letter", field="a", before="dog", after="B")]


@pytest.mark.parametrize("answer", ["C", "b", "A, B", 1, "the third"])
def test_an_answer_that_is_no_option_is_rejected(answer: Any) -> None:
    (problem,) = problems(Converting()(a=answer))
    assert problem == (
        f"q.jsonl:1 a: the answer {str(answer)!r} is none of the options A, B [answer.not_an_option] "
        "give the letter of one option, or its text"
    )


def test_an_answer_that_two_options_have_is_rejected() -> None:
    assert "none of the options A, B" in problems(Converting()(choices=["cat", "cat"], a="cat"))[0]


@pytest.mark.parametrize(
    "cell",
    [
        ["1.png", "2.png"],
        ("1.png", "2.png"),
        np.array(["1.png", "2.png"]),
        np.array(["1.png", "2.png"], dtype=object),
        '["1.png", "2.png"]',
        "['1.png', '2.png']",
        " 1.png | 2.png ",
    ],
    ids=repr,
)
def test_images_are_found_in_lists_and_texts(cell: Any) -> None:
    made = Converting({"separator": "|"})(pictures=cell)
    assert conversation(made).images == ("1.png", "2.png")


def test_images_may_be_bytes_inside_the_row() -> None:
    made = conversation(Converting()(pictures=[{"bytes": b"x", "path": "a/1.png"}, {"bytes": b"y", "path": None}]))
    assert made.images == (InlineImage(data=b"x", name="1.png"), InlineImage(data=b"y", name=""))


def test_a_list_as_numpy_writes_it_is_rejected_and_not_run_together() -> None:
    (problem,) = problems(Converting()(pictures="['1.png' '2.png']"))
    assert "[images.value] write the list as JSON, or set source.separator" in problem


MARKED = {"marker": "<image>"}


def test_images_stand_where_their_markers_are() -> None:
    made = Converting(MARKED)(q="First <image>, then\n<image> <image>: which?", pictures=["1", "2", "3"], choices=None)
    assert turns(made)[1] == ("user", ["First ", None, ", then\n", None, None, ": which?"])


def test_options_may_be_images() -> None:
    made = Converting(MARKED)(q="Which is larger?", choices="A: <image>\nB: <image>", intro=None)
    assert turns(made)[0] == ("user", ["Which is larger?\nA: ", None, "\nB: ", None])


def test_a_marker_without_an_image_is_rejected() -> None:
    (problem,) = problems(Converting(MARKED)(q="<image><image><image>?"))
    assert problem == (
        "q.jsonl:1 q: 3 <image> in the question, but 2 images [messages.images] each image needs one place, in order"
    )


def test_without_a_marker_its_text_forges_no_image() -> None:
    made = Converting()(q="What does <image> mean?", choices=None)
    assert turns(made)[1] == ("user", [None, None, "What does <image> mean?"])


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    found = problems(Converting(id="name")(q=" ", a=["A"], pictures=None, name=""))
    assert [problem.partition(": ")[0] for problem in found] == [
        f"q.jsonl:1 {x}" for x in ("a", "q", "pictures", "name")
    ]
    assert "found a list, expected a text [row.value]" in found[0]
    assert "the question is empty [text.empty]" in found[1]
    assert "no images, expected at least 1 [images.none]" in found[2]
    assert "the id is empty [id.empty]" in found[3]


def test_the_recipes_bounds_hold() -> None:
    assert "[images.too_few]" in problems(Converting(images={"min": 3})())[0]
    assert "2 images, expected at most 1 [images.too_many]" in problems(Converting(images={"max": 1})())[0]
    converting = Converting(images={"max": 1, "over": "first"})
    assert conversation(converting()).images == ("1.png",)
    assert [problem.rule for problem in converting.warned] == ["images.over"]
    marked = Converting(MARKED, images={"max": 1, "over": "first"})
    assert "[images.too_many] raise images.max" in problems(marked(q="<image><image>"))[0]


def test_where_leaves_rows_out_in_its_own_words() -> None:
    made = Converting({"where": "level > 2"})(level=1)
    assert made == Skip(origin=Origin(source="q.jsonl", row=1, line=1), reason="where: level > 2")
    assert isinstance(Converting({"where": "level > 2"})(level=3), Conversation)
    assert "[row.where]" in problems(Converting({"where": "level > 2"})(level="x"))[0]


def test_rows_over_the_same_images_are_one_group_in_any_order() -> None:
    converting = Converting()
    first = conversation(converting())
    assert conversation(converting(q="Else?", pictures=["./2.png", "1.png"])).group == first.group
    assert conversation(converting(pictures=["1.png", "3.png"])).group != first.group
    assert conversation(converting(q="Else?")).id != first.id
    assert conversation(Converting(group="scene")(scene="s1")).group == "s1"
    assert conversation(Converting(id="name")(name=7)).id == "7"


def test_a_recipe_with_templates_is_refused() -> None:
    with pytest.raises(RecipeError, match="makes its own conversations"):
        Converting(conversations=[{"user": "x", "assistant": "y"}])
    with pytest.raises(RecipeError, match="'question' is missing"):
        Converting({"columns": {"images": "i", "answer": "a"}})


def opened(path: Path, **columns: str) -> Any:
    return open_multi_image(SourceConfig(type="multi_image", path=path, options={"columns": {**COLUMNS, **columns}}))


def test_tables_are_read_by_their_ending(tmp_path: Path) -> None:
    values = {**ROW, "pictures": json.dumps(ROW["pictures"])}
    (tmp_path / "q.jsonl").write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    (tmp_path / "q.json").write_text(json.dumps([ROW]), encoding="utf-8")
    header = "\t".join(values)
    cells = "\t".join('"' + value.replace('"', '""') + '"' for value in values.values())
    (tmp_path / "q.tsv").write_text(f"{header}\n{cells}\n", encoding="utf-8")
    for name in ("q.jsonl", "q.json", "q.tsv"):
        source = opened(tmp_path / name)
        assert set(source.columns) == set(ROW)
        assert source.files == (tmp_path / name,)
        (row,) = [entry for shard in source.shards() for entry in shard]
        assert row.values["q"] == "Which is larger?"
        assert row.origin.source == name


def test_columns_that_are_not_there_are_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    with pytest.raises(SourceError) as raised:
        opened(tmp_path / "q.jsonl", images="picture", context="zzz").columns  # noqa: B018
    assert [str(problem) for problem in raised.value.problems] == [
        "q.jsonl: there is no column 'picture' to take the images from; [source.column] did you mean 'pictures'?",
        "q.jsonl: there is no column 'zzz' to take the context from; [source.column] the columns are q, pictures, a, "
        "intro, choices",
    ]
    with pytest.raises(SourceError, match=r"q\.txt: questions are read from \.parquet, \.csv"):
        opened(tmp_path / "q.txt")


def test_the_folder_of_a_benchmark_must_hold_its_table(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(SourceError) as raised:
            open_mmiu(SourceConfig(type="mmiu", path=path))
        return raised.value.message

    assert refused(tmp_path / "mmiu").startswith("mmiu: there is no such folder; give the one that holds all.parquet")
    folder = tmp_path / "mmiu"
    folder.mkdir()
    assert refused(folder) == "mmiu: there is no all.parquet in this folder; download it next to the zips"
    for name in ("a.parquet", "b.parquet"):
        (folder / name).touch()
    assert refused(folder) == "mmiu: 2 Parquet files, none of them all.parquet; name one in source.path"


def test_a_zip_that_was_not_downloaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "unpacked").mkdir()
    for name, member in (("2D-spatial.zip", "x/1.png"), ("rest.zip", "Depth/x/1.png")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, b"")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    zips = BenchmarkZips((tmp_path, tmp_path / "2D-spatial.zip", tmp_path / "rest.zip"))
    for there in ("./2D-spatial/x/9.png", "Depth/x/1.png", "unpacked/1.png", "1.png", "/a/1.png", "../a/1.png"):
        assert zips.missing(there) == ""
    assert zips.missing("./3D-spatial/x/1.png") == "3D-spatial"
    assert BenchmarkZips((tmp_path / "broken.zip",)).missing("./3D-spatial/x/1.png") == ""


def test_dotted_paths_are_followed_and_refused_where_they_lead_into_text() -> None:
    converting = Converting(id="meta.no", group="meta.shop", tags=["meta.kind"], fields=["meta.size"])
    made = conversation(converting(meta={"no": 7, "shop": "north", "kind": "mug", "size": "L"}))
    assert (made.id, made.group, made.tags) == ("7", "north", {"meta.kind": "mug"})
    assert made.fields["meta.size"] == "L"
    (found,) = problems(Converting(fields=["meta.size"])(meta='{"size": "L"}'))
    assert "[row.value]" in found
