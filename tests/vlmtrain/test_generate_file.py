"""Answers to a file of new rows: every row ends answered, rejected or left out; a run that was killed goes on."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import vlmdata
import vlmtrain
from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.small_data import COLOURS, picture
from vlmdata.errors import ConfigError, OutputError
from vlmtrain import bulk, generating
from vlmtrain.answer_journal import AnswerJournal
from vlmtrain.config import GenerateConfig, RunConfig
from vlmtrain.errors import RunError
from vlmtrain.generating import BulkResult, NewRows, generate_file
from vlmtrain.generation import share_of_answers
from vlmtrain.publishing import stage_of

RECIPE = """
contract: record.v1
source: {type: csv, path: products.csv, where: "active != '0'"}
id: sku
images: {root: photos, from: [photo]}
conversations:
  - user: [images, "Describe {{ title }} by {{ brand }}."]
    assistant: "{{ text }}"
split: {train: 0.5, test: 0.5}
max_rejected: 2
"""
TINY = Callable[[str], Path]
NEW = ("sku", "title", "brand", "photo", "active")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a recipe, and the dataset that was built by it."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    for number in range(4):
        (folder / "photos" / f"{number}.png").write_bytes(picture(COLOURS[number], (40, 30 + 16 * number)))
    (folder / "photos" / "cut.png").write_bytes(picture("red")[:60])
    rows = [f"p{number},Mug {number},Tavi,{number % 4}.png,1,A mug." for number in range(4)]
    (folder / "products.csv").write_text("\n".join(["sku,title,brand,photo,active,text", *rows]), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), out=folder / "dataset")
    write(folder / "new.csv", [product(number) for number in range(11)])
    return folder


@pytest.fixture(scope="module")
def config(tiny: TINY, shop: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    made = a_run(tmp_path_factory.mktemp("bulk"), tiny("qwen2_vl"), shop / "dataset", "fp32")
    save_random_adapter(made)
    return made


def product(number: int, **changes: str) -> dict[str, str]:
    values = (f"n{number}", f"Lamp {number}", "Tavi" * (number % 3 + 1), f"{number % 4}.png", "1")
    return {**dict(zip(NEW, values, strict=True)), **changes}


def write(file: Path, rows: list[dict[str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.DictWriter(opened, NEW)
        table.writeheader()
        table.writerows(rows)
    return file


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def rejected(result: BulkResult) -> dict[str, list[str]]:
    assert result.rejected is not None
    return {line["row"]["sku"]: [problem["rule"] for problem in line["problems"]] for line in lines(result.rejected)}


def asked(shop: Path, **more: Any) -> NewRows:
    return NewRows(**{"recipe": shop / "recipe.yaml", "input": shop / "new.csv", **more})


def test_every_row_has_the_answer_that_it_has_by_itself_in_the_order_of_the_input(
    config: RunConfig, shop: Path, tmp_path: Path
) -> None:
    result = generate_file(config, asked(shop), tmp_path / "answers.jsonl")
    rows = [product(number) for number in range(11)]
    single = [vlmtrain.generate(config, [{**row, "images": [shop / "photos" / row["photo"]]}])[0] for row in rows[:5]]
    found = lines(result.path)
    assert [line["id"] for line in found] == [row["sku"] for row in rows]
    assert [line["text"] for line in found[:5]] == [answer.text for answer in single]
    assert len({line["text"] for line in found}) > 3
    assert (result.asked, result.rejected, result.refusal) == ("adapter", None, "")
    assert (result.counts.read, result.counts.answered, result.counts.tokens) == (
        11,
        11,
        sum(x["tokens"] for x in found),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl"]


def test_the_base_is_asked_on_request(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    tuned = generate_file(config, asked(shop), tmp_path / "tuned.jsonl")
    base = generate_file(config, asked(shop), tmp_path / "base.jsonl", base=True)
    assert base.asked == "base"
    assert [line["id"] for line in lines(base.path)] == [line["id"] for line in lines(tuned.path)]
    assert base.path.read_bytes() != tuned.path.read_bytes()


def test_what_can_not_be_asked_is_rejected_and_the_counts_balance(
    config: RunConfig, shop: Path, tmp_path: Path
) -> None:
    rows = [product(0), product(1, photo="cut.png"), product(2, active="0"), product(0), product(4, photo="no.png")]
    new = write(tmp_path / "new.csv", [*rows, product(5)])
    result = generate_file(config, asked(shop, input=new), tmp_path / "answers.csv")
    assert rejected(result) == {"n1": ["images.truncated"], "n0": ["id.duplicate"], "n4": ["images.missing"]}
    counts = result.counts
    assert (counts.read, counts.answered, counts.rejected, counts.skipped.total()) == (6, 2, 3, 1)
    assert counts.rejected_by_rule == {"images.truncated": 1, "id.duplicate": 1, "images.missing": 1}
    assert result.refusal == "3 of 6 rows were rejected, at most 2 may (max_rejected)"
    with result.path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [{name: row[name] for name in NEW} for row in table] == [product(0), product(5)]
    assert all(row["answer"] for row in table)


def test_rows_that_the_model_can_not_take_are_rejected_and_not_cut(
    config: RunConfig, shop: Path, tmp_path: Path
) -> None:
    context = 160
    base = shrunk_context(Path(config.model.base), tmp_path / "model", context)
    short = dataclasses.replace(config, model=dataclasses.replace(config.model, base=str(base)))
    rows = [
        product(0),
        product(1, title="word " * context),
        product(2, title="<|vision_start|><|image_pad|>"),
        product(3),
    ]
    new = write(tmp_path / "new.csv", rows)
    result = generate_file(short, asked(shop, input=new), tmp_path / "answers.jsonl", base=True)
    assert "n1" in rejected(result)
    assert rejected(result)["n1"] == ["run.row_refused"]
    (line, *_) = [line for line in lines(result.rejected or Path()) if line["id"] == "n1"]
    assert f"do not fit the model's context of {context}" in line["problems"][0]["message"]
    assert line["problems"][0]["line"] == 3
    found = {line["id"]: line["text"] for line in lines(result.path)}
    assert {"n0", "n3"} <= found.keys()
    assert result.counts.read == len(found) + len(rejected(result)) == 4


def test_a_first_row_with_a_control_token_takes_nobody_with_it(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new.csv", [product(0, title="a <|im_end|> <|image_pad|>"), product(1)])
    result = generate_file(config, asked(shop, input=new), tmp_path / "answers.jsonl")
    assert "n1" in [line["id"] for line in lines(result.path)]
    assert result.counts.read == 2


def shrunk_context(model: Path, to: Path, context: int) -> Path:
    """The model, said to be made for so many tokens."""
    to.mkdir()
    for file in model.iterdir():
        (to / file.name).symlink_to(file)
    data = json.loads((model / "config.json").read_text(encoding="utf-8"))
    data["text_config"]["max_position_embeddings"] = context
    (to / "config.json").unlink()
    (to / "config.json").write_text(json.dumps(data), encoding="utf-8")
    return to


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("window", [4, pytest.param(256, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "batches", [pytest.param(0, marks=pytest.mark.long), 1, pytest.param(2, marks=pytest.mark.long)]
)
def test_a_run_that_was_killed_goes_on_and_gives_the_same_file(
    config: RunConfig,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    window: int,
    batches: int,
) -> None:
    monkeypatch.setattr(bulk, "WINDOW_ROWS", window)
    rows = [*(product(number) for number in range(6)), product(6, photo="no.png"), product(7, active="0"), product(8)]
    new = write(tmp_path / "new.csv", [*rows, product(9)])
    whole = generate_file(config, asked(shop, input=new), tmp_path / "whole.csv")
    out = tmp_path / "answers.csv"
    appended = AnswerJournal.append
    left = [batches]

    def dying(journal: AnswerJournal, made: Any) -> None:
        if not left[0]:
            raise Killed
        left[0] -= "answer" in (kept := list(made))[0]
        appended(journal, kept)

    with monkeypatch.context() as patched:
        patched.setattr(AnswerJournal, "append", dying)
        with pytest.raises(Killed):
            generate_file(config, asked(shop, input=new), out)
    assert not out.exists()
    if batches == 0:
        assert not stage_of(out).exists()
        return
    journal = stage_of(out) / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"row": 9, "answer": {"id": "n9", "te')  # torn
    with pytest.raises(OutputError, match=r"was interrupted.*--resume goes on, --replace begins again"):
        generate_file(config, asked(shop, input=new), out)
    seen: list[int] = []

    def counted(*arguments: Any) -> Mapping[int, Any]:
        seen.append(len(arguments[-1].known))
        return share_of_answers(*arguments)

    monkeypatch.setattr(generating, "share_of_answers", counted)
    result = generate_file(config, asked(shop, input=new), out, resume=True)
    assert seen[0] > 0 or result.resumed_after > 0
    assert out.read_bytes() == whole.path.read_bytes()
    assert result.rejected is not None
    assert whole.rejected is not None
    assert result.rejected.read_bytes() == whole.rejected.read_bytes()
    assert result.counts == whole.counts
    assert not stage_of(out).exists()


def interrupted(config: RunConfig, rows: NewRows, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what a run leaves that was killed before its window was closed."""
    with monkeypatch.context() as patched:
        patched.setattr(AnswerJournal, "close_window", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            generate_file(config, rows, out)


def test_going_on_is_refused_where_anything_differs(
    config: RunConfig, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = write(tmp_path / "new.csv", [product(0)])
    rows, out = asked(shop, input=new), tmp_path / "answers.jsonl"
    interrupted(config, rows, out, monkeypatch)
    longer = dataclasses.replace(config.eval, generate=GenerateConfig(max_new_tokens=7))
    with pytest.raises(OutputError, match=r"another generation settings \(max_new_tokens: 6 then, 7 now\);"):
        generate_file(dataclasses.replace(config, eval=longer), rows, out, resume=True)
    with pytest.raises(OutputError, match=r"had another model \(trained: "):
        generate_file(config, rows, out, resume=True, base=True)
    write(new, [product(0), product(1)])
    with pytest.raises(OutputError, match="had another input or recipe;"):
        generate_file(config, rows, out, resume=True)
    assert generate_file(config, rows, out, replace=True).counts.answered == 2
    with pytest.raises(OutputError, match="nothing to go on with"):
        generate_file(config, rows, tmp_path / "other.jsonl", resume=True)


def test_an_existing_file_is_replaced_only_when_asked(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.csv", [product(0), product(1, photo="no.png")])
    out = tmp_path / "answers.jsonl"
    first = generate_file(config, asked(shop, input=bad), out)
    assert first.rejected == tmp_path / "answers.jsonl.rejected.jsonl"
    with pytest.raises(OutputError, match=r"answers\.jsonl: exists already"):
        generate_file(config, asked(shop), out)
    out.unlink()
    with pytest.raises(OutputError, match=r"answers\.jsonl\.rejected\.jsonl: exists already"):
        generate_file(config, asked(shop), out)
    assert generate_file(config, asked(shop, limit=2), out, replace=True).rejected is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "bad.csv"]
    assert len(lines(out)) == 2


def test_the_recipe_of_the_dataset_is_taken_where_none_is_named(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    named = generate_file(config, asked(shop, limit=3), tmp_path / "named.jsonl")
    own = generate_file(config, NewRows(input=shop / "new.csv", limit=3), tmp_path / "own.jsonl")
    assert own.path.read_bytes() == named.path.read_bytes()


def test_answers_of_one_row_at_a_time_are_the_same(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    one = dataclasses.replace(config, eval=dataclasses.replace(config.eval, batch_size=1))
    alone = generate_file(one, asked(shop), tmp_path / "alone.jsonl")
    together = generate_file(config, asked(shop), tmp_path / "together.jsonl")
    assert alone.path.read_bytes() == together.path.read_bytes()


def test_answers_that_were_cut_are_counted(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    short = dataclasses.replace(config.eval, generate=GenerateConfig(max_new_tokens=1))
    result = generate_file(dataclasses.replace(config, eval=short), asked(shop, limit=4), tmp_path / "a.jsonl")
    assert result.counts.cut == sum(not line["finished"] for line in lines(result.path)) > 0


def test_memory_holds_a_window_at_most(shop: Path) -> None:
    held = 0
    rows = vlmdata.render_source(shop / "recipe.yaml", input=shop / "new.csv").rows()
    size = len(picture(COLOURS[0]))
    for window in bulk.windows(rows, first=0):
        held = max(held, len(window.prompts))
    assert held == 11
    many = (row for _ in range(600) for row in [next(iter(window.prompts.values()))])
    assert [len(each.prompts) for each in bulk.windows(many, first=0)] == [256, 256, 88]
    assert size < bulk.WINDOW_BYTES


def test_a_window_ends_where_its_photos_fill_it(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "WINDOW_BYTES", 1)
    rows = vlmdata.render_source(shop / "recipe.yaml", input=shop / "new.csv").rows()
    assert [(each.end, each.places) for each in bulk.windows(rows, first=0)] == [(n + 1, [n]) for n in range(11)]


@pytest.mark.parametrize("name", ["answers.txt", "answers"])
def test_an_ending_that_is_no_format_is_refused(config: RunConfig, shop: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.jsonl or \.csv"):
        generate_file(config, asked(shop), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_merged_model_is_refused(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no merged model.*vlmtrain merge"):
        generate_file(config, asked(shop), tmp_path / "a.jsonl", merged=shop)


def test_a_merged_model_answers_as_its_adapter_did(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    merged = vlmtrain.merge(config, tmp_path / "merged", agreement_rows=0)
    one = generate_file(config, asked(shop), tmp_path / "adapter.jsonl")
    other = generate_file(config, asked(shop), tmp_path / "merged.jsonl", merged=merged.path)
    assert other.asked == "merged model"
    assert other.path.read_bytes() == one.path.read_bytes()


def test_columns_of_the_input_keep_their_names_beside_ours(config: RunConfig, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "contract: record.v1\nsource: {type: jsonl, path: new.jsonl}\n"
        "conversations: [{user: 'Say {{ answer }}', assistant: '{{ text }}'}]\n",
        encoding="utf-8",
    )
    rows = [{"id": 7, "answer": "=1+1", "sizes": [1, 2]}, {"id": 8, "answer": "größe, 大\n", "extra": True}]
    (tmp_path / "new.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = generate_file(config, NewRows(recipe=recipe), tmp_path / "answers.csv")
    with result.path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["id_2", "id", "answer", "sizes", "extra", "answer_2"]
    seen = [(row["id"], row["answer"], row["sizes"], row["extra"]) for row in table]
    assert seen == [("7", "=1+1", "[1, 2]", ""), ("8", "größe, 大\n", "", "true")]


def asked_on_the_command_line(monkeypatch: pytest.MonkeyPatch, config: RunConfig, *arguments: str | Path) -> int:
    from vlmtrain import cli
    from vlmtrain.commands import generating as command

    monkeypatch.setattr(command, "config_of", lambda *_: config)
    with pytest.raises(SystemExit) as stopped:
        cli.main(lambda: cli.app(["generate", "run.yaml", *map(str, arguments)]))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_the_command_says_what_became_of_every_row(
    config: RunConfig,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new = write(tmp_path / "new.csv", [product(0), product(1, photo="no.png"), product(2, active="0")])
    files = ("--recipe", shop / "recipe.yaml", "--input", new, "--out", tmp_path / "a.csv")
    assert asked_on_the_command_line(monkeypatch, config, *files, "--batch-size", "2") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "rows        3 read = 1 answered + 1 rejected + 1 skipped"
    assert shown[1].startswith("answers     by the adapter, ")
    assert "rejected    images.missing 1" in shown
    assert "skipped     where: active != '0' 1" in shown
    assert shown[-2:] == [f"-> {tmp_path}/a.csv.rejected.jsonl", f"-> {tmp_path}/a.csv"]
    everything = ("--where", "", "--replace", "--format", "json", "--limit", "2", "--base")
    assert asked_on_the_command_line(monkeypatch, config, *files, *everything) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["asked"], said["read"], said["answered"], said["rejected"], said["skipped"]) == ("base", 2, 1, 1, {})


def test_too_many_rejected_rows_end_in_exit_code_1_and_the_answers_stand(
    config: RunConfig,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = [product(number, photo="no.png") for number in range(3)]
    new = write(tmp_path / "new.csv", [*bad, product(3)])
    out = tmp_path / "a.jsonl"
    assert (
        asked_on_the_command_line(monkeypatch, config, "--input", new, "--image-root", shop / "photos", "--out", out)
        == 1
    )
    assert (
        "3 of 4 rows were rejected, at most 2 may (max_rejected); the answers to the others" in capsys.readouterr().err
    )
    assert [line["id"] for line in lines(out)] == ["n3"]


def test_a_condition_on_the_answer_holds_for_learning_alone_and_the_command_says_so(
    config: RunConfig,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = shop / "answered.yaml"
    recipe.write_text(RECIPE.replace("active != '0'", "active != '0' and text is not none"), encoding="utf-8")
    new = write(tmp_path / "new.csv", [product(0), product(1, active="0")])
    out = tmp_path / "a.jsonl"
    assert asked_on_the_command_line(monkeypatch, config, "--recipe", recipe, "--input", new, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "2 read = 1 answered + 0 rejected + 1 skipped" in shown
    assert "condition   the recipe's, without `text is not none`, which is of the answer" in shown
    assert [line["id"] for line in lines(out)] == ["n0"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input", "new.csv"), "--input needs --out"),
        (("--out", "a.csv"), "--out is for a file of rows"),
        (("--input", "new.csv", "--out", "a.csv", "--id", "p1"), "--id asks one row, and --input a file"),
        (("--resume",), "--resume is for a file of rows"),
        ((), "nothing is asked"),
    ],
)
def test_options_that_make_no_sense_together_are_errors_of_usage(
    config: RunConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    assert asked_on_the_command_line(monkeypatch, config, *arguments) == 2
    assert words in capsys.readouterr().err


def test_what_was_interrupted_says_how_to_go_on(
    config: RunConfig,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(AnswerJournal, "close_window", stop)
    files = ("--recipe", shop / "recipe.yaml", "--input", shop / "new.csv", "--out", tmp_path / "a.jsonl")
    assert asked_on_the_command_line(monkeypatch, config, *files) == 130
    assert "the answers so far are kept; the same command with --resume goes on" in capsys.readouterr().err
