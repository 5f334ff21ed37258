"""What differs between families is found by the model's config, and is right: tokens, parts, pixels, attention."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlmtrain
from tests.vlmtrain.small_data import image, picture, product_rows, row, save_dataset
from tests.vlmtrain.tiny.molmo2 import IMAGES_FIRST_TEMPLATE
from tests.vlmtrain.tiny_models import GENERAL_MAKERS, MAKERS
from vlmdata.errors import MissingPackageError
from vlmtrain import Collator, RunConfig
from vlmtrain.config import BudgetConfig, DataConfig, ModelConfig
from vlmtrain.errors import BudgetError, ModelError, RunError, TemplateError
from vlmtrain.family import family_of_processor
from vlmtrain.grouping import grouped
from vlmtrain.model import load_base, load_processor

Tiny = Callable[[str], Path]
FAMILIES = sorted(MAKERS)
NAMES = {
    "qwen2_vl": "Qwen2-VL",
    "qwen2_5_vl": "Qwen2.5-VL",
    "qwen3_vl": "Qwen3-VL",
    "gemma3": "Gemma 3",
    "mllama": "Llama 3.2 Vision",
    "pixtral": "Pixtral",
    "mistral3": "Mistral 3",
    "molmo2": "Molmo 2",
    "idefics3": "Idefics3",
    "smolvlm": "SmolVLM",
    "llava": "general",
    "llava_next": "general",
    "internvl": "general",
}
PUBLISHED = {
    "qwen2_5_vl": "qwen2_5_vl",
    "qwen3_vl": "qwen3_vl",
    "gemma3": "gemma3",
    "idefics3": "idefics3",
    "smolvlm": "smolvlm",
    "llava_next": "llava_next",
}
"""Chat templates as their authors published them; trl brings them along."""


def a_run(base: Path | str, **more: Any) -> RunConfig:
    model = ModelConfig(base=str(base), load="fp32", **more.pop("model", {}))
    return RunConfig(output=Path("out"), data=DataConfig(path=Path("shop")), model=model, **more)


def run_file(folder: Path, base: Path | str, data: Path, more: str = "") -> Path:
    file = folder / "run.yaml"
    train = "train: {batch_size: 2, learning_rate: 1.0e-3, report_to: none}\n"
    file.write_text(
        f"output: out\ndata: {{path: {data}}}\nmodel: {{base: {base}}}\nlora: {{r: 4}}\n{train}{more}", encoding="utf-8"
    )
    return file


def processor(tiny: Tiny, family: str, template: str | None = None) -> Any:
    loaded = load_processor(a_run(tiny(family)))
    if template is not None:
        loaded.chat_template = template
    return loaded


def shown(*parts: Any, images: int = 1, answer: str = "A red mug.") -> dict[str, Any]:
    return row("x", [("user", parts), ("assistant", [answer])], [picture("red")] * images)


@pytest.mark.parametrize("family", NAMES)
def test_the_family_is_chosen_by_the_models_config(family: str, tiny: Tiny) -> None:
    loaded = load_base(a_run(tiny(family)), device="cpu")
    assert loaded.family.name == NAMES[family]
    assert family_of_processor(loaded.processor) is loaded.family
    assert loaded.attention == ("eager" if family == "gemma3" else "sdpa")


@pytest.mark.parametrize("family", NAMES)
def test_the_picture_reaches_the_model(family: str, tiny: Tiny) -> None:
    import torch

    loaded = load_base(a_run(tiny(family)), device="cpu")
    collator = Collator(loaded.processor)

    def logits(colour: str) -> torch.Tensor:
        batch = collator([row("x", [("user", [image(), "What?"]), ("assistant", ["A mug."])], [picture(colour)])])
        with torch.no_grad():
            return loaded.model(**{name: value for name, value in batch.items() if name != "labels"}).logits[:, -4:]

    assert (logits("red") - logits("blue")).abs().max() > 1e-5
    assert (logits("red") - logits("red")).abs().max() == 0


@pytest.mark.parametrize("family", NAMES)
def test_every_token_that_an_image_brings_is_an_image_token(family: str, tiny: Tiny) -> None:
    loaded = processor(tiny, family)
    collator = Collator(loaded)
    with_image = row("x", [("user", [image(), "What?"]), ("assistant", ["A mug."])], [picture("red", (200, 90))])
    without = row("x", [("user", ["What?"]), ("assistant", ["A mug."])])
    ids = [set(collator([each])["input_ids"][0].tolist()) for each in (with_image, without)]
    added = {token for token in ids[0] - ids[1] if token in loaded.tokenizer.added_tokens_decoder}
    assert added
    assert added <= collator.family.image_token_ids(loaded)


@pytest.mark.parametrize("family", ["pixtral", "mistral3"])
def test_a_template_that_shows_no_image_in_an_answer_is_refused_for_rows_with_one(family: str, tiny: Tiny) -> None:
    turns = [("user", ["Draw it."]), ("assistant", ["A mug:", image()])]
    with pytest.raises(
        TemplateError, match="x: the chat template of PixtralProcessor makes 0 placeholders of 1 images"
    ):
        Collator(processor(tiny, family))([row("x", turns, [picture("red")])])


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"mllama", "pixtral", "mistral3"}))
def test_an_image_in_an_answer_is_not_learned(family: str, tiny: Tiny) -> None:
    collator = Collator(processor(tiny, family))
    tokenizer = collator.template.tokenizer
    turns = [("user", [image(), "Draw it."]), ("assistant", ["A mug:", image(), "so."])]
    batch = collator([row("x", turns, [picture("red", (90, 60))] * 2)])
    learned = tokenizer.decode(batch["labels"][0][batch["labels"][0] != -100])
    plain = collator([row("x", [("user", ["Draw it."]), ("assistant", ["A mug:", "so."])])])
    assert learned == tokenizer.decode(plain["labels"][0][plain["labels"][0] != -100])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_end_of_a_prompt_settles_where_its_answer_starts_as_the_whole_prompt_does(
    family: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlmtrain import turns

    collator = Collator(processor(tiny, family))
    talk = [("user", [image(), "First?"]), ("assistant", ["A red mug.\n\n"]), ("user", ["\n And then? "])]
    each = row("x", [*talk, ("assistant", ["By Tavi: é 😀"])], [picture("red", (90, 60))])
    fast = collator([each])["labels"]
    calls: list[object] = []
    whole = turns._starts_by_prompts
    monkeypatch.setattr(turns, "_starts_by_prompts", lambda *given: calls.append(given) or whole(*given))
    assert (collator([each])["labels"] == fast).all()
    assert bool(calls) == (family in {"pixtral", "mistral3"})  # whose first prompt holds no end of a turn
    monkeypatch.setattr(turns, "_starts_by_tails", lambda *_: None)
    assert (collator([each])["labels"] == fast).all()


@pytest.mark.parametrize("family", PUBLISHED)
def test_published_templates_pass_the_proof(family: str, tiny: Tiny) -> None:
    from importlib import resources

    file = resources.files("trl") / "chat_templates" / f"{PUBLISHED[family]}.jinja"
    collator = Collator(processor(tiny, family, file.read_text(encoding="utf-8")))
    turns = [
        ("user", [image(), "What is it?"]),
        ("assistant", ["A red mug."]),
        ("user", ["And of what is it made?"]),
        ("assistant", ["Stoneware."]),
    ]
    batch = collator([row("x", turns, [picture("red")])])
    learned = collator.template.tokenizer.decode(batch["labels"][0][batch["labels"][0] != -100])
    end = collator.template.conversation(row("x", turns, [picture("red")])).end
    assert [part.strip() for part in learned.split(end)] == ["A red mug.", "Stoneware.", ""]


@pytest.mark.parametrize("family", ["idefics3", "smolvlm", "llava"])
def test_a_blank_at_the_end_of_the_prompt_is_refused(family: str, tiny: Tiny) -> None:
    """Trained so, a model answers worse than chance would have it, at a loss near zero."""
    loaded = processor(tiny, family)
    template = loaded.chat_template.replace("Assistant:{%", "Assistant: {%").replace("ASSISTANT:{%", "ASSISTANT: {%")
    assert template != loaded.chat_template
    loaded.chat_template = template
    with pytest.raises(TemplateError, match="the prompt's tokens are not the beginning of the conversation's"):
        Collator(loaded)([shown(image(), "What?")])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("", "makes 0 placeholders of 1 images"),
        ("<image><image>", "makes 2 placeholders of 1 images"),
    ],
)
def test_an_image_without_its_placeholder_is_refused(part: str, message: str, tiny: Tiny) -> None:
    loaded = processor(tiny, "llava")
    loaded.chat_template = loaded.chat_template.replace("<image>", part)
    with pytest.raises(TemplateError, match=f"x: the chat template of LlavaProcessor {message}"):
        Collator(loaded)([shown(image(), "What?")])


def test_a_template_that_moves_images_is_refused_for_rows_where_it_would(tiny: Tiny) -> None:
    collator = Collator(processor(tiny, "llava_next"))
    assert collator([shown(image(), "What?")])["labels"].max() > 0
    with pytest.raises(TemplateError, match="moves an image past a text; put the images where it puts them"):
        collator([shown("What?", image())])


def test_molmo_2_learns_to_stop_and_is_asked_as_it_was_taught_under_a_template_like_the_published_one(
    tiny: Tiny,
) -> None:
    collator = Collator(processor(tiny, "molmo2", IMAGES_FIRST_TEMPLATE))
    decode = collator.template.tokenizer.decode
    turns = [
        ("user", [image(), image(), "What?"]),
        ("assistant", ["A mug."]),
        ("user", ["And?"]),
        ("assistant", ["A lamp."]),
    ]
    each = row("x", turns, [picture("red"), picture("blue")])
    batch = collator([each])
    assert decode(batch["labels"][0][batch["labels"][0] != -100]) == "A mug.<|im_end|>A lamp.<|im_end|>"
    asked = collator.prompts([each])["input_ids"][0].tolist()
    assert batch["input_ids"][0][: len(asked)].tolist() == asked
    assert "<|im_end|>\n<|im_start|>assistant\nA mug." in decode(batch["input_ids"][0])
    with pytest.raises(TemplateError, match="moves an image past a text"):
        collator([shown("What?", image())])
    with pytest.raises(TemplateError, match="refuses the row: roles must alternate"):
        collator([row("s", [("system", ["You sell mugs."]), *turns[2:]])])
    later = [("user", ["Hello."]), ("assistant", ["Hello."]), ("user", [image(), "What?"]), ("assistant", ["A mug."])]
    with pytest.raises(TemplateError, match="moves an image past a text"):
        collator([row("l", later, [picture("red")])])


def test_a_template_that_writes_out_a_messages_structure_is_refused(tiny: Tiny) -> None:
    """Llama 3.2 Vision's does so with a system message that is not a string; the text itself is not missing."""
    loaded = processor(tiny, "mllama")
    loaded.chat_template = loaded.chat_template.replace(
        "{% for part in message['content'] %}",
        "{% if message['role'] == 'system' %}{{ message['content'] | trim }}{% endif %}"
        "{% for part in message['content'] if message['role'] != 'system' %}",
    )
    turns = [("user", ["What?"]), ("assistant", ["A mug."])]
    assert Collator(loaded)([row("x", turns)])["labels"].max() > 0
    with pytest.raises(TemplateError, match="s: the chat template of MllamaProcessor writes out a message's structure"):
        Collator(loaded)([row("s", [("system", ["You sell mugs."]), *turns])])


