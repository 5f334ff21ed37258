"""The devices that torch finds, and what they can do: each claim is tried with small matrices, none is guessed."""

from __future__ import annotations

import logging
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.doctor.findings import Finding, State, amount, impersonal

if TYPE_CHECKING:
    import torch

CAN_FAIL = (ImportError, OSError, RuntimeError, AttributeError, NotImplementedError, ValueError, AssertionError)
"""What a broken installation, a driver or a device that lacks an operation raises."""

SIDE = 64
BF16_ERROR = 2**-8
"""Twice the rounding of bfloat16, which keeps 8 bits: of a product of numbers that are themselves rounded."""

NF4_ERROR = 0.16
"""Half the widest gap between nf4's sixteen numbers, as a share of a block's largest (from -1 to -0.6962)."""

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
GET_CUDA = "install torch again in its CUDA build, as pytorch.org/get-started says for your system"
SDPA = {"flash": "flash_sdp_enabled", "memory-efficient": "mem_efficient_sdp_enabled", "math": "math_sdp_enabled"}


def device_findings() -> Iterator[Finding]:
    """What torch was built for, and every device with its bfloat16 and its 4-bit weights."""
    torch = _imported("torch")
    if isinstance(torch, Finding):
        yield torch
        return
    yield _build(torch)
    yield _torchvision()
    yield from _without_gpu(torch)
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield from _gpu(torch, number)
    yield _processor(torch)
    if torch.backends.mps.is_available():
        words = "Apple's MPS is here, and vlmtrain does not use it: it computes on the processor"
        yield Finding(name="mps", found=words, state="absent", value=True)
    elif not torch.cuda.is_available():
        yield from _abilities(torch, torch.device("cpu"))


def attention_findings() -> Iterator[Finding]:
    """The implementations of attention that a run file may name, by the words of `model.attention`."""
    torch, known = _imported("torch"), _imported("transformers.utils")
    if isinstance(torch, Finding) or isinstance(known, Finding):
        yield Finding(name="attention", found="not looked at: torch or transformers can't be imported", state="absent")
        return
    on = [name for name, asks in SDPA.items() if getattr(torch.backends.cuda, asks)()]
    where = "kernels switched on" if torch.cuda.is_available() else "on the processor; for a GPU are switched on"
    yield Finding(name="sdpa", found="yes", expected=f"{where}: {', '.join(on)}", value=True)
    yield Finding(name="eager", found="yes", expected="Gemma 3's authors ask for it in training", value=True)
    tried = {
        "flex_attention": (known.is_torch_flex_attn_available, "part of torch"),
        "flash_attention_2": (
            known.is_flash_attn_2_available,
            "pip install flash-attn --no-build-isolation; NVIDIA alone",
        ),
        "flash_attention_3": (known.is_flash_attn_3_available, "from its authors' repository; Hopper alone"),
    }
    for name, (is_here, how) in tried.items():
        yield _kernel(name, is_here, how)
    here = find_spec("kernels") is not None
    yield Finding(
        name="kernels",
        found="yes" if here else "no",
        state="fine" if here else "absent",
        expected="kernels of the Hub, downloaded where a run file names them" if here else "pip install kernels",
        value=here,
    )


def _kernel(name: str, is_here: Callable[[], bool], how: str) -> Finding:
    try:
        here = bool(is_here())
    except CAN_FAIL as error:
        return Finding(name=name, found=f"could not be tried: {said(error)}", state="warning", value=False)
    if here:
        return Finding(name=name, found="yes", value=True)
    return Finding(name=name, found="no", state="absent", remedy=how, value=False)


def _imported(name: str) -> Any:
    """A module, or the finding that it can't be imported."""
    from importlib import import_module

    try:
        return import_module(name)
    except CAN_FAIL as error:
        missing = isinstance(error, ModuleNotFoundError)
        remedy = (
            'pip install "vlmdata[train]"' if missing else f"pip install --force-reinstall {name.partition('.')[0]}"
        )
        words = "not installed" if missing else f"can't be imported: {said(error)}"
        return Finding(name=name, found=words, state="wrong", remedy=remedy)


def _build(torch: Any) -> Finding:
    kinds = {"CUDA": torch.version.cuda, "ROCm": getattr(torch.version, "hip", None)}
    built = ", ".join(f"{kind} {version}" for kind, version in kinds.items() if version) or "processors alone"
    return Finding(
        name="torch", found=str(torch.__version__), expected=f"built for {built}", value=str(torch.__version__)
    )


def _torchvision() -> Finding:
    """Whether its operators were built for this torch: with another build it is imported, and breaks in use."""
    found = _imported("torchvision")
    if isinstance(found, Finding):
        return found
    import torch

    try:
        kept = found.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    except CAN_FAIL as error:
        remedy = "install torch and torchvision together, in one command, from the same place"
        words = f"{found.__version__} was built for another torch: {said(error)}"
        return Finding(name="torchvision", found=words, state="wrong", remedy=remedy)
    return Finding(name="torchvision", found=str(found.__version__), expected="fits torch: tried", value=len(kept) == 1)


