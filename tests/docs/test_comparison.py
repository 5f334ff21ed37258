"""docs/comparison.md: each cell about another project has a place that shows it; TRL and datasets do what it says."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from benchmarks import comparison
from benchmarks.comparison import Claim
from tests.docs import references
from tests.docs.pages import DOCS, ROOT

FILE = DOCS / "comparison.md"
PAGE = FILE.read_text(encoding="utf-8")
TABLES = ("Rows and pixels on the way in", "What is learned, and what is proven before")
CALLED = {"TRL script": "TRL", "unsloth": "unsloth-zoo"}
"""Rows of the tables whose project has another name in comparison.yaml."""


def section(heading: str) -> str:
    """The text below a heading of the page."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of a section's table, its head first."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("|--")]


def stated(heading: str) -> set[tuple[str, str]]:
    """The cells of a section's table that say something of another project: its name and the column."""
    head, _, *others = rows(heading)
    return {
        (CALLED.get(cells[0], cells[0]), column)
        for cells in others
        for column, cell in zip(head[1:-1], cells[1:-1], strict=True)
        if cell != "–"
    }


def shown(heading: str) -> set[tuple[str, str]]:
    """The projects and subjects of the claims of a section."""
    return {(each.project, each.subject) for each in comparison.claims() if each.section == heading}


@pytest.mark.parametrize("heading", TABLES)
def test_every_cell_about_a_project_has_a_place_that_shows_it(heading: str) -> None:
    assert stated(heading) - shown(heading) == set()
    assert {(name, column) for name, column in shown(heading) if name != "datasets"} - stated(heading) == set()


def test_every_project_named_beside_ours_has_a_place_that_shows_it() -> None:
    heading = "Descriptions, splits, measuring"
    named = {
        (project, subject)
        for subject, _, elsewhere in rows(heading)[1:]
        for project in comparison.packages()
        if re.search(rf"\b{re.escape(project)}\b", elsewhere)
    }
    assert named == shown(heading)


def test_every_advice_to_take_another_project_has_a_place_that_shows_it() -> None:
    heading = "When to take something else"
    advised = " ".join(re.findall(r"^- .*(?:\n  .*)*", section(heading), re.MULTILINE))
    named = {name for name in comparison.packages() if re.search(rf"\b{re.escape(name)}\b", advised)}
    assert named == {project for project, _ in shown(heading)}


def test_the_places_on_the_page_are_those_that_the_command_looks_up(pytestconfig: pytest.Config) -> None:
    before, heading, _ = PAGE.partition("## Where it was read\n")
    assert heading
    current = before + references.where_it_was_read()
    if pytestconfig.getoption("--rewrite-docs", default=False):
        FILE.write_text(current, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == current, "pytest tests/docs --rewrite-docs writes it"


def test_every_claim_can_be_looked_up() -> None:
    pinned = comparison.packages()
    assert [name for name in pinned.values() if not re.fullmatch(r"[\w-]+==[\d.]+", name)] == []
    found = comparison.claims()
    assert {each.project for each in found} == set(pinned)
    assert {each.section for each in found} <= set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE))
    for each in found:
        re.compile(each.pattern)
        assert re.fullmatch(r"|\d+|\d+-\d+", str(each.lines)), each
        assert len(each.pattern) < 80, each


def looked_up(folder: Path, pattern: str, **place: Any) -> bool:
    """Whether a pattern is where a claim says, in a wheel of two files."""
    wheel = folder / "shop-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("shop/rows.py", "def read():\n    drop()\n    drop()\n")
        archive.writestr("shop/images.py", "def opened():\n    return None\n")
    claim = Claim(
        section="", subject="", project="shop", claim="", pattern=pattern, **{"file": "shop/rows.py", **place}
    )
    with ZipFile(comparison.downloaded("shop==1.0", folder)) as archive:
        return comparison.is_there(claim, archive)


def test_a_place_is_looked_up_in_its_lines(tmp_path: Path) -> None:
    assert looked_up(tmp_path, "drop", lines="2-3")
    assert looked_up(tmp_path, r"^def.*\n +drop", lines="1-2")
    assert looked_up(tmp_path, "drop", times=2)
    assert looked_up(tmp_path, "def", file="shop/*.py", times=2)
    assert not looked_up(tmp_path, "drop", lines=1)
    assert not looked_up(tmp_path, "drop", times=3)
    assert not looked_up(tmp_path, "drop", lines="40-50")
    assert not looked_up(tmp_path, "drop", file="shop/others.py")


def test_that_a_word_is_nowhere_is_looked_up_in_files_that_are_there(tmp_path: Path) -> None:
    assert looked_up(tmp_path, "raise", times=0)
    assert looked_up(tmp_path, "drop", lines=1, times=0)
    assert not looked_up(tmp_path, "drop", times=0)
    assert not looked_up(tmp_path, "raise", times=0, file="shop/others.py")
    assert not looked_up(tmp_path, "raise", times=0, lines="40-50")


