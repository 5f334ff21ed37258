"""A model's answers to rows, and how likely it finds the reference answers. Batched; results in the order of the rows.

A row's result does not depend on its neighbours: prompts are padded on the left, and where a family's logits change
with mixed counts of images (Mllama), a batch holds rows with equally many. Rows of like size stand together, the
largest first, so that what does not fit in memory fails at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmtrain.grouping import grouped
from vlmtrain.turns import IGNORED

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from vlmtrain.collate import Collator
    from vlmtrain.loaded import LoadedModel

Row = Mapping[str, Any]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How answers are generated. Temperature 0 takes the likeliest token each time; `seed` matters above 0 only.

    Whatever else a model's own generation_config asks for (sampling, repetition penalty, beams) is switched off, so
    that two models are asked in the same way.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    batch_size: int = 8
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its text without special tokens, its length in tokens without the end token.

    `finished` is False where `max_new_tokens` cut it.
    """

    id: str
    text: str
    tokens: int
    finished: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLoss:
    """The summed negative log-likelihood, in nats, of a row's learned tokens, and how many these are."""

    nll: float
    tokens: int


def answer_rows(
    loaded: LoadedModel, collator: Collator, rows: Sequence[Row], settings: Generation, progress: Progress | None = None
) -> list[Answer]:
    """The model's answer to the last turn of every row, in order; `progress` is told how many each batch answered."""
    import torch

    if not rows:
        return []
    config = generation_config(loaded, settings, end_of_turn(loaded, collator, rows[0]))
    answers: dict[int, Answer] = {}
    model: Any = loaded.model
    with evaluating(model):
        for batch in batches(rows, settings.batch_size, key=loaded.family.batch_key):
            asked = [rows[index] for index in batch]
            inputs = on_device(loaded, collator.prompts(asked))
            if config.do_sample:
                torch.manual_seed(settings.seed)
            made = model.generate(**inputs, generation_config=config)
            continued = made[:, inputs["input_ids"].shape[1] :].tolist()
            for index, row, tokens in zip(batch, asked, continued, strict=True):
                answers[index] = _answer(loaded, row, tokens, config.eos_token_id)
            if progress:
                progress(len(batch))
    return [answers[index] for index in range(len(rows))]


def answer_losses(
    loaded: LoadedModel, collator: Collator, rows: Sequence[Row], batch_size: int = 8
) -> list[AnswerLoss]:
    """How likely the model finds each row's learned tokens (the collator's labels), in order; computed in float32."""
    from torch.nn.functional import cross_entropy

    losses: dict[int, AnswerLoss] = {}
    for index, logits, targets in learned_logits(loaded, collator, rows, batch_size):
        nll = cross_entropy(logits, targets, reduction="sum")
        losses[index] = AnswerLoss(nll=nll.item(), tokens=len(targets))
    return [losses[index] for index in range(len(rows))]


def learned_logits(
    loaded: LoadedModel, collator: Collator, rows: Sequence[Row], batch_size: int
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """For each row, in no order: its index, the float32 logits [tokens, vocabulary] that predict its learned tokens,
    and those tokens [tokens]. Logits are made at positions where some row of the batch learns, where the model can.
    """
    import torch

    keeps = "logits_to_keep" in inspect.signature(plain_model(loaded.model).forward).parameters
    with evaluating(loaded.model):
        for batch in batches(rows, batch_size, key=loaded.family.batch_key):
            inputs = on_device(loaded, collator([rows[index] for index in batch]))
            targets = inputs.pop("labels")[:, 1:]
            positions = (targets != IGNORED).any(dim=0).nonzero().squeeze(-1)
            with torch.no_grad():
                if keeps:
                    logits = loaded.model(**inputs, logits_to_keep=positions).logits
                else:
                    logits = loaded.model(**inputs).logits[:, positions]
            for place, index in enumerate(batch):
                wanted = targets[place, positions]
                learned = wanted != IGNORED
                yield index, logits[place, learned].to(torch.float32), wanted[learned]


def batches(rows: Sequence[Row], batch_size: int, *, key: Callable[[int], int]) -> list[list[int]]:
    """Indices of rows in batches, the largest rows first; in a batch, `key` of the number of images is equal."""
    sizes = [_size(row) for row in rows]
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index], -index), reverse=True)
    return grouped(order, [key(size[0]) for size in sizes], batch_size)


def _size(row: Row) -> tuple[int, int, int]:
    """How large a row is: images, their pixels, characters of text."""
    pixels = sum(info["width"] * info["height"] for info in row.get("image_info") or ())
    letters = sum(len(part["text"] or "") for message in row["messages"] for part in message["content"])
    return len(row["images"] or ()), pixels, letters


def generation_config(loaded: LoadedModel, settings: Generation, stops: Sequence[int]) -> GenerationConfig:
    """Everything about decoding, said in full: what is left None would be taken from the model's own file."""
    from transformers import GenerationConfig

    tokenizer = tokenizer_of(loaded)
    padding = tokenizer.pad_token_id
    sampling: dict[str, Any] = {"do_sample": False}
    if settings.temperature > 0:
        sampling = {"do_sample": True, "temperature": settings.temperature, "top_k": 0, "top_p": 1.0}
    return GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        use_cache=True,
        eos_token_id=list(stops),
        pad_token_id=stops[0] if padding is None else padding,
        **sampling,
    )


def end_of_turn(loaded: LoadedModel, collator: Collator, row: Row) -> list[int]:
    """The ids that end an answer: the model's and the tokenizer's own, and the one that the template puts after it.

    The last is what training teaches: Gemma's <end_of_turn>, say, where its tokenizer's own end is <eos>.
    """
    tokenizer = tokenizer_of(loaded)
    own = loaded.model.generation_config.eos_token_id
    turns = list(row["messages"])
    asked = turns[:-1] if turns[-1]["role"] == "assistant" else turns
    answer = {"role": "assistant", "content": [{"type": "text", "text": "a"}]}
    taught = collator.template.conversation({**row, "messages": [*asked, answer]}).end
    ids = [*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(taught)]
    return sorted({token for token in ids if token is not None})


def tokenizer_of(loaded: LoadedModel) -> Any:
    """The tokenizer inside the model's processor."""
    return loaded.processor.tokenizer


def _answer(loaded: LoadedModel, row: Row, tokens: Sequence[int], stops: Sequence[int]) -> Answer:
    end = next((place for place, token in enumerate(tokens) if token in stops), None)
    kept = tokens[:end]
    text = tokenizer_of(loaded).decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Answer(id=str(row["id"]), text=text.strip(), tokens=len(kept), finished=end is not None)


def on_device(loaded: LoadedModel, batch: Mapping[str, Any]) -> dict[str, Any]:
    """A batch on the model's device; what is real-valued (pixels) in the model's own precision."""
    moved = {name: value.to(loaded.device) for name, value in batch.items() if hasattr(value, "to")}
    return {name: value.to(loaded.dtype) if value.is_floating_point() else value for name, value in moved.items()}


def plain_model(model: Any) -> Any:
    """The model itself where it is wrapped in an adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def adapter_off(model: Any) -> AbstractContextManager[None]:
    """While it lasts the model answers as its base: LoRA layers and trained copies of modules are switched off.

    One model in memory serves as both sides of a comparison. That the answers are those of the base loaded by itself,
    also with `modules_to_save`, is held by a test.
    """
    switched: AbstractContextManager[None] = (
        model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()
    )
    return switched


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """While it lasts the model is in evaluation mode: no dropout."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
