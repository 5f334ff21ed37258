"""What an import is told and says: words that stand for a format's, missing images, several formats, and no dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.shop import drawn, encoded
from vlmdata.cli import app
from vlmdata.contract import validator
from vlmdata.errors import BuildRefusedError, ConfigError, ContractError, NoDatasetError
from vlmdata.importing import import_recipe
from vlmdata.terminal import exit_code_of

TURNS = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A mug."}]
OTHER = [{"who": "shopper", "text": "What is it?"}, {"who": "clerk", "text": "A mug."}]
ASKED = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A mug."}]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(*rows: dict[str, Any], name: str = "a.jsonl") -> str:
    """Rows in a file of the current folder."""
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return name


def run(*words: str) -> int:
    return exit_code_of(lambda: app(list(words)), name="vlmdata")


@pytest.mark.parametrize("form", ["auto", "openai"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"mesages": "dialog"}, "no format has the word 'mesages'; did you mean 'messages'?"),
        ({"messages": "dialog"}, "no 'dialog' is in the first 1 rows; the keys of the rows are 'messages', 'shop'"),
        ({"system": "shp"}, "no 'shp' is in the first 1 rows; did you mean 'shop'?"),
    ],
)
def test_a_word_that_stands_for_nothing_is_refused(here: Path, form: str, words: dict[str, str], said: str) -> None:
    name = written({"messages": TURNS, "shop": "north"})
    with pytest.raises(ConfigError) as raised:
        import_recipe(name, format=form, map=words)
    assert said in raised.value.message
    assert not (here / "out").exists()


@pytest.mark.parametrize("dialog", [OTHER, json.dumps(OTHER), list(map(json.dumps, OTHER))])
def test_keys_of_rows_and_messages_and_roles_are_found_however_they_stand(here: Path, dialog: Any) -> None:
    name = written({"dialog": dialog})
    words = {"messages": "dialog", "role": "who", "content": "text", "user": "shopper", "assistant": "clerk"}
    built = vlmdata.import_dataset(name, here / "out", map=words, workers=1)
    assert built.ledger.rows_used == 1


@pytest.mark.usefixtures("here")
def test_a_misspelt_key_is_said_before_the_format_is_unknown() -> None:
    name = written({"dialog": TURNS})
    with pytest.raises(ConfigError, match="no 'dialg' is in the first 1 rows; did you mean 'dialog'"):
        import_recipe(name, map={"messages": "dialg"})


@pytest.mark.usefixtures("here")
def test_a_role_that_the_first_rows_do_not_hold_may_come_later() -> None:
    name = written({"messages": TURNS})
    assert import_recipe(name, map={"assistant": "clerk"}).source.options["map"] == {"assistant": "clerk"}


def test_missing_images_are_said_to_have_been_looked_for_somewhere(here: Path) -> None:
    (here / "data").mkdir()
    rows = [{"image": f"{number}.png", "conversations": ASKED} for number in range(2)]
    name = written(*rows, name="data/a.jsonl")
    with pytest.raises(BuildRefusedError, match="the images were looked for in data; --image-root names another"):
        vlmdata.import_dataset(name, "out", workers=1)
    (here / "photos").mkdir()
    with pytest.raises(BuildRefusedError, match=r"looked for in data/\.\./photos; --image-root"):
        vlmdata.import_dataset(name, "out", image_root="photos", workers=1)


@pytest.mark.usefixtures("here")
def test_of_other_faults_the_image_root_is_not_spoken(capfd: pytest.CaptureFixture[str]) -> None:
    name = written({"image": "1.png", "conversations": ASKED}, {"conversations": ASKED})
    assert run("import", name, "--out", "out") == 1
    assert "image-root" not in capfd.readouterr().err


def test_several_formats_are_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "1.png").write_bytes(encoded(drawn(1)))
    instruction = {"instruction": "What is it?", "output": "A mug."}
    name = written(
        {"image": "1.png", "conversations": ASKED},
        instruction,
        {
            "contents": [
                {"role": "user", "parts": [{"text": "Hello"}]},
                {"role": "model", "parts": [{"text": "Hello."}]},
            ]
        },
    )
    assert run("import", name, "--out", "out") == 0
    assert "format          auto: llava, sharegpt, gemini\n" in capfd.readouterr().out


@pytest.mark.parametrize("command", ["build", "import"])
def test_a_table_where_a_recipe_or_conversations_belong_is_sent_to_init(
    here: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    (here / "u.csv").write_text("sku,title\nA,Mug\n", encoding="utf-8")
    assert run(command, "u.csv", "--out", "out") == 2
    assert "vlmdata init u.csv" in capfd.readouterr().err


def test_validating_what_is_no_dataset_is_a_mistake_in_usage(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "u.csv").write_text("sku\nA\n", encoding="utf-8")
    (here / "empty").mkdir()
    (here / "photos" / "mugs").mkdir(parents=True)
    (here / "photos" / "mugs" / "1.JPG").write_bytes(encoded(drawn(1), "JPEG"))
    (here / "shop").mkdir()
    (here / "shop" / "p.csv").write_text("sku\nA\n", encoding="utf-8")
    for path, said in (
        ("nofolder", "nofolder: there is no such file or folder"),
        ("u.csv", "u.csv: is a table that no recipe beside or above it reads; vlmdata init u.csv writes one"),
        ("empty", "empty: the folder is empty"),
        ("photos", "photos: is a folder with one photo and neither a dataset, a recipe nor conversations"),
        ("photos/mugs", "or let vlmdata init photos/mugs write one"),
        ("shop", "shop: is a folder with a table, 'p.csv', that no recipe in it reads; vlmdata init shop writes one"),
    ):
        assert run("validate", path) == 2
        assert said in capfd.readouterr().out
    assert issubclass(NoDatasetError, ContractError)


def test_a_dataset_whose_own_files_are_damaged_is_a_finding(here: Path) -> None:
    (here / "made").mkdir()
    (here / "made" / "dataset_dict.json").write_text("{", encoding="utf-8")
    assert run("validate", "made") == 1


def test_a_dataset_built_into_the_folder_is_not_read_as_conversations(here: Path) -> None:
    for part in ("a", "b"):
        (here / part).mkdir()
        written({"id": part, "messages": TURNS}, name=f"{part}/rows.jsonl")
    (here / ".cache").mkdir()
    written({"id": "c", "messages": TURNS}, name=".cache/rows.jsonl")
    first = vlmdata.import_dataset(".", "out", workers=1)
    again = vlmdata.import_dataset(".", "out", replace=True, workers=1)
    assert first.ledger.rows_used == 2
    assert again.report == first.report


def test_every_key_that_finds_no_place_is_counted(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    extra = {f"key-{number:02}": "x" for number in range(14)}
    name = written(*({"messages": TURNS, "id": str(row), **extra} for row in range(9)), {"messages": TURNS, "late": 1})
    assert run("import", name, "--out", "out") == 0
    built = json.loads((here / "out" / "report.json").read_text(encoding="utf-8"))
    assert built["left_out"] == {**dict.fromkeys(extra, 9), "late": 1}
    assert sum(built["left_out"].values()) == built["ledger"]["changed"]["import.left_out"]
    validator("report.v1").validate(built)
    assert "'key-11' 9 … 3 more keys; a recipe keeps" in capfd.readouterr().out
    vlmdata.split(here / "out", here / "anew", {"train": 1.0})
    assert json.loads((here / "anew" / "report.json").read_text(encoding="utf-8"))["left_out"] == built["left_out"]


def test_a_finding_names_its_row_where_the_row_has_an_id(here: Path) -> None:
    twice = [{"from": "human", "value": "<image><image> Which?"}, ASKED[1]]
    written({"id": "chat-7", "conversations": twice, "image": "1.png"}, {"conversations": twice, "image": "1.png"})
    found = vlmdata.validate("a.jsonl").problems
    assert [(problem.rule, problem.id, problem.line) for problem in found] == [
        ("messages.images", "chat-7", 1),
        ("messages.images", "", 2),
    ]
    with pytest.raises(BuildRefusedError):
        vlmdata.import_dataset("a.jsonl", "out", workers=1)
    first = json.loads((here / "out.rejected" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["problems"][0]["id"] == "chat-7"
    assert "id" not in first  # the id stays free for another row


def test_rows_that_share_one_line_are_told_apart_by_their_ids(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": f"m{number}", "image": "gone.png", "conversations": ASKED} for number in range(2)]
    (here / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    assert run("import", "a.json", "--out", "out") == 1
    said = capsys.readouterr().err
    assert "a.json:1 m0 images[0]: 'gone.png' does not exist" in said
    assert "a.json:1 m1 images[0]: 'gone.png' does not exist" in said
