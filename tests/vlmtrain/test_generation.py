"""Answers and losses are a row's own: independent of the batch, its order, and an adapter that is switched off."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.small_data import image, picture, product_rows, row
from tests.vlmtrain.tiny_models import MAKERS
from vlmtrain.collate import Collator
from vlmtrain.config import LoraConfig
from vlmtrain.generation import (
    Generation,
    adapter_off,
    answer_losses,
    answer_rows,
    batches,
    end_of_turn,
    generation_config,
    learned_logits,
)
from vlmtrain.loaded import LoadedModel
from vlmtrain.model import attach_adapter, load_base

Tiny = Callable[[str], Path]
FAMILIES = sorted(MAKERS)


def mixed_rows() -> list[dict[str, Any]]:
    """Rows of unequal length, with one image, two, or none, in no order of size."""
    two = [picture("red"), picture("blue", (60, 60))]
    long = "Describe the product, and say of what it is made, in two sentences."
    return [
        row("none", [("user", ["What is a mug?"]), ("assistant", ["A cup."])]),
        *product_rows(3),
        row("two", [("user", [image(), image(), "Which is red?"]), ("assistant", ["The first."])], two),
        row("long", [("user", [image(), long]), ("assistant", ["A blue lamp, made of steel."])], two[1:]),
        row("two-b", [("user", [image(), "and", image(), long]), ("assistant", ["Both."])], two),
        row("none-b", [("user", [long]), ("assistant", ["It is a kettle."])]),
        *product_rows(2, start=3, size=(90, 60)),
    ]


@pytest.fixture(scope="module")
def loaded(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Callable[[str], LoadedModel]:
    made: dict[str, LoadedModel] = {}

    def get(family: str) -> LoadedModel:
        if family not in made:
            made[family] = load_base(a_run(tmp_path_factory.mktemp(family), tiny(family), dataset, "fp32"))
        return made[family]

    return get


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_do_not_depend_on_the_batch(loaded: Callable[[str], LoadedModel], family: str) -> None:
    model = loaded(family)
    collator, rows = Collator(model.processor), mixed_rows()
    together = answer_rows(model, collator, rows, Generation(max_new_tokens=8, batch_size=4))
    alone = [answer_rows(model, collator, [each], Generation(max_new_tokens=8, batch_size=1))[0] for each in rows]
    assert together == alone
    assert [answer.id for answer in together] == [each["id"] for each in rows]
    assert len({answer.text for answer in together}) > 1
    backwards = answer_rows(model, collator, rows[::-1], Generation(max_new_tokens=8, batch_size=3))
    assert backwards[::-1] == together


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_do_not_depend_on_the_batch(loaded: Callable[[str], LoadedModel], family: str) -> None:
    model = loaded(family)
    collator, rows = Collator(model.processor), mixed_rows()
    together = list(answer_losses(model, collator, rows, batch_size=4).values())
    alone = [answer_losses(model, collator, [each], batch_size=1)[0] for each in rows]
    assert [loss.tokens for loss in together] == [loss.tokens for loss in alone]
    assert [loss.nll for loss in together] == pytest.approx([loss.nll for loss in alone], rel=1e-4)


def test_a_loss_is_the_models_own_over_the_learned_tokens(loaded: Callable[[str], LoadedModel]) -> None:
    model = loaded("qwen2_vl")
    collator = Collator(model.processor)
    (each,) = product_rows(1)
    batch = collator([each])
    learned = int((batch["labels"] != -100).sum())
    theirs = model.model(**batch).loss.item()
    (mine,) = answer_losses(model, collator, [each]).values()
    assert (mine.tokens, mine.nll / mine.tokens) == (learned, pytest.approx(theirs, rel=1e-5))


def test_logits_are_made_where_something_is_learned(loaded: Callable[[str], LoadedModel]) -> None:
    model = loaded("qwen2_vl")
    collator, rows = Collator(model.processor), product_rows(2)
    whole = model.model(**{k: v for k, v in collator(rows).items() if k != "labels"}).logits
    labels = collator(rows)["labels"][:, 1:]
    for index, logits, targets in learned_logits(model, collator, rows, 2):
        wanted = labels[index] != -100
        assert logits.shape == (int(wanted.sum()), whole.shape[-1])
        assert (logits - whole[index, :-1][wanted]).abs().max() < 1e-5
        assert targets.tolist() == labels[index][wanted].tolist()


def test_a_batch_holds_equally_many_images_and_the_largest_rows_come_first() -> None:
    rows = mixed_rows()
    made = batches(rows, 2, key=lambda images: images)
    assert sorted(index for batch in made for index in batch) == list(range(len(rows)))
    counts = [{len(rows[index]["images"]) for index in batch} for batch in made]
    assert all(len(count) == 1 for count in counts)
    assert counts[0] == {2}
    assert max(len(batch) for batch in made) == 2
    assert batches([], 2, key=lambda _: 0) == []
    assert [len(batch) for batch in batches(rows, 4, key=lambda _: 0)] == [4, 4, 2]


def test_what_a_models_own_file_asks_for_is_switched_off(loaded: Callable[[str], LoadedModel]) -> None:
    model = loaded("qwen2_vl")
    collator, rows = Collator(model.processor), product_rows(2)
    plain = answer_rows(model, collator, rows, Generation(max_new_tokens=8))
    own = model.model.generation_config
    before = (own.do_sample, own.repetition_penalty, own.temperature)
    try:
        own.do_sample, own.repetition_penalty, own.temperature = True, 5.0, 9.0
        assert answer_rows(model, collator, rows, Generation(max_new_tokens=8)) == plain
    finally:
        own.do_sample, own.repetition_penalty, own.temperature = before


def test_sampling_repeats_itself_under_its_seed(loaded: Callable[[str], LoadedModel]) -> None:
    model = loaded("qwen2_vl")
    collator, rows = Collator(model.processor), product_rows(3)
    hot = Generation(max_new_tokens=8, temperature=5.0)
    first = answer_rows(model, collator, rows, hot)
    assert first == answer_rows(model, collator, rows, hot)
    assert first != answer_rows(model, collator, rows, dataclasses.replace(hot, seed=2))


def test_an_answer_may_end_as_the_template_teaches(loaded: Callable[[str], LoadedModel]) -> None:
    model = loaded("gemma3")
    known = model.processor.tokenizer.convert_tokens_to_ids
    stops = end_of_turn(model, Collator(model.processor), product_rows(1)[0])
    assert set(stops) >= {known("<eos>"), known("<end_of_turn>")}
    config = generation_config(model, Generation(), stops)
    assert (config.do_sample, config.pad_token_id) == (False, known("<pad>"))


def test_answers_end_at_the_end_of_turn_without_special_tokens(loaded: Callable[[str], LoadedModel]) -> None:
    model = loaded("qwen2_vl")
    words = model.processor.tokenizer
    said = words(" A mug<|vision_start|>.<|im_end|> and more", add_special_tokens=False)["input_ids"]

    class Told:
        training = True
        generation_config = SimpleNamespace(eos_token_id=None)
        config = model.model.config

        def eval(self) -> None:
            self.training = False

        def train(self, mode: bool) -> None:
            self.training = mode

        def generate(self, input_ids: Any, **_: Any) -> Any:
            import torch

            assert not self.training
            return torch.cat([input_ids, torch.tensor([said] * len(input_ids))], dim=1)

    fake = Told()
    told = dataclasses.replace(model, model=fake)  # type: ignore[arg-type]
    heard: list[int] = []
    made = answer_rows(told, Collator(model.processor), product_rows(3), Generation(batch_size=2), heard.append)
    assert [(each.text, each.finished) for each in made] == [("A mug.", True)] * 3
    assert made[0].tokens == said.index(words.convert_tokens_to_ids("<|im_end|>"))
    assert heard == [2, 1]
    assert fake.training


@pytest.mark.parametrize(("load", "saved"), [("nf4", ()), ("nf4", ("lm_head",)), ("fp32", ("lm_head", "embed_tokens"))])
def test_with_the_adapter_off_the_model_is_its_base(
    tiny: Tiny, dataset: Path, tmp_path: Path, load: str, saved: tuple[str, ...]
) -> None:
    config = a_run(tmp_path, tiny("qwen2_vl"), dataset, load, lora=LoraConfig(modules_to_save=saved))
    folder = save_random_adapter(config)
    base, tuned = load_base(config), attach_adapter(load_base(config), folder)
    collator, rows = Collator(base.processor), product_rows(4)

    def losses(model: LoadedModel) -> list[float]:
        return [loss.nll for loss in answer_losses(model, collator, rows).values()]

    before = losses(tuned)
    with adapter_off(tuned.model):
        assert losses(tuned) == losses(base)
    assert losses(tuned) == before
    assert before != losses(base)
