"""Ten families x what their rows show x what a run does: `make test-families`. `make test` runs one cell of each.

A family's model is trained in 4-bit through the real entry, interrupted and resumed, evaluated, and merged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import vlmtrain
from tests.vlmtrain.small_data import COLOURS, image, picture, row, save_dataset
from tests.vlmtrain.tiny_models import MAKERS
from vlmtrain import Collator
from vlmtrain.run import SftResult

Tiny = Callable[[str], Path]
Trained = Callable[[str, str], SftResult]

SHOWN: dict[str, tuple[int, ...]] = {"one": (1,), "several": (2, 3), "mixed": (1, 0, 2, 1, 0), "none": (0,)}
"""How many images the rows of a dataset have, in turns."""
STEPS = ("train", "resume", "evaluate", "merge")
SHORT = {family: (list(SHOWN)[(index + 2) % 4], STEPS[index % 4]) for index, family in enumerate(MAKERS)} | {
    "mllama": ("mixed", "train")
}
"""A cell of each family."""
EVERY_RUN = ("qwen2_vl", "gemma3", "mllama", "pixtral", "molmo2", "smolvlm")
"""Families whose cell every test run has; they share their code with the others."""
RUN = """
output: out
data: {{path: {data}}}
model: {{base: {base}}}
lora: {{targets: [language, vision], r: 4, alpha: 8, dropout: 0.1}}
train: {{batch_size: 2, learning_rate: 1.0e-2, log_every: 1, save_every: 2, report_to: none}}
eval: {{batch_size: 3, metrics: [answer_loss, exact_match], generate: {{max_new_tokens: 4}}}}
"""


def cells(step: str) -> list[Any]:
    made = []
    for family in MAKERS:
        for shown in SHOWN:
            always = SHORT[family] == (shown, step) and family in EVERY_RUN
            marks = [pytest.mark.slow] if always else [pytest.mark.slow, pytest.mark.families]
            made.append(pytest.param(family, shown, marks=marks, id=f"{family}-{shown}"))
    return made


def rows(shown: str, count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows of one or two turns, with pictures of several sizes."""
    made = []
    for number in range(start, start + count):
        images = SHOWN[shown][number % len(SHOWN[shown])]
        colours = [COLOURS[(number + index) % 4] for index in range(images)]
        pictures = [picture(colour, (40 + 16 * index, 30)) for index, colour in enumerate(colours)]
        turns: list[Any] = [("user", [*[image()] * images, f"Which colours, {number}?"])]
        turns += [("assistant", [f"{' and '.join(colours) or 'none'}."])]
        if number % 3 == 0:
            turns += [("user", ["And what is it?"]), ("assistant", ["A mug."])]
        made.append(row(f"{shown}{number}", turns, pictures))
    return made


@pytest.fixture(scope="module")
def run_of(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A run file in a new folder, for a family and rows that show so many images."""
    data: dict[str, Path] = {}

    def get(family: str, shown: str) -> Path:
        if shown not in data:
            splits = {"train": rows(shown, 7), "test": rows(shown, 5, start=20)}
            data[shown] = save_dataset(tmp_path_factory.mktemp("data") / shown, splits)
        file = tmp_path_factory.mktemp(f"{family}-{shown}") / "run.yaml"
        file.write_text(RUN.format(data=data[shown], base=tiny(family)), encoding="utf-8")
        return file

    return get


@pytest.fixture(scope="module")
def trained(run_of: Callable[[str, str], Path]) -> Trained:
    """A finished training; made once for all tests of a family and its rows."""
    made: dict[tuple[str, str], SftResult] = {}

    def get(family: str, shown: str) -> SftResult:
        if (family, shown) not in made:
            made[family, shown] = vlmtrain.sft(run_of(family, shown))
        return made[family, shown]

    return get


def curve(result: SftResult) -> list[tuple[int, float | None]]:
    return [(point.step, point.loss) for point in result.training.history]


def weights(result: SftResult) -> dict[str, Any]:
    return load_file(result.adapter / "adapter_model.safetensors")


@pytest.mark.parametrize(("family", "shown"), cells("train"))
def test_it_trains_in_4_bit_on_every_row(family: str, shown: str, trained: Trained, tiny: Tiny) -> None:
    from transformers import AutoProcessor

    result = trained(family, shown)
    collator = Collator(AutoProcessor.from_pretrained(tiny(family)))
    learned = sum(int((collator([each])["labels"] != -100).sum()) for each in rows(shown, 7))
    assert (result.training.rows_seen, result.training.tokens_learned) == (7, learned)
    losses = [loss for _, loss in curve(result)]
    assert losses
    assert all(loss is not None and math.isfinite(loss) and loss > 0 for loss in losses)
    moved = [name for name, weight in weights(result).items() if "lora_B" in name and weight.abs().max() > 0]
    assert moved
    assert any("vision" in name or "visual" in name for name in moved) == (shown != "none")


@pytest.mark.parametrize(("family", "shown"), cells("resume"))
def test_it_goes_on_after_an_interruption_as_if_nothing_had_happened(
    family: str, shown: str, trained: Trained, run_of: Callable[[str, str], Path]
) -> None:
    import torch

    class InterruptionError(Exception):
        pass

    def interrupt(line: str) -> None:
        if line.startswith("step 3/"):
            raise InterruptionError

    file = run_of(family, shown)
    with pytest.raises(InterruptionError):
        vlmtrain.sft(file, on_progress=interrupt)
    result, unbroken = vlmtrain.sft(file, resume=True), trained(family, shown)
    assert curve(result) == curve(unbroken)
    mine, other = weights(result), weights(unbroken)
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[name], other[name]) for name in mine)


@pytest.mark.parametrize(("family", "shown"), cells("evaluate"))
def test_base_and_adapter_are_measured(family: str, shown: str, trained: Trained) -> None:
    controls = () if shown == "none" else ("swap",)
    result = vlmtrain.evaluate(trained(family, shown).output, controls=controls)
    base, adapter = result.candidates["base"], result.candidates["adapter"]
    assert len(base.answered) == len(adapter.answered) == 5
    assert math.isfinite(base.metrics["answer_loss"])
    assert adapter.metrics["answer_loss"] < base.metrics["answer_loss"]
    assert len(result.controls) == len(controls)


@pytest.mark.parametrize(("family", "shown"), cells("merge"))
def test_the_merged_model_is_the_adapter_on_its_base(family: str, shown: str, trained: Trained, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    result = vlmtrain.merge(trained(family, shown).output, tmp_path / "merged", agreement_rows=5)
    found = result.agreement
    assert found is not None
    assert found.rows == 5
    assert found.logit_tokens > 10
    assert found.largest_logit_difference < 0.5 * found.logit_deviation, found
    model = AutoModelForImageTextToText.from_pretrained(result.path)
    assert getattr(model.config, "quantization_config", None) is None
    assert AutoProcessor.from_pretrained(result.path).chat_template
