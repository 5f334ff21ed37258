"""Validating datasets, recipes and conversations: what is found, what is left unread, and how it ends."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

import vlmdata
from tests.vlmdata.shop import RECIPE, Shop, drawn, encoded, product
from tests.vlmdata.test_dataset import rewritten
from vlmdata.cli import app
from vlmdata.errors import ConfigError, NoDatasetError
from vlmdata.terminal import exit_code_of


def written(shop: Shop, **changes: Any) -> Path:
    """The shop's recipe as a file."""
    data = {key: value for key, value in {**RECIPE, **changes}.items() if value is not None}
    path = shop.folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def said(capfd: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str]:
    """The exit code and the words of a validation."""
    code = exit_code_of(lambda: app(["validate", *map(str, arguments)]), name="vlmdata")
    return code, capfd.readouterr().out


@pytest.fixture
def recipe(shop: Shop) -> Path:
    shop.write([product(number) for number in range(6)])
    return written(shop)


@pytest.fixture
def dataset(recipe: Path, shop: Shop) -> Path:
    return vlmdata.build(vlmdata.load_recipe(recipe), shop.out).path


def test_a_recipe_is_validated_without_a_dataset_being_written(recipe: Path, shop: Shop) -> None:
    before = sorted(shop.folder.rglob("*"))
    result = vlmdata.validate(recipe)
    assert (result.errors, result.records, result.splits) == (0, 6, {"train": 6})
    assert sorted(shop.folder.rglob("*")) == before


def test_the_work_folder_of_a_recipe_is_removed(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    vlmdata.validate(recipe)
    assert not list((tmp_path / "work").iterdir())


def test_rejected_rows_of_a_recipe_are_findings_at_their_lines(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write([product(0), product(1, photo="gone.png"), product(2, description=""), product(0)])
    monkeypatch.chdir(shop.folder.parent)
    (target,) = vlmdata.validate(written(shop)).targets
    assert {(problem.rule, problem.line, problem.id) for problem in target.problems if problem.severity == "error"} == {
        ("images.missing", 3, "SKU-001"),
        ("text.empty", 4, "SKU-002"),
        ("id.duplicate", 5, "SKU-000"),
    }
    assert {target.place(problem) for problem in target.problems if problem.line} == {"shop/products.csv"}
    assert target.rows == 4


def test_mistakes_of_a_recipe_are_findings_in_it(shop: Shop) -> None:
    shop.write([product(1)])
    result = vlmdata.validate(written(shop, imagse={}, check={"select": ["imges"]}))
    assert result.exit_code == 1
    assert {(problem.rule, problem.field) for problem in result.problems} == {
        ("settings.unknown_key", "imagse"),
        ("settings.unknown_rule", "check.select[0]"),
    }


def test_conversations_in_a_known_format_are_validated(shop: Shop, tmp_path: Path) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": "<image>What is this?"},
                {"role": "assistant", "content": f"A mug with number {number}."},
            ],
            "images": [f"{number}.png"],
        }
        for number in range(5)
    ]
    path = tmp_path / "mugs.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    result = vlmdata.validate(path, image_root=shop.folder / "photos")
    assert {problem.rule for problem in result.problems if problem.severity == "error"} == {"images.missing"}
    assert (result.targets[0].kind, result.records, result.targets[0].rows) == ("conversations", 4, 5)


def test_several_paths_are_looked_at_and_one_broken_one_stops_none(
    recipe: Path, dataset: Path, shop: Shop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere"
    result = vlmdata.validate([nowhere, dataset, recipe, shop.folder / "." / "dataset"])
    assert [(target.kind, target.exit_code, target.records) for target in result.targets] == [
        ("unknown", 2, 0),
        ("dataset", 0, 6),
        ("recipe", 0, 6),
    ]
    code, text = said(capfd, nowhere, dataset)
    assert code == 2
    assert "there is no such file or folder" in text
    assert "6 records" in text


def test_a_single_path_that_can_not_be_looked_at_raises(tmp_path: Path) -> None:
    with pytest.raises(NoDatasetError, match="there is no such file or folder"):
        vlmdata.validate(tmp_path / "nowhere")


@pytest.mark.parametrize("changed", ["products.csv", "photos/1.png"])
def test_a_file_that_a_recipe_reads_stands_for_the_recipe(recipe: Path, shop: Shop, changed: str) -> None:
    result = vlmdata.validate([shop.folder / changed, recipe])
    (target,) = result.targets
    assert (target.kind, target.named_by) == ("recipe", ((shop.folder / changed).as_posix(),))


def test_a_table_that_no_recipe_reads_is_told_how_to_get_one(shop: Shop) -> None:
    shop.write([product(1)])
    with pytest.raises(NoDatasetError, match=r"vlmdata init .*products\.csv writes one"):
        vlmdata.validate(shop.folder / "products.csv")


def test_no_socket_is_opened_and_the_images_are_reported_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(shop.folder / "cache"))
    photo = "https://images.example.org/{}.jpg"
    shop.write([product(number, photo=photo.format(number)) for number in range(3)] + [product(4, description="")])
    result = vlmdata.validate(written(shop, network=["images.example.org"]))
    assert result.by_rule()["network.not_checked"] == 1
    (problem,) = [problem for problem in result.problems if problem.rule == "network.not_checked"]
    assert (problem.severity, problem.field) == ("warning", "network")
    assert "3 images on images.example.org" in problem.message
    assert result.by_rule()["text.empty"] == 1
    assert (result.records, result.errors) == (3, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": {"type": "csv", "path": "../secret.csv"}},
        {"source": {"type": "csv", "path": "link.csv"}},
        {"images": {"root": "../outside", "from": "photo"}},
        {"images": {"root": ["photos", "/etc"], "from": "photo"}},
    ],
)
def test_a_recipe_that_leads_out_of_its_repository_is_refused(shop: Shop, changes: dict[str, Any]) -> None:
    (shop.folder / ".git").mkdir()
    shop.write([product(1)])
    secret = shop.folder.parent / "secret.csv"
    secret.write_bytes((shop.folder / "products.csv").read_bytes())
    (shop.folder.parent / "outside").mkdir()
    (shop.folder / "link.csv").symlink_to(secret)
    path = written(shop, **changes)
    result = vlmdata.validate(path)
    assert result.by_rule() == {"validate.outside": 1}
    assert result.exit_code == 1
    assert "validate.outside" not in vlmdata.validate(path, roots=[shop.folder.parent, "/etc"]).by_rule()


