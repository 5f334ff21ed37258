"""LLaMA-Factory, ms-swift and oumi, each by its own loader in an environment of its own (`make interop`)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.interop.shown import ROWS, dataset, expected

ROOT = Path(__file__).parents[2]
READERS = Path(__file__).parent / "readers"
TINY = ROOT / "samples" / "tiny-vlm"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "WANDB_DISABLED": "true"}

pytestmark = pytest.mark.long


def seen(project: str, *words: str, folder: Path, **environ: str) -> list[dict[str, Any]]:
    """What the project's loader saw, run by its own Python in a folder."""
    python = ROOT / ".venv-interop" / project / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        pytest.skip(f"{project} is not installed in .venv-interop; `make interop` installs it")
    caches = {name: str(folder.parent / "cache") for name in ("HF_HOME", "MODELSCOPE_CACHE")}
    done = subprocess.run(
        [str(python), str(READERS / f"read_{project}.py"), *words],
        cwd=folder,
        env={**os.environ, **OFFLINE, **caches, "CUDA_VISIBLE_DEVICES": "", **environ},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    assert done.returncode == 0 and told, f"{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
    found: list[dict[str, Any]] = json.loads(told[-1].removeprefix("SEEN "))
    return found


def exported(name: str, folder: Path) -> Path:
    """An export of all rows."""
    done = vlmdata.export(dataset(folder), name, folder / "out")
    assert done.rows_exported == len(ROWS)
    assert [loss.rows for loss in done.losses if loss.kind == "turned"] == [1]
    return done.path


def without(rows: Sequence[Mapping[str, Any]], *keys: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in keys} for row in rows]


def test_llama_factory_loads_and_encodes_every_row(tmp_path: Path) -> None:
    out = exported("llamafactory", tmp_path)
    found = seen("llamafactory", str(out), "dataset_train", str(TINY), folder=out)
    assert without(found, "learned") == expected(ROWS)
    for row, told in zip(ROWS, found, strict=True):
        for message in row["messages"]:
            if message["role"] == "assistant":
                assert message["content"][0]["text"] in told["learned"]


def test_ms_swift_loads_every_row(tmp_path: Path) -> None:
    out = exported("ms-swift", tmp_path)
    assert seen("swift", str(out / "train.jsonl"), folder=tmp_path, ROOT_IMAGE_DIR=str(out)) == expected(ROWS)


def test_oumi_loads_every_row(tmp_path: Path) -> None:
    out = exported("oumi", tmp_path)
    found = seen("oumi", "train.jsonl", folder=out)
    assert without(found, "id") == expected(ROWS)
    assert [row["id"] for row in found] == [row["id"] for row in ROWS]