def test_a_short_text_that_a_template_drops_is_found(tiny: Tiny) -> None:
    """Its letters stand elsewhere in the text, so that looking for it alone finds nothing missing."""
    loaded = processor(tiny, "qwen2_vl")
    loaded.chat_template = loaded.chat_template.replace("'text' in part", "'text' in part and not loop.last")
    with pytest.raises(TemplateError, match="drops or changes the text 's'"):
        Collator(loaded)([shown(image(), "s")])


def test_a_processor_that_names_no_image_token_is_refused(tiny: Tiny) -> None:
    loaded = processor(tiny, "llava")
    loaded.image_token = None
    with pytest.raises(TemplateError, match="x: LlavaProcessor names no image token"):
        Collator(loaded)([shown(image(), "What?")])


def test_a_processor_whose_image_tokens_are_not_known_is_refused(tiny: Tiny) -> None:
    loaded = processor(tiny, "llava")
    loaded.image_token_id = None
    with pytest.raises(TemplateError, match="x: LlavaProcessor makes 0 image tokens of 1 images"):
        Collator(loaded)([shown(image(), "What?")])


def test_a_processor_that_does_not_say_where_image_tokens_go_is_refused(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = processor(tiny, "llava")
    kind = type(loaded)
    whole = kind.__call__

    def silent(self: Any, *given: Any, **options: Any) -> Any:
        options.pop("return_text_replacement_offsets", None)
        return whole(self, *given, **options)

    monkeypatch.setattr(kind, "__call__", silent)
    with pytest.raises(TemplateError, match="LlavaProcessor does not say where it puts each image's tokens"):
        Collator(loaded)([shown(image(), "What?")])


@pytest.mark.slow
@pytest.mark.parametrize("family", GENERAL_MAKERS)
def test_a_model_of_the_general_family_trains_where_its_template_passes_the_proof(
    family: str, tiny: Tiny, tmp_path: Path
) -> None:
    data = save_dataset(tmp_path / "shop", {"train": product_rows(3)})
    assert vlmtrain.sft(run_file(tmp_path, tiny(family), data)).training.rows_seen == 3


def test_a_model_of_the_general_family_is_refused_before_its_weights_are_read(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmtrain.run.load_base", lambda *_: pytest.fail("the base was loaded"))
    data = save_dataset(tmp_path / "shop", {"train": [shown("What?", image())]})
    with pytest.raises(BudgetError) as caught:
        vlmtrain.sft(run_file(tmp_path, tiny("llava_next"), data))
    assert "moves an image past a text" in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("family", "pixels", "setting", "value"),
    [
        ("qwen2_5_vl", 28 * 28 * 4, "size", {"shortest_edge": 784, "longest_edge": 3136}),
        ("qwen3_vl", 32 * 32 * 4, "size", {"shortest_edge": 1024, "longest_edge": 4096}),
        ("mistral3", 64 * 64, "size", {"longest_edge": 64}),
        ("idefics3", 100 * 100, "size", {"longest_edge": 56}),
        ("smolvlm", 10**6, "size", {"longest_edge": 112}),
        ("molmo2", 2 * 56 * 56, "max_crops", 2),
    ],
)
def test_the_pixel_budget_is_the_processors_own_setting(
    family: str, pixels: int, setting: str, value: Any, tiny: Tiny
) -> None:
    loaded: Any = load_processor(a_run(tiny(family), budget=BudgetConfig(max_pixels=pixels)))
    found = getattr(loaded.image_processor, setting)
    assert (found if isinstance(found, int) else {k: v for k, v in dict(found).items() if v is not None}) == value
    large = row("x", [("user", [image(), "What?"]), ("assistant", ["A."])], [picture("red", (400, 300))])
    free, bounded = Collator(processor(tiny, family)), Collator(loaded)
    assert (bounded([large])["input_ids"].shape[1] < free([large])["input_ids"].shape[1]) == (family != "smolvlm")


@pytest.mark.parametrize(
    ("family", "budget", "message"),
    [
        (
            "idefics3",
            BudgetConfig(max_pixels=100),
            "Idefics3 shows an image in tiles of 3,136 pixels; max_pixels is 100",
        ),
        ("smolvlm", BudgetConfig(min_pixels=100), "SmolVLM has no lower bound of pixels; leave out min_pixels"),
        ("molmo2", BudgetConfig(max_pixels=100), "Molmo 2 shows an image in tiles of 3,136 pixels; max_pixels is 100"),
        ("mistral3", BudgetConfig(min_pixels=100), "Mistral 3 has no lower bound"),
        ("llava", BudgetConfig(max_pixels=100), "how LlavaProcessor bounds an image's pixels is not known"),
    ],
)
def test_a_pixel_budget_that_a_family_cannot_keep_is_refused(
    family: str, budget: BudgetConfig, message: str, tiny: Tiny
) -> None:
    with pytest.raises(ModelError, match=message):
        load_processor(a_run(tiny(family), budget=budget))


@pytest.mark.parametrize("name", ["allenai/Molmo-7B-D-0924", "someone/molmo-7b-o-0924", "allenai/MolmoE-1B-0924"])
def test_molmo_1_is_refused_before_any_download_and_the_ways_are_named(
    name: str, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError) as caught:
        vlmtrain.load_run(run_file(tmp_path, name, dataset))
    (problem,) = caught.value.problems
    assert problem.rule == "run.molmo1"
    said = str(problem)
    assert f"run.yaml:3 model.base: {name}: this is Molmo 1: its code comes with the model" in said
    assert "`extends: molmo2-8b`, or `model.base: allenai/Molmo2-8B`" in said
    assert "transformers 4.46.1 to 4.53" in said


def test_a_run_file_that_extends_molmo_1_is_refused(dataset: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"extends: molmo-7b-d\noutput: out\ndata: {{path: {dataset}}}\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"this is Molmo 1: .* take Molmo 2"):
        vlmtrain.load_run(file)


def test_a_folder_with_molmo_1_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "molmo"}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"this is Molmo 1: .* take Molmo 2"):
        load_processor(a_run(tmp_path))


