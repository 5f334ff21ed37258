"""The adapter folded into the model that it was trained on, and the proof that the merged model answers the same.

By default the 4-bit base is dequantised and the adapter added to that: these are the weights that were trained with and
measured. Adding it to the original weights instead, which is done on request, shifts the logits by about 1 (a random
model, nf4), because the adapter also learned to make up for the rounding of the base.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmtrain.config import MERGE_FILE
from vlmtrain.errors import ModelError
from vlmtrain.family import family_of
from vlmtrain.loaded import LoadedModel
from vlmtrain.quiet import library_noise

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from vlmtrain.generation import Answer
    from vlmtrain.protocols import ModelFamily

Onto = Literal["trained", "bf16"]
"""What the adapter is added to: the weights it was trained on, or the base's own in bfloat16."""

ASKED = ("do_sample", "temperature", "top_k", "top_p", "max_new_tokens", "eos_token_id", "pad_token_id")
"""What the run says of generating answers, and a server takes from the folder where a request says nothing."""

MOST_LOGITS = 32_000_000
"""How many logits are kept for the comparison: 128 MB of float32, 210 answer tokens of a vocabulary of 152,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a model does on some rows: its answers, and its logits [tokens, vocabulary] over the reference answers.

    `tokens` is how many tokens its processor makes of each row, images included.
    """

    answers: tuple[Answer, ...]
    logits: Mapping[int, torch.Tensor]
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the merged model behaves as the adapter on its base did.

    `equal` of `rows` greedy answers are the same text; `differing` are the ids of the others.
    `largest_logit_difference` is over `logit_tokens` tokens of the reference answers, and `logit_deviation` the
    standard deviation of these logits, to judge it by; `same_likeliest` is the share of tokens where both find the
    same one likeliest. `trained_on` is how many of the rows the adapter was trained on, where that is known.
    """

    rows: int
    equal: int
    differing: tuple[str, ...]
    logit_tokens: int = 0
    largest_logit_difference: float = 0.0
    logit_deviation: float = 0.0
    same_likeliest: float = 1.0
    trained_on: int | None = None

    @property
    def share(self) -> float:
        """The share of equal answers, 0 to 1."""
        return self.equal / self.rows if self.rows else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """A merged model: where it lies, how it was made, its size in bytes, and its agreement with the adapter.

    `min_agreement` is the share of equal answers that was asked for, if one was.
    """

    path: Path
    base: str
    onto: str
    dtype: str
    parameters: int
    size_bytes: int
    agreement: Agreement | None
    min_agreement: float | None = None

    @property
    def refusal(self) -> str:
        """Why the merged model agrees less than was asked for, or nothing."""
        found = self.agreement
        if self.min_agreement is None or found is None or found.share >= self.min_agreement:
            return ""
        return (
            f"{found.equal:,} of {found.rows:,} answers are those of the adapter ({found.share:.1%}), "
            f"at least {self.min_agreement:.1%} was asked for"
        )


def dequantised(loaded: LoadedModel) -> LoadedModel:
    """The base with its 4-bit weights written out in the precision it computes in; as it is where it has none.

    Must come before the adapter is attached. Changes the model in place, and clears its quantization_config.
    """
    model: Any = loaded.model
    if getattr(model, "hf_quantizer", None) is None:
        return loaded
    _refuse_packed(model)
    with _quietly():
        plain = model.dequantize(dtype=loaded.dtype)
    plain.eval()
    return dataclasses.replace(loaded, model=plain, quantisation="dequantised")


def _refuse_packed(model: torch.nn.Module) -> None:
    """Weights that bitsandbytes repacked for a CPU dequantise into noise, without a word."""
    for name, module in model.named_modules():
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        if getattr(state, "packing_format_for_cpu", False):
            raise ModelError(
                f"{name}: bitsandbytes has repacked its 4-bit weights for this CPU; load the base anew to merge"
            )


def merged(loaded: LoadedModel) -> LoadedModel:
    """The model with its adapter folded in. Raises ModelError where nothing is attached, or numbers are not finite."""
    model: Any = loaded.model
    if not hasattr(model, "merge_and_unload"):
        raise ModelError("there is no adapter on this model to merge")
    try:
        plain = model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ModelError(f"the merged weights are not finite: {error}") from None
    for parameter in plain.parameters():
        parameter.data = parameter.data.to(loaded.dtype)  # trained copies of modules can be in another one
    plain.eval()
    return dataclasses.replace(loaded, model=plain)


@library_noise()
def save_merged(loaded: LoadedModel, folder: Path, asked: GenerationConfig | None = None) -> None:
    """Write model and processor so that AutoModelForImageTextToText and AutoProcessor load them, as safetensors.

    The weights are in the dtype that the run computed in: bfloat16, but for runs with `load: fp32`. The processor holds
    the run's pixel budget and the template that was trained with, the generation settings those that are `asked` for.
    """
    settings: Any = loaded.model.generation_config
    for name in ASKED if asked is not None else ():
        setattr(settings, name, getattr(asked, name))
    processor: Any = loaded.processor
    processor.chat_template = loaded.family.chat_template(processor) or processor.chat_template
    loaded.model.save_pretrained(folder)
    processor.save_pretrained(folder)
    _save_for_older_readers(processor, folder)


def _save_for_older_readers(processor: Any, folder: Path) -> None:
    """What transformers before version 5, and servers and converters that stand on it, read in other places.

    They look for the image processor in a file of its own, and know no tokenizer class called TokenizersBackend, which
    is version 5's name for PreTrainedTokenizerFast.
    """
    processor.image_processor.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    if written.get("tokenizer_class") == "TokenizersBackend":
        written["tokenizer_class"] = "PreTrainedTokenizerFast"
        file.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@library_noise()
def load_merged(folder: Path, device: torch.device, attention: str, family: ModelFamily | None = None) -> LoadedModel:
    """A merged folder as anyone would load it: by plain transformers, in the dtype that it was saved in.

    Patches are multiplied as they were before, so that what differs comes from the weights. `family`: the run's, where
    that is one from outside; else the one that config.json says.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from vlmtrain.patch_embedding import multiply_patches

    model = AutoModelForImageTextToText.from_pretrained(
        folder,
        dtype="auto",
        device_map={"": str(device)},
        attn_implementation=attention,
        use_safetensors=True,
        local_files_only=True,
    )
    multiply_patches(model)
    model.eval()
    return LoadedModel(
        model=model,
        processor=AutoProcessor.from_pretrained(folder, local_files_only=True),
        family=family or family_of(model.config.model_type),
        device=device,
        dtype=model.dtype,
        quantisation="not quantised",
        attention=attention,
    )


