"""Run files: read, merged, checked all at once, and saved so that they load again."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmdata.contract import schema
from vlmtrain import load_run
from vlmtrain.config import RunConfig, save_run, shipped_runs
from vlmtrain.errors import RunError

MINIMAL = "output: out\ndata: {path: shop}\nmodel: {base: owner/model}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    save_dataset(made / "shop", {"train": product_rows(1), "test": product_rows(1)})
    return made


def written(folder: Path, content: str, name: str = "run.yaml") -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def problems(file: Path, **changes: object) -> list[str]:
    with pytest.raises(RunError) as caught:
        load_run(file, set=changes or None)
    return [str(problem).replace(f"{file.parent}/", "") for problem in caught.value.problems]


def test_a_minimal_run_takes_defaults_and_paths_relative_to_its_file(folder: Path) -> None:
    config = load_run(written(folder, MINIMAL))
    assert config.data.path == folder / "shop"
    assert config.output == folder / "out"
    assert config.model.base == "owner/model"
    assert (config.model.load, config.lora.r, config.eval.split) == ("nf4", 16, "test")
    assert config.train is None
    assert config.adapter is None


def test_all_mistakes_are_reported_at_once_with_line_and_nearest_spelling(folder: Path) -> None:
    content = (
        "output: out\ndata:\n  path: nowhere\n  trian_split: a\nmodel:\n  base: owner/model\n  load: nf5\n"
        "train: {learning_rate: high, epochs: 0}\n"
    )
    found = problems(written(folder, content))
    assert found == [
        "run.yaml:4 data.trian_split: unknown key 'trian_split'; [settings.unknown_key] did you mean 'train_split'?",
        "run.yaml:7 model.load: found 'nf5', expected one of nf4, bf16, fp32 [settings.value] did you mean 'nf4'?",
        "run.yaml:8 train.epochs: found 0, expected more than 0 [settings.value] How often every row is seen.",
        "run.yaml:8 train.learning_rate: found the text 'high', expected a number [settings.value] "
        "The highest learning rate.",
    ]


def test_what_a_schema_cannot_say_is_reported_too(folder: Path) -> None:
    content = (
        "output: out\ndata: {path: nowhere}\nmodel: {base: ./none, trust_remote_code: true, revision: main}\n"
        "budget: {min_pixels: 9, max_pixels: 4}\neval: {metrics: [chrff]}\n"
    )
    found = problems(written(folder, content))
    rules = re.findall(r"\[(run\.\w+)\]", "\n".join(found))
    assert sorted(rules) == ["run.budget", "run.data", "run.metric", "run.model", "run.remote_code"]
    assert any("did you mean 'chrf'?" in line for line in found)


def test_a_folder_that_is_no_dataset_is_named(folder: Path) -> None:
    found = problems(written(folder, MINIMAL.replace("shop", "shop/train")))
    assert "holds no dataset" in found[0]
    assert "not one of its splits" in found[0]


def test_values_of_the_extended_file_are_kept_and_changed(folder: Path) -> None:
    config = load_run(written(folder, "extends: gemma-3-4b\noutput: o\ndata: {path: shop}\nlora: {r: 4}\n"))
    assert config.model.base == "google/gemma-3-4b-it"
    assert (config.lora.r, config.lora.targets, config.lora.alpha) == (4, "all-linear", 16)
    assert config.train is not None
    assert config.train.learning_rate == 2e-5


def test_train_null_turns_training_of_the_extended_file_off(folder: Path) -> None:
    config = load_run(written(folder, "extends: gemma-3-4b\noutput: o\ndata: {path: shop}\ntrain: null\n"))
    assert config.train is None


def test_a_mistake_in_the_extended_file_names_that_file(folder: Path) -> None:
    (folder / "base").mkdir(exist_ok=True)
    written(folder / "base", "model: {base: owner/model}\nlora:\n  rank: 4\n", "base.yaml")
    found = problems(written(folder, "extends: base/base.yaml\noutput: o\ndata: {path: shop}\n"))
    assert found == [
        "base/base.yaml:3 lora.rank: unknown key 'rank'; [settings.unknown_key] "
        "known here: targets, r, alpha, dropout, rslora, dora, modules_to_save"
    ]


def test_paths_of_the_extended_file_are_relative_to_that_file(folder: Path) -> None:
    (folder / "deep").mkdir(exist_ok=True)
    written(folder / "deep", "model: {base: owner/model}\ndata: {path: ../shop}\n", "base.yaml")
    config = load_run(written(folder, "extends: deep/base.yaml\noutput: o\n"))
    assert config.data.path == folder / "shop"


def test_a_circle_of_extends_is_refused(folder: Path) -> None:
    written(folder, "extends: b.yaml\n", "a.yaml")
    written(folder, "extends: a.yaml\n", "b.yaml")
    with pytest.raises(RunError, match=r"a\.yaml: extends itself, through a\.yaml -> b\.yaml"):
        load_run(folder / "a.yaml")


def test_an_unknown_name_to_extend_lists_the_shipped_ones(folder: Path) -> None:
    found = problems(written(folder, "extends: gemma-3-4\noutput: o\ndata: {path: shop}\n"))
    assert found[0].endswith("[run.extends] did you mean 'gemma-3-4b'?")
    assert len(shipped_runs()) == 10
    assert {"gemma-3-4b", "molmo2-8b", "qwen3-vl-8b"} < set(shipped_runs())


def test_set_puts_values_over_the_file_and_names_itself_in_problems(folder: Path) -> None:
    file = written(folder, MINIMAL)
    config = load_run(file, set={"lora.r": "4", "train.learning_rate": 1e-3, "eval.metrics": "[chrf]"})
    assert config.lora.r == 4
    assert config.train is not None
    assert config.eval.metrics == ("chrf",)
    assert problems(file, **{"eval.metrics": "[chrff]"})[0].startswith("--set eval.metrics[0]: no metric 'chrff';")
    assert problems(file, **{"lora.r": "0"})[0].startswith("--set lora.r: found 0, expected at least 1")


def test_set_leads_into_a_block_that_is_said_to_be_nothing(folder: Path) -> None:
    file = written(folder, f"{MINIMAL}\neval: {{judge: null}}\n")
    config = load_run(file, set={"eval.judge.provider": "openai_compatible", "eval.judge.model": "a"})
    assert config.eval.judge is not None
    assert config.eval.judge.model == "a"


@pytest.mark.parametrize("rate", ["1e-3", "1.e-3", "+1E-03", "0.001"])
def test_a_number_may_be_written_with_an_exponent_and_no_point(folder: Path, rate: str) -> None:
    config = load_run(written(folder, f"{MINIMAL}\ntrain: {{learning_rate: {rate}}}\n"))
    assert config.train is not None
    assert config.train.learning_rate == 0.001


def test_remote_code_needs_a_full_commit(folder: Path) -> None:
    content = MINIMAL.replace("owner/model", f"owner/model, trust_remote_code: true, revision: {'a' * 40}")
    assert load_run(written(folder, content)).model.trust_remote_code
    assert "run.remote_code" in problems(written(folder, content.replace("a" * 40, "main")))[0]


def test_a_saved_run_loads_again_from_its_folder_and_names_no_machine_path(folder: Path) -> None:
    (folder / "tiny").mkdir(exist_ok=True)
    content = MINIMAL.replace("owner/model", "./tiny") + "train: {learning_rate: 1.0e-3}\nextends: pixtral-12b\n"
    config = load_run(written(folder, content))
    config.output.mkdir(exist_ok=True)
    saved = save_run(config, config.output)
    assert str(folder) not in saved.read_text()
    again = load_run(config.output)
    assert dataclasses.replace(config, extends=None) == again
    (config.output / "adapter").mkdir(exist_ok=True)
    assert again.adapter == config.output / "adapter"


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run\.yaml"):
        load_run(tmp_path)


def test_schema_and_dataclasses_agree() -> None:
    def agree(cls: type, described: dict[str, object], place: str = "") -> None:
        properties = described["properties"]
        assert isinstance(properties, dict)
        names = {each.name for each in dataclasses.fields(cls)}
        assert names == set(properties), place
        for name, hint in cls.__annotations__.items():
            assert properties[name]["description"], f"{place}.{name}"
            inner = sections.get(str(hint).removesuffix(" | None"))
            if inner is not None:
                agree(inner, properties[name], f"{place}.{name}")

    import vlmtrain.config as module

    sections = {name: value for name, value in vars(module).items() if dataclasses.is_dataclass(value)}
    agree(RunConfig, schema("run.v1"))


def test_a_mistake_is_reported_before_torch_is_imported(folder: Path) -> None:
    file = written(folder, MINIMAL + "lorra: {}\n", "wrong.yaml")
    code = (
        "import sys\nfrom vlmtrain.cli import main\nsys.argv = ['vlmtrain', 'sft', sys.argv[1]]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n"
        "    print(stop.code, sorted({'torch', 'transformers', 'trl', 'datasets', 'pyarrow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 []"
    assert "unknown key 'lorra'; [settings.unknown_key] did you mean 'lora'?" in done.stderr


@pytest.mark.parametrize("name", sorted(shipped_runs()))
def test_a_shipped_run_has_a_comment_on_every_setting_and_an_estimate_of_the_card(name: str) -> None:
    lines = shipped_runs()[name].read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if line.startswith("  ") and not line.endswith(":")]
    assert [line for line in settings if "#" not in line and "metrics" not in line] == []
    assert any("Smallest card, an estimate" in line for line in lines)
    assert yaml.safe_load("\n".join(lines))["model"]["load"] == "nf4"
