"""What is known before a training is right, and what would fail in silence fails here."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import vlmtrain
from tests.vlmtrain.small_data import image, picture, product_rows, row, save_dataset
from tests.vlmtrain.tiny_models import MAKERS
from vlmdata.contract import validator
from vlmdata.errors import ContractError
from vlmtrain.errors import BudgetError, ModelError
from vlmtrain.preflight_result import Preflight, Spread, as_data
from vlmtrain.report import as_text
from vlmtrain.report_preflight import preflight_report

Tiny = Callable[[str], Path]
TRAIN = "train: {epochs: 1.5, batch_size: 3, accumulate: 2, learning_rate: 1.0e-3, report_to: none}\n"
SIZES = [(40, 30), (200, 60), (31, 97), (64, 64), (300, 300)]


def shop(folder: Path, rows: Sequence[Mapping[str, Any]], **splits: Sequence[Mapping[str, Any]]) -> Path:
    return save_dataset(folder / "shop", {"train": rows, **splits})


def sized_rows() -> list[dict[str, Any]]:
    turns = [("user", [image(), "What?"]), ("assistant", ["A red mug."])]
    return [row(f"s{number}", turns, [picture("red", size)]) for number, size in enumerate(SIZES)]


def run_file(folder: Path, base: Path, data: Path, more: str = TRAIN) -> Path:
    file = folder / "run.yaml"
    head = f"output: out\ndata: {{path: {data}}}\nmodel: {{base: {base}}}\n"
    file.write_text(head + "lora: {targets: [language], r: 4, alpha: 8}\n" + more, encoding="utf-8")
    return file


def rules(result: Preflight) -> list[tuple[str, str]]:
    return [(problem.id, problem.rule) for problem in result.problems]


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model's weights fails the test."""
    from transformers import PreTrainedModel

    monkeypatch.setattr(PreTrainedModel, "from_pretrained", lambda *_, **__: pytest.fail("weights were loaded"))


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize("family", sorted(MAKERS))
def test_every_row_is_measured_without_weights_as_the_collator_makes_it(
    family: str, tiny: Tiny, tmp_path: Path
) -> None:
    from transformers import AutoProcessor

    rows = [*sized_rows(), row("text", [("user", ["Hello?"]), ("assistant", ["A mug."])])]
    result = vlmtrain.preflight(model=str(tiny(family)), data=shop(tmp_path, rows))
    assert result.passed, result.problems
    collator = vlmtrain.Collator(AutoProcessor.from_pretrained(tiny(family)))
    batches = [collator([each]) for each in rows]
    lengths = sorted(int(batch["attention_mask"].sum()) for batch in batches)
    found = result.splits["train"]
    assert (found.tokens.total, found.tokens.longest) == (sum(lengths), lengths[-1])
    assert found.learned_tokens.total == sum(int((batch["labels"] != -100).sum()) for batch in batches)
    assert found.text_tokens.total + found.image_tokens.total == found.tokens.total
    assert result.smallest_max_length == lengths[-1]
    validator("preflight.v1").validate(as_data(result))


def test_half_and_99_of_100_rows_stay_within_the_percentiles() -> None:
    found = Spread.of(list(range(1, 101)))
    assert found == Spread(total=5050, p50=50, p90=90, p99=99, longest=100)
    assert Spread.of([]) == Spread(total=0, p50=0, p90=0, p99=0, longest=0)


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "pixtral", "mistral3", "idefics3", "smolvlm"])
def test_the_largest_max_pixels_loses_nothing_and_one_more_would(family: str, tiny: Tiny, tmp_path: Path) -> None:
    data, base = shop(tmp_path, sized_rows()), str(tiny(family))
    bound = vlmtrain.preflight(model=base, data=data).smallest_max_length - 1
    found = vlmtrain.preflight(model=base, data=data, max_length=bound)
    assert rules(found)
    assert {rule for _, rule in rules(found)} == {"budget.max_length"}
    largest = found.largest_max_pixels.largest
    assert largest is not None
    assert vlmtrain.preflight(model=base, data=data, max_length=bound, max_pixels=largest).passed
    assert not vlmtrain.preflight(model=base, data=data, max_length=bound, max_pixels=largest + 1).passed


def test_a_family_without_a_bound_of_pixels_says_so(tiny: Tiny, tmp_path: Path) -> None:
    found = vlmtrain.preflight(model=str(tiny("gemma3")), data=shop(tmp_path, sized_rows()), max_length=20)
    assert found.largest_max_pixels.largest is None
    assert "Gemma 3 resizes every image" in found.largest_max_pixels.why