def test_what_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked_up(tmp_path, "drop")
    table = tmp_path / "comparison.yaml"
    table.write_text(
        "packages: {Shop: shop==1.0}\nclaims: {Rows: {a bad row: [\n"
        "  {project: Shop, claim: dropped, file: shop/rows.py, lines: 2, pattern: drop},\n"
        "  {project: Shop, claim: named, file: shop/rows.py, lines: 2, pattern: name}]}}\n"
    )
    wheel = tmp_path / "shop-1.0-py3-none-any.whl"
    monkeypatch.setattr(comparison, "TABLE", table)
    monkeypatch.setattr(comparison, "downloaded", lambda _pinned: wheel)
    assert comparison.main([]) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["ok", "NOT", "2", "NOT"]
    assert told[-1].split() == ["NOT", "THERE", "shop==1.0", "named:", "shop/rows.py:2"]
    assert comparison.main(["shop"]) == 2


def picture() -> Any:
    from PIL import Image

    return Image.linear_gradient("L").resize((64, 48)).convert("RGB")


def holds_bytes(value: Any) -> bool:
    """Whether there are an image's bytes, or a decoded picture, anywhere in a value."""
    if isinstance(value, dict):
        return any(holds_bytes(each) for each in value.values())
    if isinstance(value, list):
        return any(holds_bytes(each) for each in value)
    return isinstance(value, bytes) or hasattr(value, "getpixel")


def test_the_recipe_of_the_guide_keeps_no_pixel(tmp_path: Path) -> None:
    """The guide puts decoded pictures into the parts of messages, whose keys differ between text and image."""
    import datasets

    photo = tmp_path / "photo.png"
    picture().save(photo)
    rows = datasets.Dataset.from_list([{"path": str(photo)}])

    def formatted(_row: dict[str, Any]) -> dict[str, Any]:
        content = [{"type": "image", "image": picture()}, {"type": "text", "text": "What is this?"}]
        return {"messages": [{"role": "user", "content": content}]}

    made = rows.map(formatted)
    made.save_to_disk(str(tmp_path / "saved"))
    assert not holds_bytes(datasets.load_from_disk(str(tmp_path / "saved"))[0]["messages"])


def test_a_build_keeps_every_byte(tmp_path: Path) -> None:
    import datasets

    import vlmdata

    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    (tmp_path / "photo.png").write_bytes(buffer.getvalue())
    (tmp_path / "rows.csv").write_text("id,photo,text\n1,photo.png,A grey tile from dark to light.\n")
    (tmp_path / "recipe.yaml").write_text(
        "source: {type: csv, path: rows.csv}\nimages: {from: photo}\n"
        "conversations: [{user: [images, 'What is this?'], assistant: '{{ text }}'}]\n"
    )
    vlmdata.build(vlmdata.load_recipe(tmp_path / "recipe.yaml"), tmp_path / "out")
    rows = datasets.load_from_disk(str(tmp_path / "out"))["train"]
    raw = rows.cast_column("images", datasets.List(datasets.Image(decode=False)))
    assert raw[0]["images"][0]["bytes"] == buffer.getvalue()


@pytest.mark.long
@pytest.mark.slow
def test_the_default_collator_of_trl_learns_prompt_and_image(tmp_path: Path) -> None:
    import datasets
    from transformers import AutoProcessor
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    import vlmtrain
    from tests.docs import workshop

    workshop.make(tmp_path)
    workshop.build(tmp_path)
    rows = datasets.load_from_disk(str(tmp_path / "data" / "shop"))["train"]
    processor = AutoProcessor.from_pretrained(tmp_path / "samples" / "tiny-vlm")
    found = vlmtrain.inspect(processor, [rows[0]], DataCollatorForVisionLanguageModeling(processor))
    assert {"inspect.prompt_learned", "inspect.image_learned"} <= {problem.rule for problem in found.problems}
    assert not vlmtrain.inspect(processor, rows[0]).problems


def test_every_command_of_the_page_names_files_that_are_there() -> None:
    named = re.findall(r"(?:benchmarks|tests)/[\w/]+\.py", PAGE)
    assert len(named) > 12
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_an_image_that_is_missing_is_missed_when_its_row_is_read(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features({"images": datasets.List(datasets.Image())})
    rows = datasets.Dataset.from_list([{"images": [str(tmp_path / "lost.png")]}], features=features)
    assert len(rows) == 1
    with pytest.raises(FileNotFoundError):
        rows[0]


@pytest.mark.long
def test_trl_stops_at_another_number_of_images() -> None:
    from trl.data_utils import prepare_multimodal_messages

    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Alike?"}]}]
    with pytest.raises(ValueError, match="does not match number of image placeholders"):
        prepare_multimodal_messages(asked, images=[picture()])


@pytest.mark.long
def test_trl_cuts_at_1024_tokens_by_default() -> None:
    from trl import SFTConfig

    assert SFTConfig.__dataclass_fields__["max_length"].default == 1024
