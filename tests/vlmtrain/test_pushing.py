"""An adapter and a merged model on their way to the Hub, and a base that is read from there: pinned, and offline."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

import vlmtrain
from tests.hub_fixtures import hub_environment
from tests.hub_server import TOKEN, Hub
from tests.vlmtrain.loopback import no_network  # noqa: F401  (a fixture: the stand-in is on this machine)
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmdata.errors import ConfigError
from vlmdata.hub.refusals import HubError
from vlmtrain.cli import app, main
from vlmtrain.errors import RunError

# huggingface_hub's own call of httpx2
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")]

Tiny = Callable[[str], Path]
RUN = """
output: mugs
data: {{path: {data}}}
model: {{base: {base}}}
lora: {{r: 4, alpha: 8}}
train: {{epochs: 1, batch_size: 4, learning_rate: 1.0e-3}}
eval: {{batch_size: 4, metrics: [answer_loss, exact_match], controls: [], generate: {{max_new_tokens: 4}}}}
"""
ADAPTER = ["README.md", "adapter_config.json", "adapter_model.safetensors", "train.json"]


def tell_of_itself(data: Path, **said: str) -> None:
    """Let a dataset's manifest say what a recipe's `dataset:` block does."""
    manifest = json.loads((data / "manifest.json").read_text())
    about = {"name": "shop", "license": "cc-by-4.0", "description": "", "source": "", "attribution": ""}
    (data / "manifest.json").write_text(json.dumps({**manifest, "dataset": {**about, **said}}))


@pytest.fixture(scope="module")
def made(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was trained and measured, and with what it was merged to."""
    folder = tmp_path_factory.mktemp("made")
    rows = product_rows(10)
    written = {"description": "gemini", "model": "gemini_3|pro", "prompt_sha256": "0" * 64}
    data = save_dataset(
        folder / "shop", {"train": [row | {"provenance": written} for row in rows[:3]] + rows[3:4], "test": rows[4:]}
    )
    tell_of_itself(data, source=f"export of {folder}/wares, May", attribution="Mugs & Co <shop>")
    shutil.copytree(tiny("qwen2_vl"), folder / "base")
    (folder / "run.yaml").write_text(RUN.format(data=data, base=folder / "base"), encoding="utf-8")
    vlmtrain.sft(folder / "run.yaml")
    vlmtrain.evaluate(folder / "run.yaml")
    vlmtrain.merge(folder / "run.yaml", folder / "merged", agreement_rows=2)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    shutil.copytree(made, tmp_path / "made")
    return tmp_path / "made" / "mugs"


def held(hub: Hub, name: str = "me/mugs") -> dict[str, bytes]:
    return {path: data for path, data in hub.model(name).files().items() if path != ".gitattributes"}


def test_an_adapter_goes_with_its_card_and_how_it_was_made_and_no_path(run: Path, hub: Hub, tmp_path: Path) -> None:
    result = vlmtrain.push(run, "me/mugs", base="owner/base")
    assert result.sent is not None
    assert sorted(held(hub)) == ADAPTER
    assert hub.model("me/mugs").private
    for name, data in held(hub).items():
        assert str(tmp_path).encode() not in data, name
        assert str(run.parent).encode() not in data, name
        assert b"/made" not in data, name
    assert json.loads(held(hub)["adapter_config.json"])["base_model_name_or_path"] == "owner/base"
    told = json.loads(held(hub)["train.json"])
    assert told["config"]["model"]["base"] == "owner/base"
    assert told["config"]["data"]["path"] == "shop"
    assert told["dataset"]["fingerprint"]
    hub.asked.clear()
    again = vlmtrain.push(run, "me/mugs", base="owner/base").sent
    assert again is not None
    assert again.sent == ()
    assert hub.sent() == []


def test_a_run_file_names_the_same_as_its_folder(run: Path) -> None:
    file = run.parent / "run.yaml"
    file.write_text(file.read_text().replace(str(run.parent.parent), "."))
    by_file = vlmtrain.push(file, "me/mugs", dry_run=True).plan
    assert by_file == vlmtrain.push(run, "me/mugs", dry_run=True).plan


def test_the_card_tells_base_scores_with_intervals_versions_and_how_to_load(
    run: Path, hub: Hub, tmp_path: Path
) -> None:
    vlmtrain.push(run, "me/mugs", base="owner/base", dataset="me/shop")
    (tmp_path / "README.md").write_bytes(held(hub)["README.md"])
    card = ModelCard.load(tmp_path / "README.md")
    data = card.data.to_dict()
    assert data["datasets"] == ["me/shop"]
    assert data["base_model"] == "owner/base"
    assert data["base_model_relation"] == "adapter"
    assert data["library_name"] == "peft"
    assert data["model-index"][0]["name"] == "mugs"
    assert "license" not in data
    text = card.text
    assert "The base model's licence is not known here: see https://huggingface.co/owner/base." in text
    assert 'model = PeftModel.from_pretrained(model, "me/mugs")' in text
    assert " to " in next(line for line in text.splitlines() if line.startswith("| answer\\_loss |"))
    assert "| method | LoRA, r 4, alpha 8 |" in text
    assert "transformers 5." in text


