"""A model's answers to rows, and how likely it finds the reference answers. Batched; results in the order of the rows.

A row's result does not depend on its neighbours: prompts are padded on the left, and where a family's logits change
with mixed counts of images (Mllama), a batch holds rows with equally many. Rows of like size stand together, the
largest first, so that what does not fit in memory fails at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vlmtrain.errors import BudgetError, TemplateError
from vlmtrain.grouping import grouped
from vlmtrain.turns import IGNORED

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from vlmtrain.collate import Collator
    from vlmtrain.loaded import LoadedModel

Row = Mapping[str, Any]
Progress = Callable[[int], None]
T = TypeVar("T")


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

    `finished` is False where `max_new_tokens` cut it. `failed` says why the model could not take the row; the text is
    empty then.
    """

    id: str
    text: str
    tokens: int
    finished: bool = True
    failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLoss:
    """The summed negative log-likelihood, in nats, of a row's learned tokens, and how many these are."""

    nll: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[T]):
    """What is known already, by place, where the rest goes as soon as it is made, and whose share of it this is.

    Batches are the same whatever is known and however many share them, so that an evaluation that was interrupted gives
    the answers of one that was not, bit by bit. A batch that is known in part is made again as a whole.
    """

    known: Mapping[int, T] = field(default_factory=dict)
    keep: Callable[[Mapping[int, T]], None] | None = None
    progress: Progress | None = None
    share: int = 0
    shares: int = 1

    def run(self, batches: Sequence[Sequence[int]], make: Callable[[Sequence[int]], Mapping[int, T]]) -> dict[int, T]:
        """What is known and what this share makes of the rest, by place; `progress` is told of each batch's rows."""
        found = dict(self.known)
        for batch in batches[self.share :: self.shares]:
            if not all(index in self.known for index in batch):
                made = make(batch)
                found |= made
                if self.keep:
                    self.keep(made)
            if self.progress:
                self.progress(len(batch))
        return found


def answer_rows(
    loaded: LoadedModel, collator: Collator, rows: Sequence[Row], settings: Generation, progress: Progress | None = None
) -> list[Answer]:
    """The model's answer to the last turn of every row, in order. A row that it can't take has `failed`."""
    found = share_of_answers(loaded, collator, rows, settings, Work(progress=progress))
    return [found[index] for index in range(len(rows))]


def share_of_answers(
    loaded: LoadedModel, collator: Collator, rows: Sequence[Row], settings: Generation, work: Work[Answer]
) -> dict[int, Answer]:
    """The same for a share of the rows, by place, with what is known already."""
    if not rows:
        return {}
    asking = _Asking(loaded, collator, settings, end_of_turn(loaded, collator, rows[0]))

    def make(batch: Sequence[int]) -> dict[int, Answer]:
        return dict(zip(batch, asking.answers([rows[index] for index in batch]), strict=True))

    with evaluating(loaded.model):
        return work.run(batches(rows, settings.batch_size, key=loaded.family.batch_key), make)


class _Asking:
    """A model under one configuration of decoding, asked batch by batch."""

    def __init__(self, loaded: LoadedModel, collator: Collator, settings: Generation, stops: Sequence[int]) -> None:
        self.loaded, self.collator, self.settings = loaded, collator, settings
        self.config = generation_config(loaded, settings, stops)
        self.context = context_of(loaded)

    def answers(self, rows: Sequence[Row]) -> list[Answer]:
        """The rows' answers. Where the batch can't be taken its halves are tried, down to the row that is to blame."""
        import torch

        try:
            return self._generated(rows)
        except TemplateError as error:
            reason = error.message
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            reason = f"no memory left: {str(error).splitlines()[0]}"
        if len(rows) == 1:
            return [Answer(id=str(rows[0]["id"]), text="", tokens=0, failed=reason)]
        half = len(rows) // 2
        return [*self.answers(rows[:half]), *self.answers(rows[half:])]

    def _generated(self, rows: Sequence[Row]) -> list[Answer]:
        import torch

        prompts = self.collator.prompts(rows)
        lengths = prompts["attention_mask"].sum(dim=1).tolist()
        long = [place for place, length in enumerate(lengths) if self._too_long(length)]
        if long:
            return self._without(rows, {place: self._too_long(lengths[place]) for place in long})
        if self.config.do_sample:
            torch.manual_seed(self.settings.seed)
        inputs = on_device(self.loaded, prompts)
        model: Any = self.loaded.model
        made = model.generate(**inputs, generation_config=self.config)
        continued = made[:, inputs["input_ids"].shape[1] :].tolist()
        return [
            _answer(self.loaded, row, tokens, self.config.eos_token_id)
            for row, tokens in zip(rows, continued, strict=True)
        ]

    def _too_long(self, length: int) -> str | None:
        """Why a prompt of so many tokens does not fit, if so: what lies beyond the context is not what was trained."""
        room = self.context
        if room is None or length + self.settings.max_new_tokens <= room:
            return None
        new = self.settings.max_new_tokens
        return f"{length:,} tokens and {new:,} new ones do not fit the model's context of {room:,}"

    def _without(self, rows: Sequence[Row], failed: Mapping[int, str | None]) -> list[Answer]:
        rest = [row for place, row in enumerate(rows) if place not in failed]
        answers = iter(self.answers(rest) if rest else ())
        return [
            Answer(id=str(row["id"]), text="", tokens=0, failed=failed[place]) if place in failed else next(answers)
            for place, row in enumerate(rows)
        ]


def context_of(loaded: LoadedModel) -> int | None:
    """The most tokens that the model was made for, by its config; None where that does not say."""
    found = getattr(plain_model(loaded.model).config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) else None


def answer_losses(
    loaded: LoadedModel,
    collator: Collator,
    rows: Sequence[Row],
    batch_size: int = 8,
    work: Work[AnswerLoss] | None = None,
) -> dict[int, AnswerLoss]:
    """How likely the model finds each row's learned tokens (the collator's labels), by place; computed in float32.

    A row that the model can't take is missing.
    """
    from torch.nn.functional import cross_entropy

    def make(batch: Sequence[int]) -> dict[int, AnswerLoss]:
        try:
            found = list(batch_logits(loaded, collator, rows, batch))
        except (TemplateError, BudgetError):
            return {} if len(batch) == 1 else make(batch[: len(batch) // 2]) | make(batch[len(batch) // 2 :])
        return {
            index: AnswerLoss(nll=cross_entropy(logits, targets, reduction="sum").item(), tokens=len(targets))
            for index, logits, targets in found
        }

    with evaluating(loaded.model):
        found = (work or Work()).run(batches(rows, batch_size, key=loaded.family.batch_key), make)
    return dict(sorted(found.items()))


def learned_logits(
    loaded: LoadedModel, collator: Collator, rows: Sequence[Row], batch_size: int
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """For each row, in no order: its index, the float32 logits [tokens, vocabulary] that predict its learned tokens,
    and those tokens [tokens].
    """
    with evaluating(loaded.model):
        for batch in batches(rows, batch_size, key=loaded.family.batch_key):
            yield from batch_logits(loaded, collator, rows, batch)


def batch_logits(
    loaded: LoadedModel, collator: Collator, rows: Sequence[Row], batch: Sequence[int]
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """The same for one batch. Logits are made at positions where some row of it learns, where the model can."""
    import torch

    keeps = "logits_to_keep" in inspect.signature(plain_model(loaded.model).forward).parameters
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
