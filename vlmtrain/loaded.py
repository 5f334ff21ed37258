"""A model in memory, and what was chosen for it on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin

    from vlmtrain.protocols import ModelFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model ready to train or answer, with its processor, and what was chosen for it on this machine."""

    model: PreTrainedModel
    processor: ProcessorMixin
    family: ModelFamily
    device: torch.device
    dtype: torch.dtype
    quantisation: str
    attention: str
    commit: str | None = None
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line: device, precision, quantisation and attention, and why where it is not plain."""
        dtype = str(self.dtype).removeprefix("torch.")
        chosen = [
            f"{self.family.name} on {self.device}",
            f"{self.quantisation}, {dtype} compute",
            f"{self.attention} attention",
        ]
        return ", ".join([*chosen, *self.notes])