TRAINING_DATA = """## Training data

- **Licence:** cc-by-4.0
- **Source:** export of wares, May
- **Attribution:** Mugs & Co \\<shop\\>
- **Texts:** of 4 rows, answers that a model wrote: 3 by gemini\\_3\\|pro (through gemini)
"""


def test_the_card_goes_on_saying_what_the_dataset_says_of_itself_though_it_is_gone(run: Path) -> None:
    assert TRAINING_DATA in (run / "README.md").read_text()
    shutil.rmtree(run.parent / "shop")
    for path in (run, run.parent / "merged"):
        assert TRAINING_DATA in sent_card(path)
    shutil.rmtree(run)
    assert TRAINING_DATA in sent_card(run.parent / "merged")


def test_what_nobody_stated_of_the_data_is_said_to_be_unstated(run: Path) -> None:
    train = json.loads((run / "train.json").read_text())
    (run / "train.json").write_text(json.dumps({**train, "dataset": {"fingerprint": "0"}}))
    tell_of_itself(run.parent / "shop", license="unknown", source=str(run))
    card = sent_card(run)
    assert "- **Licence:** not stated\n- **Source:** not stated\n- **Texts:** who wrote them is not stated\n" in card
    (run / "train.json").write_text(json.dumps({**train, "dataset": {"rows": 4, "written": []}}))
    assert "of 4 rows, none says that a model wrote its answer" in sent_card(run)


def sent_card(path: Path) -> str:
    plan = vlmtrain.push(path, "me/mugs", dry_run=True).plan
    (card,) = [each.content for each in plan.going if each.path == "README.md"]
    assert isinstance(card, bytes)
    return card.decode()