def test_settings_outside_of_the_repository_are_not_read(shop: Shop) -> None:
    (shop.folder / ".git").mkdir()
    shop.write([product(1)])
    (shop.folder.parent / "shared.toml").write_text("secret_key = 1", encoding="utf-8")
    result = vlmdata.validate(written(shop, check={"extends": "../shared.toml"}))
    assert result.by_rule() == {"validate.outside": 1}


def test_without_images_their_bytes_are_not_looked_at_and_it_says_so(
    dataset: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rewritten(dataset, lambda rows: rows[0]["images"][0].update(bytes=b"no picture"))
    assert vlmdata.validate(dataset).by_rule()["images.not_an_image"] == 1
    code, text = said(capfd, dataset, "--no-images")
    assert code == 0
    assert "not checked  images (--no-images)" in text


def test_images_cut_in_a_built_dataset_are_errors_and_those_without_their_end_warnings(dataset: Path) -> None:
    cut = [encoded(drawn(1), "WEBP")[:-1], encoded(drawn(2), "PNG")[:-13], encoded(drawn(3), "BMP")[:-4]]
    unended = [encoded(drawn(4), "PNG")[:-5], encoded(drawn(5), "GIF")[:-1]]

    def change(rows: list[dict[str, Any]]) -> None:
        for row, data in zip(rows, [*cut, *unended], strict=False):
            row["images"][0].update(bytes=data)

    rewritten(dataset, change)
    found = [problem for problem in vlmdata.validate(dataset).problems if problem.rule == "images.truncated"]
    assert [problem.severity for problem in found] == ["error"] * 3 + ["warning"] * 2


def test_a_recipe_without_images_is_validated_by_its_text(recipe: Path, shop: Shop) -> None:
    shutil.rmtree(shop.folder / "photos")
    (shop.folder / "photos").mkdir()
    result = vlmdata.validate(recipe, images=False)
    assert (result.errors, result.records, result.images) == (0, 6, 0)


def test_problems_are_kept_up_to_a_bound_and_counted_exactly(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmdata.validation.KEPT", 5)
    shop.write([product(number, description="") for number in range(40)])
    path = written(shop)
    result = vlmdata.validate(path)
    assert (len(result.problems), result.errors, result.by_rule()) == (5, 40, {"text.empty": 40})
    assert len(vlmdata.validate(path, all=True).problems) == 40


def test_the_text_is_cut_with_a_count(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    shop.write([product(number, description="") for number in range(30)])
    path = written(shop)
    code, text = said(capfd, path)
    assert code == 1
    assert "… 20 more of text.empty; --all shows them" in text
    assert text.rstrip().endswith("exit 1: 30 errors")
    assert said(capfd, path, "--all")[1].count("[text.empty]") == 30


def test_severities_thresholds_and_limits_decide_the_exit_code(shop: Shop) -> None:
    shop.write([product(0), product(1, photo="gone.png")])
    path = written(shop)
    assert vlmdata.validate(path).exit_code == 1
    assert vlmdata.validate(path, ignore=("images.missing",)).exit_code == 0
    assert vlmdata.validate(path, select=["text"]).exit_code == 0
    lenient = written(shop, check={"rules": {"images.missing": {"severity": "warning"}}})
    result = vlmdata.validate(lenient)
    assert (result.exit_code, result.errors, result.warnings) == (0, 0, 1)
    assert vlmdata.validate(lenient, fail_on="warning").exit_code == 1
    assert vlmdata.validate(written(shop, check={"max_errors": 1})).exit_code == 0


def test_a_build_keeps_to_the_structure_whatever_its_settings_ignore(shop: Shop) -> None:
    shop.write([product(0), product(1, description="")])
    built = shop.build(check={"ignore": ["text", "messages"]})
    assert built.ledger.conversations_accepted == 1
    assert built.ledger.rejected_by_rule["text.empty"] == 1


def test_an_id_that_stands_twice_is_named_with_the_split_of_the_first(dataset: Path) -> None:

    def change(rows: list[dict[str, Any]]) -> None:
        rows[3]["id"] = rows[0]["id"] = "MUG"
        rows[4]["id"] = None

    rewritten(dataset, change)
    result = vlmdata.validate(dataset)
    assert result.by_rule() == {"contract.id": 1, "contract.unique_id": 1}
    assert "the id 'MUG' stands already in train" in {problem.message for problem in result.problems}


def test_a_dataset_says_the_same_however_many_threads_look_at_it(shop: Shop) -> None:
    for number in range(20):
        shop.photo(f"p{number}.png", encoded(drawn(number)))
    shop.write([product(number, photo=f"p{number % 20}.png") for number in range(60)])
    path = shop.build().path
    first, second = (vlmdata.validate(path, workers=workers) for workers in (1, 4))
    assert first.problems == second.problems
    assert first.images == 60


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("compose.yaml", "services: {}", "is no recipe: it has no `source`"),
        ("run.yaml", "model: tiny\ndata: x", "is a run file; vlmtrain preflight"),
        ("rejected.jsonl", "{}", "rows that a build rejected"),
        ("photo.jpg", "", "is an image that no recipe"),
        ("notes.txt", "hello", "neither a dataset nor a recipe nor conversations"),
    ],
)
def test_what_is_none_of_it_gets_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    code, shown = said(capfd, tmp_path / name)
    assert code == 2
    assert words in shown.splitlines()[0]


def test_a_wrong_option_is_named_with_the_nearest(recipe: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        vlmdata.validate(recipe, select=["imagse"], ignore=["text.emty"])
    assert [problem.hint for problem in raised.value.problems] == [
        "did you mean 'images'?",
        "did you mean 'text.empty'?",
    ]


def test_rows_of_a_benchmark_that_must_stay_unseen_are_found(dataset: Path, tmp_path: Path) -> None:
    other = Shop(tmp_path / "benchmark")
    other.write([product(2), product(77, photo="fresh.png")])
    other.photo("fresh.png", encoded(drawn(23)))
    benchmark = other.build().path
    found = vlmdata.validate(dataset, against=[benchmark])
    assert found.by_rule()["split.against_bytes"] >= 1
    assert found.by_rule()["split.against_text"] == 1
    assert vlmdata.validate(dataset, against=[written(other)]).by_rule() == found.by_rule()
    with pytest.raises(ConfigError, match="is neither a built dataset nor a recipe"):
        vlmdata.validate(dataset, against=[tmp_path / "nowhere"])


def test_an_image_in_two_splits_is_found_by_its_bytes(shop: Shop) -> None:
    shop.write([product(number) for number in range(8)])
    path = shop.build(split={"train": 0.5, "test": 0.5}).path
    (other,) = vlmdata.open(path)["test"].with_format("arrow")[:1].to_pylist()

    def leak(rows: list[dict[str, Any]]) -> None:
        rows[0].update(images=other["images"], image_info=other["image_info"])

    rewritten(path, leak)
    assert set(vlmdata.validate(path, images=False).by_rule()) == {"split.image_leak"}


def test_images_are_counted_alike_of_a_recipe_a_build_and_a_dataset(shop: Shop) -> None:
    for number in range(3):
        shop.photo(f"p{number}.png", encoded(drawn(number)))
    rows = [product(number, photo=f"p{number % 3}.png") for number in range(5)]
    again = (rows[0][0] + "-again", *rows[0][1:])
    shop.write([*rows, again])
    path, built = written(shop, duplicates="reject"), shop.build(duplicates="reject")
    assert built.ledger.rejected_by_rule == {"dataset.duplicate": 1}
    ledger = built.ledger
    assert (ledger.rows_used, ledger.rows_rejected, ledger.conversations_made) == (5, 1, 6)
    counts = [(found.records, found.images) for found in map(vlmdata.validate, (path, built.path))]
    assert counts == [(5, ledger.images_references)] * 2
    assert (ledger.images_unique, ledger.images_references) == (3, 5)


def test_what_is_wrong_with_a_row_names_its_id(shop: Shop) -> None:
    shop.write([product(1, photo="")])
    (problem,) = vlmdata.validate(written(shop)).problems
    assert (problem.rule, problem.id) == ("images.none", product(1)[0])


def test_an_image_named_twice_hides_no_equal_bytes_of_another_row(shop: Shop) -> None:
    shop.photo("copy.png", (shop.folder / "photos" / "0.png").read_bytes())
    shop.write([product(0, photo="0.png;copy.png"), product(1, photo="1.png;1.png")])
    path = written(shop, images={"root": "photos", "from": {"column": "photo", "separator": ";"}})
    found = [(problem.rule, problem.id) for problem in vlmdata.validate(path).problems]
    assert found.count(("images.repeated", "SKU-000")) == 1
    assert found.count(("images.repeated", "SKU-001")) == 1