@pytest.mark.parametrize("name", ["allenai/Molmo2-8B", "allenai/Molmo2-O-7B", "owner/molmo-tuned"])
def test_other_names_are_not_taken_for_molmo_1(name: str, dataset: Path, tmp_path: Path) -> None:
    assert vlmtrain.load_run(run_file(tmp_path, name, dataset)).model.base == name


def test_a_package_that_a_processor_needs_is_named(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(MissingPackageError, match="pip install num2words"):
        load_processor(a_run(tiny("smolvlm")))


@given(keys=st.lists(st.integers(0, 3), max_size=40), size=st.integers(1, 5), seed=st.randoms())
def test_grouped_batches_hold_every_row_once_and_one_key_each(keys: list[int], size: int, seed: Any) -> None:
    order = list(range(len(keys)))
    seed.shuffle(order)
    batches = grouped(order, keys, size)
    assert sorted(index for batch in batches for index in batch) == sorted(order)
    assert all(len({keys[index] for index in batch}) == 1 and len(batch) <= size for batch in batches)
    assert len(batches) == sum(-(-keys.count(key) // size) for key in set(keys))


def test_only_llama_vision_asks_for_equal_numbers_of_images_in_a_batch(tiny: Tiny) -> None:
    for family in NAMES:
        keys = [processor_family(tiny, family).batch_key(images) for images in (0, 1, 2)]
        assert keys == ([0, 1, 2] if family == "mllama" else [0, 0, 0])


def processor_family(tiny: Tiny, family: str) -> Any:
    return family_of_processor(processor(tiny, family))