def test_the_smallest_max_length_is_enough_and_one_less_is_not(tiny: Tiny, tmp_path: Path) -> None:
    data, base = shop(tmp_path, sized_rows()), str(tiny("qwen2_vl"))
    smallest = vlmtrain.preflight(model=base, data=data).smallest_max_length
    assert vlmtrain.preflight(model=base, data=data, max_length=smallest).passed
    result = vlmtrain.preflight(model=base, data=data, max_length=smallest - 1)
    assert [each.id for each in result.over_budget] == ["s1"]
    assert not result.passed


def test_rows_whose_images_the_budget_makes_smaller_or_larger_are_counted(tiny: Tiny, tmp_path: Path) -> None:
    data, base = shop(tmp_path, sized_rows()), str(tiny("qwen2_vl"))
    config = vlmtrain.load_run(run_file(tmp_path, tiny("qwen2_vl"), data), set={"budget.min_pixels": 4 * 28 * 28})
    found = vlmtrain.preflight(config).splits["train"].scaled
    assert found.smaller == 1  # 300 x 300 is over the tiny processor's own bound
    assert found.larger == 2  # 40 x 30 and 31 x 97 are under the run's
    fewer = vlmtrain.preflight(model=base, data=data, max_pixels=4 * 28 * 28).splits["train"].scaled
    assert fewer.smaller is not None
    assert fewer.smaller > 1


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen2_vl", "mllama"])
def test_the_steps_are_those_that_training_takes(family: str, tiny: Tiny, tmp_path: Path) -> None:
    texts = [row(f"t{n}", [("user", ["What?"]), ("assistant", ["A mug."])]) for n in range(2)]
    data = shop(tmp_path, [*product_rows(7), *texts])
    config = vlmtrain.load_run(run_file(tmp_path, tiny(family), data))
    expected = vlmtrain.preflight(config).steps
    assert expected is not None
    result = vlmtrain.sft(config)
    assert expected.steps == result.training.steps
    assert expected.rows_a_step == 6
    said = json.loads((result.output / "preflight.json").read_text())
    assert said["passed"] is True
    assert said["steps"]["steps"] == result.training.steps


@pytest.mark.slow
def test_rows_over_the_budget_are_dropped_counted_and_listed_where_the_run_says_so(tiny: Tiny, tmp_path: Path) -> None:
    data = shop(tmp_path, [*product_rows(6), *product_rows(2, start=6, size=(300, 300))])
    file = run_file(tmp_path, tiny("qwen2_vl"), data)
    longest = vlmtrain.preflight(file).smallest_max_length
    config = vlmtrain.load_run(file, set={"budget.max_length": longest - 5, "budget.over": "drop", "train.epochs": 1})
    result = vlmtrain.sft(config)
    assert result.training.rows_seen == 6
    made = json.loads((result.output / "train.json").read_text())
    assert made["rows"]["train"]["used"] == 6
    assert [left["id"] for left in made["rows"]["train"]["left_out"]] == ["p6", "p7"]
    assert all(left["tokens"] > longest - 5 for left in made["rows"]["train"]["left_out"])
    assert made["forced"] is False
    from vlmtrain.cli import sft_lines

    assert "train left out: 2 rows: 'p6', 'p7'" in list(sft_lines(result))


def test_a_run_that_drops_every_row_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), shop(tmp_path, product_rows(2)))
    config = vlmtrain.load_run(file, set={"budget.max_length": 5, "budget.over": "drop"})
    with pytest.raises(BudgetError, match="no row of the split 'train' is left"):
        vlmtrain.sft(config)


@pytest.mark.slow
def test_images_are_shrunk_for_training_until_their_row_fits(tiny: Tiny, tmp_path: Path) -> None:
    data = shop(tmp_path, [*product_rows(2), *product_rows(1, start=2, size=(300, 300))])
    file = run_file(tmp_path, tiny("qwen2_vl"), data)
    longest = vlmtrain.preflight(file).smallest_max_length
    changes = {"budget.max_length": longest - 5, "budget.over": "shrink_images", "train.epochs": 1}
    result = vlmtrain.sft(vlmtrain.load_run(file, set=changes))
    assert result.training.rows_seen == 3
    assert result.training.tokens_seen == result.preflight.splits["train"].tokens.total
    (shrunk,) = json.loads((result.output / "train.json").read_text())["rows"]["train"]["shrunk"]
    assert (shrunk["id"], shrunk["tokens_before"]) == ("p2", longest)
    assert shrunk["tokens"] <= longest - 5


