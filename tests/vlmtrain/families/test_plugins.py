"""A family from outside: the one that docs/extending-families.md builds, run as it stands there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vlmtrain
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmdata.errors import PluginError
from vlmtrain.errors import ModelError, RunError
from vlmtrain.family import plugged_in
from vlmtrain.model import load_processor

Tiny = Callable[[str], Path]
PAGE = Path(__file__).parents[3] / "docs" / "extending-families.md"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's module in it, from which Python imports."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "shop_models.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("shop_models", None)


def run_file(folder: Path, base: Path, family: str = "shop_models:FAMILY", pixels: int = 6272) -> Path:
    data = save_dataset(folder / "shop", {"train": product_rows(3, size=(90, 80)), "test": product_rows(2)})
    file = folder / "run.yaml"
    file.write_text(
        f"output: out\ndata: {{path: {data}}}\nmodel:\n  base: {base}\n  family: {family}\n"
        f"budget: {{max_pixels: {pixels}}}\nlora: {{r: 4}}\n"
        "train: {batch_size: 2, learning_rate: 1.0e-3, report_to: none}\n"
        "eval: {metrics: [answer_loss], generate: {max_new_tokens: 2}}\n",
        encoding="utf-8",
    )
    return file


@pytest.mark.slow
def test_the_family_of_the_page_trains_evaluates_and_merges(tiny: Tiny, outside: Path) -> None:
    file = run_file(outside, tiny("internvl"))
    result = vlmtrain.sft(file)
    assert vlmtrain.load_run(result.output).model.family == "shop_models:FAMILY"
    assert json.loads((result.output / "train.json").read_text())["device"].startswith("InternVL on ")
    assert len(vlmtrain.evaluate(result.output).rows) == 2
    assert vlmtrain.merge(result.output, outside / "merged").agreement is not None


def test_the_family_bounds_the_pixels_by_its_own_rule(tiny: Tiny, outside: Path) -> None:
    processor: Any = load_processor(vlmtrain.load_run(run_file(outside, tiny("internvl"))))
    assert processor.image_processor.max_patches == 2
    with pytest.raises(ModelError, match="InternVL shows an image in tiles of 3,136 pixels; max_pixels is 50"):
        load_processor(vlmtrain.load_run(run_file(outside, tiny("internvl"), pixels=50)))


def test_without_leave_the_module_is_not_even_imported(tiny: Tiny, outside: Path) -> None:
    file = run_file(outside, tiny("internvl"))
    with pytest.raises(RunError) as caught:
        vlmtrain.load_run(file, allow_plugins=False)
    (problem,) = caught.value.problems
    assert (problem.rule, problem.field, problem.line) == ("run.plugin", "model.family", 5)
    assert "shop_models:FAMILY is code that does not come with vlmtrain, and is not run unasked" in str(problem)
    assert "shop_models" not in sys.modules


@pytest.mark.parametrize("options", [[], ["--allow-plugins"]])
def test_the_command_line_asks_for_leave(
    options: list[str], tiny: Tiny, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from vlmtrain import run
    from vlmtrain.cli import app

    started: list[object] = []

    def stop(config: object, **_: object) -> None:
        started.append(config)
        raise RunError("this far")

    monkeypatch.setattr(run, "sft", stop)
    file = run_file(outside, tiny("internvl"))
    done = CliRunner().invoke(app, ["sft", str(file), *options])
    said = str(done.exception)
    assert bool(started) == bool(options), said
    assert ("add --allow-plugins if you trust it" in said) == (not options)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("shop_models:FAMILLY", ": the module 'shop_models' has no 'FAMILLY'; did you mean 'FAMILY'"),
        ("shop_modles:FAMILY", ": there is no module 'shop_modles'; install its package, or name its folder"),
        ("json:dumps", " is no model family: it has no name, attention, parts"),
    ],
)
def test_a_family_that_is_none_is_explained(family: str, message: str, outside: Path) -> None:  # noqa: ARG001
    with pytest.raises(ModelError, match=f"model.family: {family}{message}"):
        plugged_in(family)


def test_what_a_family_raises_is_told_as_its_own(tiny: Tiny, outside: Path) -> None:
    module = outside / "shop_models.py"
    module.write_text(
        module.read_text().replace("        images = processor", "        images = processor.gone"), encoding="utf-8"
    )
    with pytest.raises(PluginError) as caught:
        load_processor(vlmtrain.load_run(run_file(outside, tiny("internvl"))))
    said = r"the family shop_models:FAMILY raised AttributeError: .* 'gone' \(shop_models\.py:\d+\) in set_pixels"
    assert re.fullmatch(said, str(caught.value))


def test_what_its_module_raises_is_told_too(outside: Path) -> None:
    (outside / "shop_models.py").write_text("FAMILY = 1 / 0\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"shop_models:FAMILY raised ZeroDivisionError: .* \(shop_models\.py:1\)"):
        plugged_in("shop_models:FAMILY")


def test_a_name_that_is_no_place_of_an_object_is_refused(tiny: Tiny, outside: Path) -> None:
    with pytest.raises(RunError, match=r"found 'shop_models', expected package\.module:NAME \[run\.plugin\]"):
        vlmtrain.load_run(run_file(outside, tiny("internvl"), family="shop_models"))