def agreement(before: Behaviour, after: Behaviour) -> Agreement:
    """The behaviour of the adapter on its base against that of the merged model, on the same rows.

    Raises ModelError where the folder's processor makes other tokens of a row: its pixel budget or template was lost.
    """
    import torch

    if before.tokens != after.tokens:
        pairs_of_tokens = zip(before.answers, before.tokens, after.tokens, strict=True)
        name, had, has = next((each.id, had, has) for each, had, has in pairs_of_tokens if had != has)
        raise ModelError(
            f"{name}: {had:,} tokens in the run, {has:,} by the merged folder's processor; nothing is saved"
        )
    pairs = list(zip(before.answers, after.answers, strict=True))
    differing = tuple(mine.id for mine, theirs in pairs if mine.text != theirs.text)
    if not before.logits:
        return Agreement(rows=len(pairs), equal=len(pairs) - len(differing), differing=differing)
    mine = torch.cat(list(before.logits.values()))
    theirs = torch.cat([after.logits[index] for index in before.logits])
    return Agreement(
        rows=len(pairs),
        equal=len(pairs) - len(differing),
        differing=differing,
        logit_tokens=len(mine),
        largest_logit_difference=(mine - theirs).abs().max().item(),
        logit_deviation=mine.std().item(),
        same_likeliest=(mine.argmax(-1) == theirs.argmax(-1)).float().mean().item(),
    )


def bounded(logits: Iterable[tuple[int, torch.Tensor, torch.Tensor]]) -> dict[int, torch.Tensor]:
    """The first rows' logits, as many as memory is meant for, and at least one row's; moved to the CPU."""
    kept: dict[int, torch.Tensor] = {}
    room = MOST_LOGITS
    for index, values, _ in logits:
        if kept and values.numel() > room:
            break
        kept[index] = values.cpu()
        room -= values.numel()
    return kept


def write_merge(result: MergeResult, folder: Path, setup: Mapping[str, Any]) -> None:
    """Write merge.json: how the model was merged, from what, and how far it agrees with the adapter."""
    data = dataclasses.asdict(result)
    data.pop("path")
    text = json.dumps({**data, **setup}, ensure_ascii=False, indent=2, allow_nan=False)
    (folder / MERGE_FILE).write_text(text + "\n", encoding="utf-8")


def size_of(folder: Path) -> int:
    """The bytes of the weights in a folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what transformers logs at each dequantisation; it says nothing that was not asked for here."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