@pytest.mark.slow
def test_force_trains_without_what_can_not_be_taken_and_says_so(tiny: Tiny, tmp_path: Path) -> None:
    unanswered = row("q", [("user", ["Hello?"])])
    data = shop(tmp_path, [*product_rows(3), unanswered, *product_rows(1, start=4, size=(300, 300))])
    file = run_file(tmp_path, tiny("qwen2_vl"), data)
    bound = vlmtrain.preflight(file).smallest_max_length - 1
    config = vlmtrain.load_run(file, set={"budget.max_length": bound, "train.epochs": 1})
    with pytest.raises(BudgetError) as caught:
        vlmtrain.sft(config)
    assert caught.value.message == "2 of 5 rows can't be trained on"
    result = vlmtrain.sft(config, force=True)
    assert result.training.rows_seen == 4
    made = json.loads((result.output / "train.json").read_text())
    assert made["forced"] is True
    assert [left["id"] for left in made["rows"]["train"]["left_out"]] == ["q"]
    assert json.loads((result.output / "preflight.json").read_text())["passed"] is False


@pytest.mark.slow
def test_measured_steps_are_real_and_say_what_the_whole_run_would_take(
    tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset, TRAIN + "price_per_hour: 3.6\n")
    found = vlmtrain.preflight(file, measure=2)
    assert found.measured is not None
    assert found.steps is not None
    assert found.measured.steps == 2
    assert found.measured.hours == pytest.approx(found.steps.steps * found.measured.seconds_a_step / 3600)
    assert found.measured.cost == pytest.approx(found.measured.hours * 3.6)
    assert found.measured.rows_a_second * found.measured.seconds_a_step == pytest.approx(6)
    assert found.measured.peak_memory_bytes > 2**27
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.yaml"]
    validator("preflight.v1").validate(as_data(found))
    assert "hours at this rate" in as_text(preflight_report(found))


# Faults that others train on in silence.


def test_a_template_that_drops_the_text_fails(tiny: Tiny, tmp_path: Path) -> None:
    base = shutil.copytree(tiny("qwen2_vl"), tmp_path / "base")
    file = base / "chat_template.jinja"
    whole = file.read_text()
    assert "{{ part['text'] }}" in whole
    file.write_text(whole.replace("{{ part['text'] }}", "{{ part['text'] if loop.length == 1 else '' }}"))
    result = vlmtrain.preflight(model=str(base), data=shop(tmp_path, product_rows(2)))
    assert rules(result) == [("p0", "template"), ("p1", "template")]
    assert "drops or changes the text" in result.problems[0].message


def test_an_image_without_bytes_fails(tiny: Tiny, tmp_path: Path) -> None:
    data = shop(tmp_path, product_rows(2))
    (file,) = (data / "train").glob("*.arrow")
    table = pa.ipc.open_stream(file.read_bytes()).read_all()
    rows, schema = table.to_pylist(), table.schema
    rows[1]["images"] = [{"bytes": None, "path": "1.png"}]
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    with pytest.raises(ContractError) as caught:
        vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=data)
    assert [problem.rule for problem in caught.value.problems] == ["contract.null_bytes"]


def test_a_message_part_with_an_empty_image_column_fails(tiny: Tiny, tmp_path: Path) -> None:
    import datasets

    rows = product_rows(2)
    for each in rows:
        for message in each["messages"]:
            for part in message["content"]:
                part["image"] = None
    datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)}).save_to_disk(str(tmp_path / "shop"))
    with pytest.raises(ContractError) as caught:
        vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=tmp_path / "shop")
    assert "contract.type" in {problem.rule for problem in caught.value.problems}


def test_images_that_changed_places_fail(tiny: Tiny, tmp_path: Path) -> None:
    turns = [("user", [image(), image(), "Which is red?"]), ("assistant", ["The first."])]
    good = row("good", turns, [picture("red"), picture("blue")])
    swapped = row("swapped", turns, [picture("red"), picture("blue")])
    swapped["images"].reverse()
    other = row("other", turns, [picture("red"), picture("blue")])
    other["images"][1] = {"bytes": picture("green"), "path": "1.png"}
    result = vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=shop(tmp_path, [good, swapped, other]))
    assert rules(result) == [("swapped", "budget.images"), ("other", "budget.images")]
    assert "in another order than image_info says (images[0] is number 1, images[1] is number 0)" in str(
        result.problems[0]
    )
    assert "images[1] is not the image that image_info names" in str(result.problems[1])


