"""The main job on the sample catalog: what `make demo` does, and what must be true of its result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parent.parent.parent
CATALOG = ROOT / "samples" / "catalog"
LOOKS = ("colour", "pattern")
FIELDS = (*LOOKS, "category", "brand", "material")


@dataclass(frozen=True)
class Journey:
    """Everything that the way from the catalog to the merged model made."""

    built: Any
    run: Path
    evaluated: Any
    merged: Any
    config: Any

    def score(self, candidate: str, name: str) -> float:
        return float(self.evaluated.candidates[candidate].metrics[name])


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    import vlmdata
    import vlmtrain

    folder = tmp_path_factory.mktemp("journey")
    built = vlmdata.build(vlmdata.load_recipe(CATALOG / "recipe.yaml"), folder / "dataset")
    changes = {"output": str(folder / "run"), "data.path": str(folder / "dataset"), "price_per_hour": 0.6}
    config = vlmtrain.load_run(CATALOG / "run.yaml", changes)
    tuned = vlmtrain.sft(config)
    evaluated = vlmtrain.evaluate(config)
    merged = vlmtrain.merge(config, folder / "merged")
    return Journey(built=built, run=tuned.output, evaluated=evaluated, merged=merged, config=config)


def test_the_ledger_of_the_catalog_is_what_its_readme_says(journey: Journey) -> None:
    rows = journey.built.ledger.as_dict()["rows"]
    assert rows["rejected"] == 2
    assert sum(rows["skipped"].values()) == 6
    assert rows["read"] == rows["used"] + 6 + 2


def test_the_adapter_names_looks_and_facts_right_and_the_base_does_not(journey: Journey) -> None:
    assert journey.score("adapter", "attribute_recall.all") >= 0.8
    assert journey.score("base", "attribute_recall.all") <= 0.05
    for name in FIELDS:
        assert journey.score("adapter", f"attribute_recall.{name}") >= 0.8, name


def test_the_adapter_writes_much_more_like_the_shop_than_the_base(journey: Journey) -> None:
    assert journey.score("adapter", "rouge_l") >= journey.score("base", "rouge_l") + 0.3
    assert journey.score("adapter", "chrf") >= journey.score("base", "chrf") + 30
    assert journey.score("adapter", "answer_loss") < journey.score("base", "answer_loss") / 3


def test_with_the_photos_swapped_the_looks_fall_to_chance(journey: Journey) -> None:
    (swapped,) = journey.evaluated.controls
    assert swapped.name == "swap"
    assert swapped.rows >= 20
    found = {name.removeprefix("attribute_recall."): each for name, each in swapped.comparison.changes.items()}
    assert found["colour"].after <= 0.35
    assert found["pattern"].after <= 0.6
    assert found["brand"].after >= 0.8
    assert found["colour"].verdict == found["pattern"].verdict == "worse"


def test_predictions_of_both_are_kept_row_by_row(journey: Journey) -> None:
    held_out = journey.built.ledger.splits["test"]
    for name in ("base", "adapter"):
        lines = (journey.run / "eval" / f"predictions-{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == held_out
        assert {"id", "reference", "prediction"} <= json.loads(lines[0]).keys()


def test_the_run_says_what_it_was_made_of_and_what_it_cost(journey: Journey) -> None:
    manifest = json.loads((journey.run / "train.json").read_text(encoding="utf-8"))
    dataset = json.loads((journey.built.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["dataset"]["fingerprint"] == dataset["fingerprint"]
    training = manifest["training"]
    assert training["cost"] == pytest.approx(training["seconds"] / 3600 * 0.6, rel=1e-2)
    assert training["peak_memory_bytes"] > 0
    assert 0 < training["tokens_learned"] < training["tokens_seen"]
    assert {"torch", "trl", "transformers", "peft", "bitsandbytes"} <= manifest["versions"].keys()


def test_the_merged_model_answers_as_the_adapter_does(journey: Journey) -> None:
    agreement = journey.merged.agreement
    assert agreement.equal / agreement.rows >= 0.9


def test_the_merged_folder_loads_with_plain_transformers(journey: Journey) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(journey.merged.path, local_files_only=True)
    processor = AutoProcessor.from_pretrained(journey.merged.path, local_files_only=True)
    assert getattr(model.config, "quantization_config", None) is None
    assert processor.chat_template


def test_a_new_product_is_described_from_its_photo_and_fields(journey: Journey) -> None:
    import vlmtrain

    fields = {"title": "Nova No. 5", "brand": "Brackwell", "material": "enamel", "size": "2 litres"}
    photo = CATALOG / "photos" / "ts-1001-1.jpg"
    (answer,) = vlmtrain.generate(journey.run, [{"images": [photo], **fields}])
    assert "orange" in answer.text
    assert "Brackwell" in answer.text
    assert "enamel" in answer.text
