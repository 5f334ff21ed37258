"""One process, or one of several that `torchrun` started: who writes and speaks, and what all of them agree on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from vlmtrain.errors import RunError

if TYPE_CHECKING:
    import torch

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others: for the first one's publishing of a large model, say."""
MANY = "torchrun --nproc_per_node N -m vlmtrain sft RUN"


def rank() -> int:
    """This process' number, from 0."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank() == 0


def refuse_several(command: str) -> None:
    """Raise RunError where several processes were started for what one of them does alone."""
    if count() > 1:
        raise RunError(f"`vlmtrain {command}` is for one process; start it without torchrun")


def device() -> torch.device:
    """What this process computes on: the GPU of its number on this machine, else the processor."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def wait_for_all() -> None:
    """Return once every process has come here.

    By a sum over all, since accelerate's own wait does nothing on processors alone before a trainer is made
    (accelerate 1.15, state.py: no distributed type, though the processes are connected).
    """
    totals([0])


def highest(value: int) -> int:
    """The highest of what the processes give; every one of them gets it."""
    return _over_all([value], "MAX")[0]


def totals(values: Sequence[int]) -> list[int]:
    """The sums, over all processes, of what each gives; every one of them gets them."""
    return _over_all(values, "SUM")


def _over_all(values: Sequence[int], operation: str) -> list[int]:
    if count() == 1:
        return list(values)
    import torch
    from torch import distributed

    found = torch.tensor(values, dtype=torch.int64, device=_together().device)
    distributed.all_reduce(found, op=getattr(distributed.ReduceOp, operation))
    return [int(value) for value in found]


def _together() -> Any:
    """The processes' connection; made at the first call."""
    from accelerate import PartialState

    return PartialState(timeout=PATIENCE)


def sharing() -> Literal["fsdp", "zero"] | None:
    """What shares weights, gradients or optimizer out over the processes, as accelerate was told."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        return "fsdp"
    return "zero" if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true" else None


def refuse_sharing(load: str) -> None:
    """Raise RunError for what can't be shared out, with the way that there is."""
    if sharing() == "fsdp" and load == "nf4":
        raise RunError(
            "model.load: FSDP2 leaves 4-bit weights whole on every GPU (accelerate 1.15 utils/fsdp_utils.py), so "
            f"nothing is saved; take {MANY}, or load bf16"
        )
    if sharing() is not None and device().type == "cpu":
        raise RunError(
            "weights, gradients and optimizer are shared out on GPUs only: on the CPU accelerate 1.15 leaves it out "
            f"and says nothing (state.py, AcceleratorState); take {MANY}"
        )
    if sharing() == "zero" and os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3":
        raise RunError(
            "DeepSpeed's stage 3 makes TRL checkpoint in a way that takes the gradients from Qwen3-VL's vision tower; "
            "take fsdp2.yaml, or stage 2"
        )


@contextmanager
def one_voice() -> Iterator[None]:
    """Of several processes that fail, only the first to do so lets its error out; the others end in silence.

    They mostly fail alike, or because the first one did.
    """
    try:
        yield
    except BaseException as error:
        if count() > 1 and not _is_first_to_fail():
            raise SystemExit(getattr(error, "exit_code", 1)) from None
        raise


def _is_first_to_fail() -> bool:
    """By a count in the store that torchrun keeps for its processes."""
    from torch import distributed

    stores: Any = distributed
    attempt = f"{os.environ.get('TORCHELASTIC_RUN_ID')}/{os.environ.get('TORCHELASTIC_RESTART_COUNT')}"
    try:
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = stores.TCPStore(*place, is_master=False, timeout=timedelta(seconds=5))
        return bool(store.add(f"vlmtrain/failed/{attempt}", 1) == 1)
    except (KeyError, ValueError, RuntimeError):
        return is_first()


def launched_as_one(devices: Callable[[], int] | None = None) -> str | None:
    """A word where several processes or devices look asked for and one process trains; None where all is as it looks.

    `accelerate launch --cpu --num_processes 2` without mpirun starts one and says nothing (accelerate 1.15,
    commands/launch.py, simple_launcher); it leaves the address at which they were to meet, and nobody's number.
    """
    if count() > 1 or "LOCAL_RANK" in os.environ:
        return None
    if "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ:
        return f"accelerate was asked for several processes and started one, which trains alone; for several: {MANY}"
    found = (devices or _devices)()
    if found > 1:
        return f"{found} GPUs, of which one process uses the first; for all of them: {MANY}"
    return None


def _devices() -> int:
    import torch

    return int(torch.cuda.device_count())