def test_an_image_of_another_size_than_was_noted_fails(tiny: Tiny, tmp_path: Path) -> None:
    rows = product_rows(2)
    rows[0]["images"] = [{"bytes": picture("red", (300, 300)), "path": "0.png"}]
    result = vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=shop(tmp_path, rows))
    assert rules(result) == [("p0", "budget.images")]
    assert "images[0] is 300 x 300 pixels, but image_info says 40 x 30" in str(result.problems[0])


def test_a_max_length_that_would_cut_the_answer_fails(tiny: Tiny, tmp_path: Path) -> None:
    data, base = shop(tmp_path, product_rows(2)), str(tiny("qwen2_vl"))
    whole = vlmtrain.preflight(model=base, data=data)
    answer = whole.splits["train"].learned_tokens.longest
    result = vlmtrain.preflight(model=base, data=data, max_length=whole.smallest_max_length - answer + 1)
    assert {rule for _, rule in rules(result)} == {"budget.max_length"}


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("family", ["qwen2_vl", "gemma3", "mllama", "idefics3"])
def test_labels_shifted_by_one_fail(
    shift: int, family: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = vlmtrain.Collator._labels

    def shifted(self: Any, rendered: Any, batch: Any, replacements: Any) -> Any:
        import torch

        taken = torch.roll(right(self, rendered, batch, replacements) != -100, shift, dims=1)
        return torch.where(taken, batch["input_ids"], torch.tensor(-100))

    monkeypatch.setattr(vlmtrain.Collator, "_labels", shifted)
    result = vlmtrain.preflight(model=str(tiny(family)), data=shop(tmp_path, product_rows(2)))
    assert {problem.rule for problem in result.problems} == {"inspect.labels_shifted"}


def test_a_row_with_nothing_to_learn_fails(tiny: Tiny, tmp_path: Path) -> None:
    empty = row("empty", [("user", ["Hello?"]), ("assistant", [""])])
    result = vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=shop(tmp_path, [*product_rows(1), empty]))
    assert rules(result) == [("empty", "budget.nothing_learned")]


def test_rows_beyond_the_models_context_are_a_warning(tiny: Tiny, tmp_path: Path) -> None:
    base = shutil.copytree(tiny("qwen2_vl"), tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 40
    (base / "config.json").write_text(json.dumps(config))
    result = vlmtrain.preflight(model=str(base), data=shop(tmp_path, product_rows(2)))
    assert result.passed
    assert [problem.rule for problem in result.problems] == ["budget.context"]
    assert result.context == 40


def test_a_dataset_that_is_open_already_is_taken_as_it_is(tiny: Tiny, dataset: Path) -> None:
    import vlmdata

    opened = vlmdata.open(dataset)
    result = vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=opened)
    assert result.passed
    assert {name: split.rows for name, split in result.splits.items()} == {"train": 16, "validation": 4, "test": 6}


def test_the_report_says_what_to_do_and_no_row_is_read_as_markup(tiny: Tiny, tmp_path: Path) -> None:
    bad = row("[bold]x[/bold]", [("user", ["Hello?"])])
    result = vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=shop(tmp_path, [*product_rows(2), bad]))
    shown = as_text(preflight_report(result))
    assert "[bold]x[/bold]: the conversation has no answer" in shown
    assert "train left out  1 rows: '[bold]x[/bold]'" in shown
    assert "is the smallest that loses nothing" in shown
    assert "failed: 1 problems; `vlmtrain sft` will not start" in shown
    assert "cards           16 GB yes" in shown
    assert re.search(r"^ *for +GiB +how it is reckoned *$", shown, re.MULTILINE)


def test_the_steps_of_a_part_of_an_epoch_are_counted_as_transformers_does(
    tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    config = vlmtrain.load_run(run_file(tmp_path, tiny("qwen2_vl"), dataset))
    assert config.train is not None
    for epochs in (0.3, 1, 2.5):
        found = vlmtrain.preflight(replace(config, train=replace(config.train, epochs=epochs))).steps
        assert found is not None
        assert found.steps == math.ceil(epochs * 3)  # 16 rows, 3 a batch, 2 batches a step


def test_a_kernel_of_attention_that_is_not_here_is_said_so(tiny: Tiny, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), shop(tmp_path, product_rows(2)))
    config = vlmtrain.load_run(file, set={"model.attention": "flash_attention_3"})
    with pytest.raises(ModelError, match=r"model\.attention: flash_attention_3 is not installed here: "):
        vlmtrain.preflight(config)