def _without_gpu(torch: Any) -> Iterator[Finding]:
    """Why there is no GPU: none, a torch that can't use it, or a driver that torch can't talk to."""
    if torch.cuda.is_available():
        return
    driver = NVIDIA_DRIVER.is_file() or shutil.which("nvidia-smi") is not None
    if driver and torch.version.cuda is None:
        yield Finding(
            name="gpu", found="NVIDIA's driver is here, and torch can't use it", state="warning", remedy=GET_CUDA
        )
    elif driver:
        hidden = "; CUDA_VISIBLE_DEVICES hides devices" if "CUDA_VISIBLE_DEVICES" in os.environ else ""
        words = f"torch finds none, though NVIDIA's driver is here{hidden}"
        remedy = f"see whether nvidia-smi works, and whether the driver is new enough for CUDA {torch.version.cuda}"
        yield Finding(name="gpu", found=words, state="warning", remedy=remedy)
    else:
        words = "enough for the samples; for a model of billions of weights a GPU is needed"
        yield Finding(name="gpu", found="none", state="absent", expected=words, value=0)


def _gpu(torch: Any, number: int) -> Iterator[Finding]:
    device = torch.device("cuda", number)
    try:
        about = torch.cuda.get_device_properties(device)
        free, whole = torch.cuda.mem_get_info(device)
    except CAN_FAIL as error:
        yield Finding(name=str(device), found=f"can't be used: {said(error)}", state="wrong", remedy="nvidia-smi")
        return
    words = f"compute capability {about.major}.{about.minor}, {amount(whole)}, {amount(free)} free"
    yield Finding(name=str(device), found=about.name, expected=words, value=whole)
    yield from _abilities(torch, device)


def _processor(torch: Any) -> Finding:
    capability = torch.backends.cpu.get_cpu_capability()
    words = f"{capability}, {torch.get_num_threads()} threads"
    return Finding(name="cpu", found=platform.machine(), expected=words, value=torch.get_num_threads())


def _abilities(torch: Any, device: torch.device) -> Iterator[Finding]:
    """What a run's `model.load` may be on this device: bf16 and nf4, each tried."""
    remedy = "load: fp32, or nf4, which then computes in float16"
    yield _tried(f"bf16 on {device}", lambda: bf16_error(torch, device), BF16_ERROR, ("warning", remedy))
    remedy = 'load: bf16 in the run file; pip install --force-reinstall "bitsandbytes" for a broken installation'
    yield _tried(f"nf4 on {device}", lambda: nf4_error(torch, device), NF4_ERROR, ("wrong", remedy))


def _tried(name: str, measure: Callable[[], float], most: float, otherwise: tuple[State, str]) -> Finding:
    """One ability: `measure` gives the error of a result, as a share, and raises where the device has no such thing."""
    state, remedy = otherwise
    try:
        error = measure()
    except CAN_FAIL as reason:
        return Finding(name=name, found=f"no: {said(reason)}", state=state, remedy=remedy, value=False)
    if not error <= most:
        words = f"computes wrongly: off by {error:.1%}, where {most:.1%} is possible"
        return Finding(name=name, found=words, state="wrong", remedy="don't train on it", value=False)
    return Finding(name=name, found="yes", expected=f"tried: off by {error:.1%} at most", value=True)


def bf16_error(torch: Any, device: torch.device) -> float:
    """How far a product in bfloat16 is from that of the same numbers in float32, as a share of the largest."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise RuntimeError("the device has no bfloat16")
    made = torch.Generator().manual_seed(0)
    left, right = (torch.randn(SIDE, SIDE, generator=made).bfloat16() for _ in range(2))
    exact = left.float() @ right.float()
    found = (left.to(device) @ right.to(device)).float().cpu()
    return float((found - exact).abs().max() / exact.abs().max())


def nf4_error(torch: Any, device: torch.device) -> float:
    """How far weights are from themselves after nf4 with double quantisation and back, as a share of the largest."""
    with _quiet():
        from bitsandbytes import functional

        weights = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        packed, state = functional.quantize_4bit(weights.to(device), quant_type="nf4", compress_statistics=True)
        if packed.numel() * 2 != weights.numel():
            raise RuntimeError("the packed weights do not take half a byte each")
        found = functional.dequantize_4bit(packed, state).float().cpu()
    return float((found - weights).abs().max() / weights.abs().max())


@contextmanager
def _quiet() -> Iterator[None]:
    """bitsandbytes logs which kernels of the Hub it did not find; none is needed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def said(error: BaseException) -> str:
    """An error's first line, without the user's folders."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return impersonal(lines[0])[:160]
