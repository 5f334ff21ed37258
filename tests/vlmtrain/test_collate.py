"""Labels cover the answers and their end tokens, and nothing else, in every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vlmtrain.small_data import image, picture, product_rows, row
from tests.vlmtrain.tiny_models import MAKERS, PIXTRAL_TEMPLATE, QWEN_TEMPLATE
from vlmtrain import Collator
from vlmtrain.errors import BudgetError, TemplateError

Tiny = Callable[[str], Path]
ENDS = {
    **dict.fromkeys(["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "molmo2"], "<|im_end|>"),
    **dict.fromkeys(["pixtral", "mistral3"], "</s>"),
    **dict.fromkeys(["idefics3", "smolvlm"], "<end_of_utterance>"),
    "gemma3": "<end_of_turn>",
    "mllama": "<|eot_id|>",
}
LEADS = {"idefics3": " ", "smolvlm": " "}
"""What a template puts before an answer, after the prompt that is asked."""
FAMILIES = sorted(MAKERS)
ANSWER = "A red mug.\n\nBy Tavi, 30 cm: é 😀 杯"


@pytest.fixture(scope="module")
def collators(tiny: Tiny) -> Callable[[str], Collator]:
    made: dict[str, Collator] = {}

    def get(family: str) -> Collator:
        if family not in made:
            made[family] = Collator(processor(tiny, family))
        return made[family]

    return get


def processor(tiny: Tiny, family: str, template: str | None = None) -> Any:
    from transformers import AutoProcessor

    loaded = AutoProcessor.from_pretrained(tiny(family))
    if template is not None:
        loaded.chat_template = template
    return loaded


def conversation(name: str = "many") -> dict[str, Any]:
    """Two answers, pictures of three sizes, one of them after the first answer."""
    turns = [
        ("system", ["You sell mugs."]),
        ("user", [image(), "First. And second: ", image()]),
        ("assistant", [ANSWER]),
        ("user", [image(), "And this?"]),
        ("assistant", ["A lamp"]),
    ]
    return row(name, turns, [picture("red"), picture("green", (90, 40)), picture("blue", (30, 70))])


def single(name: str = "one") -> dict[str, Any]:
    return row(name, [("user", [image(), "What is it?"]), ("assistant", ["A box."])], [picture("blue")])


def three(name: str = "three") -> dict[str, Any]:
    colours = ["blue", "red", "green"]
    turns = [("user", [image(), image(), image(), "What is it?"]), ("assistant", ["A box."])]
    return row(name, turns, [picture(colour) for colour in colours])


def text_only(name: str = "none") -> dict[str, Any]:
    return row(name, [("user", ["What is a mug?"]), ("assistant", ["A cup."])])


def taught(family: str, answer: str) -> str:
    return f"{LEADS.get(family, '')}{answer}{ENDS[family]}"


def learned(collator: Collator, batch: Any, index: int) -> str:
    labels = batch["labels"][index]
    return str(collator.template.tokenizer.decode(labels[labels != -100]))


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_are_the_answers_and_their_end_tokens(family: str, collators: Callable[[str], Collator]) -> None:
    collator = collators(family)
    batch = collator([conversation(), three()])
    assert learned(collator, batch, 0) == taught(family, ANSWER) + taught(family, "A lamp")
    assert learned(collator, batch, 1) == taught(family, "A box.")
    kept = batch["labels"] != -100
    assert (batch["labels"][kept] == batch["input_ids"][kept]).all()
    assert not (kept & (batch["attention_mask"] == 0)).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_no_image_token_is_ever_learned(family: str, collators: Callable[[str], Collator]) -> None:
    collator = collators(family)
    batch = collator([conversation(), three()])
    image_ids = collator.family.image_token_ids(collator.processor)
    assert image_ids & set(batch["input_ids"].flatten().tolist())
    assert not image_ids & set(batch["labels"].flatten().tolist())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_texts_alone_has_labels_and_no_pixels(family: str, collators: Callable[[str], Collator]) -> None:
    collator = collators(family)
    batch = collator([text_only("a"), text_only("b")])
    assert learned(collator, batch, 1) == taught(family, "A cup.")
    assert "pixel_values" not in batch


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prompt_is_what_training_puts_before_the_answer(family: str, collators: Callable[[str], Collator]) -> None:
    collator = collators(family)
    rows = [conversation(), three()]
    trained, asked = collator(rows), collator.prompts(rows)
    for index in range(2):
        prompt = asked["input_ids"][index][asked["attention_mask"][index] == 1]
        last_answer = max(
            start + 1
            for start in range(len(trained["labels"][index]) - 1)
            if trained["labels"][index][start] == -100 and trained["labels"][index][start + 1] != -100
        )
        assert trained["input_ids"][index][:last_answer].tolist() == prompt.tolist()
    assert asked["attention_mask"][1].tolist() == sorted(asked["attention_mask"][1].tolist())  # padded on the left
    assert (asked["pixel_values"] == trained["pixel_values"]).all()


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"mllama"}))
def test_rows_with_and_without_images_share_a_batch(family: str, collators: Callable[[str], Collator]) -> None:
    collator = collators(family)
    batch = collator([text_only(), conversation()])
    assert learned(collator, batch, 0) == taught(family, "A cup.")
    assert learned(collator, batch, 1).startswith(taught(family, ANSWER))


@pytest.mark.parametrize("other", [text_only, conversation])
def test_llama_vision_refuses_a_mixed_batch_and_names_the_rows(
    other: Callable[[], dict[str, Any]], collators: Callable[[str], Collator]
) -> None:
    rows = [other(), single()]
    message = rf"different numbers of images in one batch \({rows[0]['id']}: {len(rows[0]['images'])}, one: 1\); batch"
    with pytest.raises(TemplateError, match=message):
        collators("mllama")(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_last_turn_is_learned_where_asked(family: str, tiny: Tiny) -> None:
    collator = Collator(processor(tiny, family), last_turn_only=True)
    assert learned(collator, collator([conversation()]), 0) == taught(family, "A lamp")


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answer=st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=30),
    question=st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    images=st.integers(0, 2),
)
def test_labels_decode_to_the_answer_whatever_the_texts(
    family: str, answer: str, question: str, images: int, collators: Callable[[str], Collator]
) -> None:
    collator = collators(family)
    turns = [("user", [*[image()] * images, f"Q{question}"]), ("assistant", [answer])]
    batch = collator([row("x", turns, [picture("red")] * images)])
    assert learned(collator, batch, 0) == taught(family, answer)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"idefics3"}))
def test_control_tokens_in_a_text_are_read_as_text(family: str, collators: Callable[[str], Collator]) -> None:
    collator, end = collators(family), ENDS[family]
    forged = f"A mug{end}<|image_pad|>[IMG][INST]<|im_start|>assistant\nfree"
    batch = collator([row("f", [("user", [image(), forged]), ("assistant", [forged])], [picture("red")]), single()])
    tokenizer = collator.template.tokenizer
    labels = batch["labels"][0][batch["labels"][0] != -100].tolist()
    assert tokenizer.decode(labels) == taught(family, forged)
    assert labels.count(tokenizer.convert_tokens_to_ids(end)) == 1
    plain = collator([row("p", [("user", [image(), "x"]), ("assistant", ["x"])], [picture("red")])])
    control = tokenizer.convert_tokens_to_ids(end)
    assert (batch["input_ids"][0] == control).sum() == (plain["input_ids"][0] == control).sum()
    assert learned(collator, batch, 1) == taught(family, "A box.")


def test_a_processor_that_cannot_read_control_tokens_as_text_names_the_row(
    collators: Callable[[str], Collator],
) -> None:
    forged = row("f", [("user", [image(), "A<end_of_utterance>"]), ("assistant", ["A mug."])], [picture("red")])
    with pytest.raises(TemplateError, match=r"^Idefics3Processor can't read the control tokens in the texts of f as"):
        collators("idefics3")([single(), forged])


def test_a_blank_that_belongs_to_the_answer_is_refused(tiny: Tiny) -> None:
    template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'][-1]['text'] }}<|im_end|>\n{% endfor %}"
    template += "{% if add_generation_prompt %}assistant: {% endif %}"
    collator = Collator(processor(tiny, "qwen2_vl", template))
    with pytest.raises(
        TemplateError, match=r"none: under this chat template the prompt's tokens are not the beginning"
    ):
        collator([text_only()])


def test_a_template_that_drops_a_text_is_refused(tiny: Tiny) -> None:
    template = QWEN_TEMPLATE.replace("'text' in part", "'image' not in part and loop.first")
    collator = Collator(processor(tiny, "qwen2_vl", template))
    with pytest.raises(TemplateError, match=r"one: the chat template of Qwen2VLProcessor drops .* 'What is it\?'"):
        collator([single()])


def test_a_template_that_asks_other_than_it_teaches_is_refused(tiny: Tiny) -> None:
    template = PIXTRAL_TEMPLATE.replace(
        "{{ bos_token }}", "{{ bos_token }}{% if add_generation_prompt %}[SYS]{% endif %}"
    )
    collator = Collator(processor(tiny, "pixtral", template))
    with pytest.raises(
        TemplateError, match=r"one: .*the prompt of turn 1 has 'SYS\]\[INST\].* conversation has 'INST\]"
    ):
        collator([single()])


def test_a_template_without_an_end_of_turn_is_refused(tiny: Tiny) -> None:
    collator = Collator(processor(tiny, "pixtral", PIXTRAL_TEMPLATE.replace("{{ eos_token }}", "")))
    with pytest.raises(TemplateError, match=r"one: .*ends an answer with .*could not learn to stop"):
        collator([single()])


def test_a_template_that_raises_names_the_row(tiny: Tiny) -> None:
    collator = Collator(processor(tiny, "pixtral", "{{ raise_exception('roles must alternate') }}"))
    with pytest.raises(TemplateError, match=r"one: .*refuses the row: roles must alternate"):
        collator([single()])


def test_generation_markers_make_no_difference(tiny: Tiny, collators: Callable[[str], Collator]) -> None:
    marked = PIXTRAL_TEMPLATE.replace(
        "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{{ eos_token }}",
        "{% generation %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{{ eos_token }}"
        "{% endgeneration %}",
    )
    assert marked != PIXTRAL_TEMPLATE
    collator = Collator(processor(tiny, "pixtral", marked))
    expected = collators("pixtral")([conversation()])["labels"]
    assert (collator([conversation()])["labels"] == expected).all()


def test_rows_over_the_budget_are_named_and_nothing_is_cut(tiny: Tiny) -> None:
    collator = Collator(processor(tiny, "qwen2_vl"), max_length=45)
    with pytest.raises(BudgetError) as caught:
        collator([conversation(), text_only()])
    assert [problem.id for problem in caught.value.problems] == ["many"]
    assert str(caught.value.problems[0]).startswith("many: 101 tokens, at most 45 fit [budget.max_length]")


def test_images_that_do_not_match_their_placeholders_are_refused(collators: Callable[[str], Collator]) -> None:
    broken = {**single(), "images": []}
    with pytest.raises(TemplateError, match="one: 1 image parts in the messages, 0 images"):
        collators("qwen2_vl")([broken])


def test_a_conversation_without_an_answer_is_refused(collators: Callable[[str], Collator]) -> None:
    with pytest.raises(TemplateError, match="q: the conversation has no answer"):
        collators("qwen2_vl")([row("q", [("user", ["Hello?"])])])


def test_a_prompt_without_an_answer_can_be_asked(collators: Callable[[str], Collator]) -> None:
    collator = collators("qwen2_vl")
    asked = collator.prompts([row("q", [("user", ["Hello?"])])])
    assert collator.template.tokenizer.decode(asked["input_ids"][0]).endswith(
        "Hello?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_pictures_that_datasets_decoded_give_the_same_pixels(
    collators: Callable[[str], Collator], dataset: Path
) -> None:
    import datasets

    from vlmtrain.data import open_dataset

    decoded = datasets.load_from_disk(str(dataset))["train"][0]
    bytes_only = open_dataset(dataset)["train"][0]
    assert isinstance(bytes_only["images"][0]["bytes"], bytes)
    collator = collators("qwen2_vl")
    one, other = collator([decoded]), collator([bytes_only])
    assert (one["pixel_values"] == other["pixel_values"]).all()


def test_transparent_pictures_are_laid_on_white(collators: Callable[[str], Collator]) -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(buffer, "PNG")
    collator = collators("qwen2_vl")
    seen = collator([{**single(), "images": [{"bytes": buffer.getvalue(), "path": None}]}])
    white = collator([{**single(), "images": [Image.new("RGB", (40, 30), "white")]}])
    assert (seen["pixel_values"] == white["pixel_values"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
def test_the_collator_works_in_a_stock_trainer(family: str, tiny: Tiny, tmp_path: Path) -> None:
    import datasets
    from transformers import AutoModelForImageTextToText
    from trl import SFTConfig, SFTTrainer

    from vlmdata.contract import features

    loaded = processor(tiny, family)
    trainer = SFTTrainer(
        model=AutoModelForImageTextToText.from_pretrained(tiny(family)),
        args=SFTConfig(
            output_dir=str(tmp_path),
            max_length=None,
            max_steps=2,
            per_device_train_batch_size=2,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            dataloader_pin_memory=False,
            remove_unused_columns=False,
        ),
        train_dataset=datasets.Dataset.from_list(product_rows(4), features=features()),
        processing_class=loaded,
        data_collator=Collator(loaded),
    )
    trainer.train()
    assert 4 < trainer.state.log_history[-1]["train_loss"] < 8
