"""The model card: what the Hub reads, what was measured, and no path or secret of the machine; where the curve goes."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import vlmtrain
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmtrain.card import Facts, front_matter, licence_of, model_card

Tiny = Callable[[str], Path]
TOKEN = "hf_" + "abcdefghij0123456789"
RUN = """
output: mugs
data: {{path: {data}}}
model: {{base: {base}}}
lora: {{r: 4, alpha: 8}}
train: {{epochs: 1, batch_size: 4, learning_rate: 1.0e-3, report_to: {where}}}
eval: {{batch_size: 4, metrics: [answer_loss, exact_match], generate: {{max_new_tokens: 4}}}}
"""


def a_config(folder: Path, base: Path | str, data: Path, where: str = "tensorboard") -> vlmtrain.RunConfig:
    file = folder / "run.yaml"
    file.write_text(RUN.format(data=data, base=base, where=where), encoding="utf-8")
    return vlmtrain.load_run(file)


def front(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


@pytest.mark.slow
def test_sft_leaves_a_card_and_eval_completes_it_and_no_token_or_path_is_left_anywhere(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    tried: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: tried.append(address))
    rows = product_rows(10)
    data = save_dataset(tmp_path / "shop", {"train": rows[:4], "test": rows[4:]})
    config = a_config(tmp_path, tiny("qwen2_vl"), data)
    result = vlmtrain.sft(config, on_progress=print)
    before = (result.output / "README.md").read_text()
    assert "Not measured yet" in before
    assert {"library_name": "peft", "pipeline_tag": "image-text-to-text"}.items() <= front(before).items()
    evaluated = vlmtrain.evaluate(config, on_progress=print)
    card = (result.output / "README.md").read_text()
    loss = evaluated.candidates["adapter"].metrics["answer_loss"]
    base = evaluated.candidates["base"].metrics["answer_loss"]
    assert re.search(rf"\| answer\\_loss \| {base:.4g} \(\S+ to \S+\) \| {loss:.4g} \(\S+ to \S+\) \|", card)
    assert "In brackets the 95% interval" in card
    assert "The base model's licence is not known here: see where the base came from." in card
    assert "adapter, images: swap" in card
    assert front(card)["metrics"] == ["answer_loss", "exact_match"]
    (measured,) = front(card)["model-index"][0]["results"]
    assert {"type": "answer_loss", "value": loss} in measured["metrics"]
    for text in (before, card):
        assert str(tmp_path) not in text
        assert os.sep + "tmp" not in text
    for file in result.output.rglob("*"):
        assert file.is_dir() or TOKEN.encode() not in file.read_bytes(), file
    assert tried == []
    assert TOKEN not in "".join(capfd.readouterr())


@pytest.mark.slow
def test_rows_trained_on_are_not_called_held_out_though_the_dataset_was_divided_anew(
    tiny: Tiny, tmp_path: Path
) -> None:
    rows = product_rows(10)
    config = a_config(
        tmp_path, tiny("qwen2_vl"), save_dataset(tmp_path / "shop", {"train": rows[:4], "test": rows[4:]})
    )
    result = vlmtrain.sft(config)
    again = save_dataset(tmp_path / "again", {"train": rows[:2] + rows[4:], "test": rows[2:6]})
    other = dataclasses.replace(config, data=dataclasses.replace(config.data, path=again))
    asked = vlmtrain.evaluate(other).setup["dataset"]
    assert (asked["trained_on"], asked["other_than_trained"]) == (2, True)
    card = (result.output / "README.md").read_text()
    assert "On 4 rows, 2 of them trained on and so not held out, all rows of the split `test`" in card
    assert "model-index" not in front(card)
    page = (result.output / "eval" / "report.html").read_text()
    assert "4 rows, 2 of them trained on" in page
    assert "held out</p>" not in page
    learned = dataclasses.replace(config, eval=dataclasses.replace(config.eval, split="train"))
    assert vlmtrain.evaluate(learned).setup["dataset"]["trained_on"] == 4
    assert "On 4 rows, 4 of them trained on and so not held out" in (result.output / "README.md").read_text()
    (result.output / "trained-rows.npy").unlink()
    assert vlmtrain.evaluate(learned).setup["dataset"]["trained_on"] == 4
    assert vlmtrain.evaluate(other).setup["dataset"]["trained_on"] is None


def test_the_hub_is_told_the_base_the_licence_and_the_dataset_that_it_knows(dataset: Path, tmp_path: Path) -> None:
    config = a_config(tmp_path, "owner/base", dataset)
    facts = Facts(config=config, train={}, results=None, dataset="owner/mugs", licence="apache-2.0")
    said = front_matter(facts)
    assert said["base_model"] == "owner/base"
    assert said["base_model_relation"] == "adapter"
    assert said["datasets"] == ["owner/mugs"]
    assert said["license"] == "apache-2.0"
    assert "[owner/base](https://huggingface.co/owner/base)" in model_card(facts)
    unnamed = Facts(config=config, train={}, results=None, dataset="our | mugs", licence=None)
    assert {"datasets", "license"}.isdisjoint(front_matter(unnamed))
    assert "our \\| mugs" in model_card(unnamed)


@pytest.mark.parametrize(
    ("card", "licence"),
    [("---\nlicense: gemma\n---\nx", "gemma"), ("no front matter", None), ("---\nlicense: [\n---\n", None)],
)
def test_the_licence_is_the_one_in_the_bases_own_card(
    card: str, licence: str | None, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "README.md").write_text(card, encoding="utf-8")
    assert licence_of(a_config(tmp_path, tmp_path / "base", dataset)) == licence
