"""What is said and refused about several processes, without starting them; and the configs that accelerate is given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vlmtrain import processes
from vlmtrain.errors import RunError

CONFIGS = Path(processes.__file__).parent / "runs" / "distributed"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)


def test_one_process_agrees_with_itself() -> None:
    assert (processes.rank(), processes.count(), processes.is_first()) == (0, 1, True)
    assert processes.highest(3) == 3
    assert processes.totals([1, 2]) == [1, 2]
    processes.wait_for_all()


def test_several_gpus_and_one_process_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = processes.launched_as_one(lambda: 4)
    assert said == (
        "4 GPUs, of which one process uses the first; for all of them: torchrun --nproc_per_node N -m vlmtrain sft RUN"
    )
    assert processes.launched_as_one(lambda: 1) is None
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert processes.launched_as_one(lambda: 4) is None


def test_each_process_computes_on_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert processes.device() == torch.device("cuda", 3)


def test_what_cannot_be_shared_out_is_refused_with_the_way_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "device", lambda: torch.device("cuda", 0))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(RunError, match=r"FSDP2 leaves 4-bit weights whole on every GPU .* or load bf16"):
        processes.refuse_sharing("nf4")
    processes.refuse_sharing("bf16")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "false")
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    processes.refuse_sharing("nf4")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    with pytest.raises(RunError, match="stage 2"):
        processes.refuse_sharing("bf16")


@pytest.mark.parametrize("name", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"])
def test_sharing_out_is_refused_on_the_cpu_where_accelerate_would_leave_it_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "device", lambda: torch.device("cpu"))
    processes.refuse_sharing("bf16")
    monkeypatch.setenv(name, "true")
    with pytest.raises(RunError, match="on GPUs only"):
        processes.refuse_sharing("bf16")


def test_accelerate_reads_the_fsdp2_config_as_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    command = ["--config_file", str(CONFIGS / "fsdp2.yaml"), "-m", "vlmtrain", "sft", "run.yaml"]
    asked, _, _ = _validate_launch_command(launch_command_parser().parse_args(command))
    assert (asked.num_processes, asked.mixed_precision, asked.module) == (2, "bf16", True)
    for name, value in prepare_multi_gpu_env(asked).items():
        if name.startswith(("FSDP", "ACCELERATE")):
            monkeypatch.setenv(name, value)
    assert processes.sharing() == "fsdp"
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    assert plugin.cpu_ram_efficient_loading is False
    assert plugin.auto_wrap_policy.__name__ == "transformer_auto_wrap_policy"


def test_accelerate_reads_the_deepspeed_config_as_it_is_meant() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(CONFIGS / "zero2.yaml"))
    assert (str(config.distributed_type.value), config.num_processes) == ("DEEPSPEED", 2)
    assert config.deepspeed_config["zero_stage"] == 2
    assert set(config.deepspeed_config) <= {
        *("zero_stage", "offload_optimizer_device", "offload_param_device", "zero3_init_flag"),
    }


def test_deepspeed_itself_reads_the_config_as_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    config = pytest.importorskip("deepspeed.runtime.config")
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils import DeepSpeedPlugin
    from accelerate.utils.launch import prepare_deepspeed_cmd_env
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    command = ["--config_file", str(CONFIGS / "zero2.yaml"), "-m", "vlmtrain", "sft", "run.yaml"]
    asked, _, _ = _validate_launch_command(launch_command_parser().parse_args(command))
    asked.deepspeed_fields_from_accelerate_config = "zero_stage"  # the launcher's next line
    for name, value in prepare_deepspeed_cmd_env(asked)[1].items():
        if name.startswith("ACCELERATE"):
            monkeypatch.setenv(name, value)
    assert processes.sharing() == "zero"
    made = DeepSpeedPlugin().deepspeed_config
    theirs = HfTrainerDeepSpeedConfig(made)
    assert theirs.is_zero2()
    assert not theirs.is_offload()
    sizes = {"train_batch_size": 2, "train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 1}
    read = config.DeepSpeedConfig({**made, **sizes, "gradient_clipping": 1.0})
    assert read.zero_config.stage == 2