@pytest.mark.long
def test_a_pushed_adapter_loads_from_the_hub_on_its_base_offline_too(run: Path, hub: Hub, tmp_path: Path) -> None:
    base = {path.name: path.read_bytes() for path in (run.parent / "base").iterdir()}
    hub.add("models/owner/base", base)
    vlmtrain.push(run, "me/mugs", base="owner/base")
    code = """
from peft import PeftModel
from transformers import AutoModelForImageTextToText
model = AutoModelForImageTextToText.from_pretrained("owner/base")
model = PeftModel.from_pretrained(model, "me/mugs")
named = model.peft_config["default"].base_model_name_or_path
print(any("lora_A" in name for name, _ in model.named_parameters()), named)
"""
    for more in ({}, {"HF_HUB_OFFLINE": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=hub_environment(hub, tmp_path / "home", **more),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.stdout == "True owner/base\n", done.stderr
        hub.fault = lambda *_: 500


def test_a_merged_model_goes_whole_and_is_called_a_finetune(run: Path, hub: Hub, tmp_path: Path) -> None:
    merged = run.parent / "merged"
    vlmtrain.push(merged, "me/mugs", base="owner/base")
    files = held(hub)
    assert {"config.json", "model.safetensors", "tokenizer.json", "merge.json", "README.md"} <= set(files)
    assert files["model.safetensors"] == (merged / "model.safetensors").read_bytes()
    for name, data in files.items():
        assert str(run.parent).encode() not in data, name
    told = json.loads(files["merge.json"])
    assert told["base"] == told["run"]["model"]["base"] == "owner/base"
    (tmp_path / "README.md").write_bytes(files["README.md"])
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.to_dict()["base_model_relation"] == "finetune"
    assert card.data.to_dict()["library_name"] == "transformers"
    assert 'AutoModelForImageTextToText.from_pretrained("me/mugs")' in card.text
    assert "Measured with the adapter; merged, 2 of 2 answers are the same." in card.text


def test_a_merged_model_whose_run_is_elsewhere_has_a_card_all_the_same(run: Path) -> None:
    merged = run.parent / "merged"
    shutil.rmtree(run)
    plan = vlmtrain.push(merged, "me/mugs", dry_run=True).plan
    (card,) = [each.content for each in plan.going if each.path == "README.md"]
    assert isinstance(card, bytes)
    assert b"| method | LoRA, r 4, alpha 8 |" in card
    assert b"Not measured yet" in card
    assert b"| steps |" not in card


def told_of(path: Path, *include: str) -> dict[str, Any]:
    """The manifest of what would be pushed."""
    plan = vlmtrain.push(path, "me/mugs", include=include, dry_run=True).plan
    (told,) = [each.content for each in plan.going if each.path in {"train.json", "merge.json"}]
    assert isinstance(told, bytes)
    found: dict[str, Any] = json.loads(told)
    return found


def test_which_rows_were_left_out_or_answered_otherwise_is_told_only_where_results_are_named(run: Path) -> None:
    gone = {"id": "row-7", "number": 7, "rule": "budget.max_length", "tokens": 900}
    rows = {"train": {"rows": 4, "used": 3, "left_out": [gone], "shrunk": []}}
    agreement = {"rows": 2, "equal": 1, "differing": ["row-7"]}
    for path, said, told in (
        (
            run / "train.json",
            {"rows": rows},
            {"train": {**rows["train"], "left_out": [{"rule": "budget.max_length", "tokens": 900}]}},
        ),
        (run.parent / "merged" / "merge.json", {"agreement": agreement}, {**agreement, "differing": []}),
    ):
        path.write_text(json.dumps(json.loads(path.read_text()) | said))
        (name,) = said
        assert told_of(path.parent)[name] == told
        assert "row-7" not in json.dumps(told_of(path.parent))
        assert told_of(path.parent, "results")[name] == said[name]


def test_a_dry_run_tells_what_goes_and_stays_and_that_the_base_has_no_name(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a socket was opened"))
    monkeypatch.setattr("sys.argv", ["vlmtrain", "push", str(run), "--to", "me/mugs", "--dry-run"])
    with pytest.raises(SystemExit) as stopped:
        main(app)
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "weights of the adapter" in out
    assert "has places of this machine; train.json holds the same settings" in out
    assert "tells of the dataset's rows; --with results, report or predictions sends them" in out
    assert "--base OWNER/NAME says what it is called on the Hub" in out
    plan = vlmtrain.push(run, "me/mugs", dry_run=True).plan
    (config,) = [each.content for each in plan.going if each.path == "adapter_config.json"]
    assert isinstance(config, bytes)
    assert json.loads(config)["base_model_name_or_path"] is None


def test_results_and_predictions_go_only_by_name(run: Path) -> None:
    def going(*include: str) -> set[str]:
        return {each.path for each in vlmtrain.push(run, "me/mugs", include=include, dry_run=True).plan.going}

    assert going() == set(ADAPTER)
    assert going("results") - going() == {"eval/results.json"}
    assert going("predictions", "report") - going() == {
        *("eval/predictions-adapter.jsonl", "eval/predictions-base.jsonl", "eval/report.html")
    }
    with pytest.raises(ConfigError, match="--with answers: results, report, predictions were expected"):
        going("answers")


@pytest.mark.parametrize(
    ("base", "licence", "words"),
    [
        ("Qwen/Qwen2-VL-7B-Instruct", "apache-2.0", "is under the licence `apache-2.0`."),
        ("google/gemma-3-4b-it", "gemma", "`gemma`; its terms: https://ai.google.dev/gemma/terms."),
        ("allenai/Molmo2-8B", "apache-2.0", "`apache-2.0`. That is by others' words; see the base's own page."),
    ],
)
def test_the_licence_of_a_known_base_is_on_the_card(run: Path, base: str, licence: str, words: str) -> None:
    plan = vlmtrain.push(run, "me/mugs", base=base, dry_run=True).plan
    (card,) = [
        each.content.decode() for each in plan.going if isinstance(each.content, bytes) and each.path == "README.md"
    ]
    assert f"license: {licence}\n" in card
    assert words in card
    assert any("asks something of who passes the model on" in note for note in plan.notes) == (licence == "gemma")
    said = "is known by others' words alone: look at https://huggingface.co/allenai/Molmo2-8B before others may see"
    assert any(said in note for note in plan.notes) == (base == "allenai/Molmo2-8B")


def test_what_is_no_run_is_said_so(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        RunError, match=r"empty: is no run and no merged model \(no train.json, no merge.json\); `vlmtr"
    ):
        vlmtrain.push(tmp_path / "empty", "me/mugs")
    with pytest.raises(RunError, match="nowhere: there is no such folder; a run's or a merged model's was expected"):
        vlmtrain.push(tmp_path / "nowhere", "me/mugs")
    with pytest.raises(RunError, match=r"adapter: is no run .*; name .*mugs, the run's folder"):
        vlmtrain.push(run / "adapter", "me/mugs")
    (run / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(
        RunError, match=r"mugs: the run has no adapter \(no .safetensors in adapter\); `vlmtrain sft` m"
    ):
        vlmtrain.push(run, "me/mugs")
    (run / "train.json").write_text("[]")
    with pytest.raises(RunError, match=r"train.json: keys and values were expected"):
        vlmtrain.push(run, "me/mugs")
    (run / "train.json").write_text('{"config": {"output": 3}}')
    with pytest.raises(RunError, match=r"train.json: is of another version or damaged; no run can be read from it"):
        vlmtrain.push(run, "me/mugs")


def test_no_link_in_a_run_is_followed(run: Path, tmp_path: Path) -> None:
    weights = run / "adapter" / "adapter_model.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"is a symbolic link to '.*elsewhere'; nothing is pushed through links"):
        vlmtrain.push(run, "me/mugs", dry_run=True)


def test_a_repository_of_something_else_and_a_bad_base_are_refused(run: Path, hub: Hub) -> None:
    hub.add("models/me/mugs", {"pytorch_model.bin": b"x"})
    with pytest.raises(HubError, match=r"holds something else on the Hub \(no train.json, but pytorch_model.bin\)"):
        vlmtrain.push(run, "me/mugs")
    with pytest.raises(ConfigError, match=r"'../base': is no name on the Hub such as owner/name"):
        vlmtrain.push(run, "me/mugs", base="../base")
    with pytest.raises(ConfigError, match=r"--dataset 'shop': is no name on the Hub such as owner/name"):
        vlmtrain.push(run, "me/mugs", dataset="shop")


def prepared(run: Path, hub: Hub, **model: Any) -> Path:
    """A run file beside the made one, whose base is on the Hub."""
    hub.add("models/owner/base", {path.name: path.read_bytes() for path in (run.parent / "base").iterdir()})
    text = RUN.format(data=run.parent / "shop", base="owner/base").replace("output: mugs", "output: second")
    more = "".join(f", {key}: {value}" for key, value in model.items())
    file = run.parent / "second.yaml"
    file.write_text(text.replace("owner/base}", f"owner/base{more}}}"), encoding="utf-8")
    return file


def vlmtrain_in(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vlmtrain.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.long
def test_a_base_of_the_hub_is_recorded_by_commit_and_trained_on_from_the_cache_alone(
    run: Path, hub: Hub, tmp_path: Path
) -> None:
    file = prepared(run, hub)
    commit = hub.model("owner/base").branches["main"]
    first = vlmtrain_in(hub_environment(hub, tmp_path / "home"), "sft", str(file))
    assert first.returncode == 0, first.stderr
    assert json.loads((run.parent / "second" / "train.json").read_text())["base_commit"] == commit
    assert f"pin the base: model.revision: {commit}" in first.stdout + first.stderr
    card = (run.parent / "second" / "README.md").read_text()
    assert f"at commit `{commit}`" in card
    assert TOKEN not in card + first.stdout + first.stderr
    hub.asked.clear()
    offline = hub_environment(hub, tmp_path / "home", HF_HUB_OFFLINE="1")
    pinned = vlmtrain_in(offline, "sft", str(file), "--replace", "--set", f"model.revision={commit}")
    assert pinned.returncode == 0, pinned.stderr
    assert "pin the base" not in pinned.stdout + pinned.stderr
    assert json.loads((run.parent / "second" / "train.json").read_text())["base_commit"] == commit
    assert hub.asked == []


@pytest.mark.long
def test_a_run_is_asked_on_the_commit_that_it_was_trained_on_though_the_base_has_moved_on(
    run: Path, hub: Hub, tmp_path: Path
) -> None:
    file = prepared(run, hub)
    trained_on = hub.model("owner/base").branches["main"]
    environment = hub_environment(hub, tmp_path / "home")
    assert vlmtrain_in(environment, "sft", str(file)).returncode == 0
    files = {path.name: path.read_bytes() for path in (run.parent / "base").iterdir()}
    assert hub.add("models/owner/base", {**files, "README.md": b"new"}) != trained_on
    done = vlmtrain_in(
        environment, "eval", str(file), "--set", "eval.split=train", "--set", "eval.metrics=[answer_loss]"
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((run.parent / "second" / "eval" / "results.json").read_text())
    commits = {name: made["about"]["commit"] for name, made in results["candidates"].items()}
    assert commits == {"base": trained_on, "adapter": trained_on}


@pytest.mark.long
@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "VLMDATA_OFFLINE"])
def test_offline_a_base_that_is_not_on_this_machine_is_said_so(
    variable: str, run: Path, hub: Hub, tmp_path: Path
) -> None:
    file = prepared(run, hub)
    for command in ("preflight", "sft"):
        done = vlmtrain_in(hub_environment(hub, tmp_path / "home", **{variable: "1"}), command, str(file))
        assert done.returncode == 2
        assert f"owner/base: not on this machine, and {variable} forbids the download; unset it" in done.stderr
    assert hub.asked == []
