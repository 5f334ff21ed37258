"""What `vlmtrain doctor` tries on the devices, and what it says where torch or a device is broken."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import vlmtrain
from vlmdata.doctor.findings import Examination, Finding, Section
from vlmdata.doctor.rendering import as_text
from vlmdata.terminal import exit_code_of
from vlmtrain import doctor, doctor_devices
from vlmtrain.cli import app
from vlmtrain.doctor_devices import BF16_ERROR, NF4_ERROR, bf16_error, device_findings, nf4_error

CPU = torch.device("cpu")


def named(found: Any, name: str) -> Finding:
    (one,) = (each for each in found if each.name == name)
    return one


@pytest.fixture(scope="module")
def here() -> Examination:
    return vlmtrain.examine()


def test_this_environment_can_train(here: Examination) -> None:
    assert here.passed, here.wrong
    assert [section.title for section in here.sections] == [
        "packages",
        "extras",
        "devices",
        "attention",
        "machine",
        "disks",
        "variables",
    ]
    assert named(here.sections[0].findings, "torch").expected


def test_bfloat16_and_four_bits_are_tried_on_the_device_that_trains(here: Examination) -> None:
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert named(here.sections[2].findings, f"nf4 on {device}").expected.startswith("tried: off by ")
    assert named(here.sections[2].findings, f"bf16 on {device}").value is True


def test_four_bits_lose_something_but_not_more_than_nf4_may() -> None:
    assert 0.02 < nf4_error(torch, CPU) <= NF4_ERROR


def test_bfloat16_loses_something_but_not_more_than_it_may() -> None:
    assert 0 < bf16_error(torch, CPU) <= BF16_ERROR


def test_a_device_that_computes_wrongly_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitsandbytes import functional

    monkeypatch.setattr(functional, "dequantize_4bit", lambda _, state: torch.zeros(state.shape))
    found = named(device_findings(), "nf4 on cpu")
    assert (found.state, found.found) == ("wrong", "computes wrongly: off by 100.0%, where 16.0% is possible")


def test_four_bits_that_can_t_be_packed_are_wrong_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitsandbytes import functional

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"{Path.home()}/lib/libbitsandbytes.so: not found\nmore")

    monkeypatch.setattr(functional, "quantize_4bit", broken)
    found = named(device_findings(), "nf4 on cpu")
    assert found.state == "wrong"
    assert found.found == "no: ~/lib/libbitsandbytes.so: not found"
    assert "load: bf16" in found.remedy


@pytest.mark.parametrize(
    ("error", "words", "remedy"),
    [
        (ModuleNotFoundError("No module named 'torch'"), "not installed", 'pip install "vlmdata[train]"'),
        (
            OSError("libcudart.so.13: cannot open"),
            "can't be imported: libcudart",
            "pip install --force-reinstall torch",
        ),
    ],
)
def test_without_a_torch_that_works_the_rest_is_still_examined(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, remedy: str
) -> None:
    import importlib

    whole = importlib.import_module

    def broken(name: str, package: str | None = None) -> Any:
        if name.partition(".")[0] in {"torch", "transformers"}:
            raise error
        return whole(name, package)

    monkeypatch.setattr(importlib, "import_module", broken)
    found = doctor.examine()
    device = named(found.sections[2].findings, "torch")
    assert device.found.startswith(words)
    assert device.remedy == remedy
    assert not found.passed
    assert "machine" in as_text(found)


def fake_torch(*, cuda: str | None) -> Any:
    return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False), version=SimpleNamespace(cuda=cuda))


@pytest.mark.parametrize(
    ("cuda", "words"),
    [(None, "NVIDIA's driver is here, and torch can't use it"), ("13.0", "torch finds none, though NVIDIA's driver")],
)
def test_a_gpu_that_torch_does_not_see_is_told_apart_from_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cuda: str | None, words: str
) -> None:
    (tmp_path / "version").write_text("NVRM version")
    monkeypatch.setattr(doctor_devices, "NVIDIA_DRIVER", tmp_path / "version")
    (found,) = doctor_devices._without_gpu(fake_torch(cuda=cuda))
    assert found.state == "warning"
    assert found.found.startswith(words)


def test_little_shared_memory_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(doctor, "LITTLE_SHARED_MEMORY", 2**70)
    (found,) = doctor._shared_memory()
    assert found.state == "warning"
    monkeypatch.setattr(doctor, "SHARED_MEMORY", tmp_path / "not there, as on macOS")
    assert [*doctor._shared_memory()] == []


@pytest.mark.parametrize(("state", "code"), [("wrong", 1), ("warning", 0), ("absent", 0)])
def test_the_exit_code_says_whether_something_needed_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: Any, code: int
) -> None:
    findings = [Finding(name="torch", found="?", state=state)]
    found = Examination(about="vlmtrain", version="1", sections=[Section(title="packages", findings=findings)])
    monkeypatch.setattr(vlmtrain, "examine", lambda: found, raising=False)
    assert exit_code_of(lambda: app(["doctor", "--format", "json"]), name="vlmtrain") == code
    assert json.loads(capsys.readouterr().out)["passed"] is (code == 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_named_with_its_memory_and_tried(here: Examination) -> None:
    found = named(here.sections[2].findings, "cuda:0")
    assert "compute capability" in found.expected
    assert named(here.sections[2].findings, "nf4 on cuda:0").value is True
