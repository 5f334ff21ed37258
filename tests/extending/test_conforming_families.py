"""The conformance test of families: ours pass it on tiny models, and each way to be wrong is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.vlmtrain.conftest import tiny  # noqa: F401  (a fixture)
from tests.vlmtrain.tiny_models import MAKERS
from vlmtrain.errors import ModelError
from vlmtrain.family import family_of_processor
from vlmtrain.family.general import General
from vlmtrain.family.qwen2_vl import Qwen2VL
from vlmtrain.testing import ConformanceError, conforms_family

Tiny = Callable[[str], Path]
ALWAYS = ("qwen2_vl", "gemma3")


def processor_of(folder: Path) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in ALWAYS else pytest.mark.families) for n in MAKERS])
def test_every_family_of_ours_conforms(name: str, tiny: Tiny) -> None:  # noqa: F811
    from vlmtrain.config import BudgetConfig, DataConfig, ModelConfig, RunConfig
    from vlmtrain.model import load_base

    model = ModelConfig(base=str(tiny(name)), load="fp32")
    run = RunConfig(output=Path("out"), data=DataConfig(path=Path("shop")), model=model, budget=BudgetConfig())
    loaded = load_base(run, device="cpu")
    conforms_family(family_of_processor(loaded.processor), loaded.processor, model=loaded.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(Qwen2VL):
    """Qwen2-VL with one thing changed."""

    change: dict[str, Any] = field(default_factory=dict)

    def __getattribute__(self, member: str) -> Any:
        change = object.__getattribute__(self, "change")
        return change[member] if member in change else object.__getattribute__(self, member)


def more_for_less(processor: Any, low: int | None, high: int | None) -> None:
    if high is not None:
        Qwen2VL().set_pixels(processor, low, 2_000_000_000 // high)


def wordless(processor: Any, low: int | None, high: int | None) -> None:  # noqa: ARG001
    if high is not None:
        raise ModelError("")


RIGHT = Qwen2VL()
MUTANTS: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "its name is ''"),
    ({"attention": "fast"}, "its attention is 'fast'"),
    ({"expands_placeholders": 1}, "its expands_placeholders is 1"),
    ({"opening": lambda _: None}, "opening gives None, expected text"),
    ({"closing": lambda _: 1 / 0}, "raises ZeroDivisionError by closing"),
    ({"chat_template": lambda _: 7}, "chat_template gives 7"),
    ({"parts": {"language": ("model",)}}, "its parts are"),
    ({"parts": {"language": ("a",), "vision": "b", "projector": ("c",)}}, "its part vision is 'b', expected a tuple"),
    ({"parts": {"language": ("a",), "vision": ("a",), "projector": ("c",)}}, "a is both language and vision"),
    ({"image_token_ids": lambda _: [1]}, "expected a frozenset of numbers"),
    ({"image_token_ids": lambda _: frozenset()}, "image_token_ids names none"),
    ({"image_token_ids": lambda _: frozenset({10**9})}, "names 1000000000, which the tokenizer has not"),
    (
        {"image_token_ids": lambda p: RIGHT.image_token_ids(p) | set(p.tokenizer(" red")["input_ids"])},
        "which a plain text has too",
    ),
    (
        {"image_token_ids": lambda p: RIGHT.image_token_ids(p) | {p.tokenizer.convert_tokens_to_ids("<|im_start|>")}},
        "a row without an image has 3 image tokens",
    ),
    ({"set_pixels": wordless}, "set_pixels refuses a bound without a word why"),
    ({"image_token_ids": General().image_token_ids}, "which image_token_ids does not name"),
    ({"opening": lambda _: "Hello. "}, "opening gives 'Hello. ', and the processor begins a text with 'A mug."),
    ({"chat_template": lambda _: "{{ messages[0].role }}"}, "[inspect."),
    ({"batch_key": lambda _: "a"}, "batch_key gives 'a', expected a number"),
    ({"set_pixels": lambda *_: None}, "takes a bound and does not keep it"),
    ({"set_pixels": more_for_less}, "fewer pixels show more"),
    ({"set_pixels": lambda *_: 1 / 0}, "set_pixels raises ZeroDivisionError where there is no bound"),
    (
        {"set_pixels": lambda processor, _, high: processor.none_such if high else None},
        "set_pixels raises AttributeError for 1,000,000 pixels, expected ModelError",
    ),
]


@pytest.mark.parametrize(("change", "words"), MUTANTS, ids=[words for _, words in MUTANTS])
def test_a_wrong_family_is_caught(change: dict[str, Any], words: str, tiny: Tiny) -> None:  # noqa: F811
    with pytest.raises(ConformanceError) as caught:
        conforms_family(Mutant(change=change), processor_of(tiny("qwen2_vl")))
    assert words in str(caught.value)


def test_a_family_that_lets_unlike_rows_share_a_batch_is_caught(tiny: Tiny) -> None:  # noqa: F811
    from vlmtrain.family.mllama import FAMILY

    processor = processor_of(tiny("mllama"))
    conforms_family(FAMILY, processor)
    with pytest.raises(ConformanceError, match="batch_key puts rows of 0, 1, 3 images together, whose batch raises"):
        conforms_family(_with_one_key(FAMILY), processor)


def _with_one_key(family: Any) -> Any:
    class OneKey(type(family)):  # type: ignore[misc]
        def batch_key(self, images: int) -> int:  # noqa: ARG002
            return 0

    return OneKey()


def test_parts_that_the_model_has_not_are_caught(tiny: Tiny) -> None:  # noqa: F811
    import torch

    with pytest.raises(ConformanceError, match=r"the model has no module model\.visual for the part vision"):
        conforms_family(Qwen2VL(), processor_of(tiny("qwen2_vl")), model=torch.nn.Linear(1, 1))


def test_what_is_no_family_is_caught() -> None:
    with pytest.raises(ConformanceError, match="the family has no name, attention, parts"):
        conforms_family(object(), None)  # type: ignore[arg-type]
