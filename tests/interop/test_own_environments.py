"""LLaMA-Factory, ms-swift and oumi, each by its own loader in an environment of its own (`make interop`)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import vlmdata
from tests.interop.shown import ROWS, dataset, expected

ROOT = Path(__file__).parents[2]
READERS = Path(__file__).parent / "readers"
TINY = ROOT / "samples" / "tiny-vlm"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "WANDB_DISABLED": "true"}

pytestmark = pytest.mark.long


def seen(project: str, *words: str, folder: Path, **environ: str) -> list[dict[str, Any]]:
    """What the project's loader saw, run by its own Python in a folder."""
    return told(f"read_{project}.py", project, *words, folder=folder, **environ)[0]


def told(reader: str, project: str, *words: str, folder: Path, **environ: str) -> tuple[list[dict[str, Any]], str]:
    """What a reader tells, run by the project's own Python in a folder, and all that the project printed."""
    python = ROOT / ".venv-interop" / project / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        pytest.skip(f"{project} is not installed in .venv-interop; `make interop` installs it")
    caches = {name: str(folder.parent / "cache") for name in ("HF_HOME", "MODELSCOPE_CACHE")}
    done = subprocess.run(
        [str(python), str(READERS / reader), *words],
        cwd=folder,
        env={**os.environ, **OFFLINE, **caches, "CUDA_VISIBLE_DEVICES": "", **environ},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    assert done.returncode == 0 and lines, f"{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
    return json.loads(lines[-1].removeprefix("SEEN ")), done.stdout + done.stderr


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


def question(text: str = "<image>What is it?", answer: str = "A mug.", images: Sequence[str] = ("mug.png",)) -> Any:
    """A row in the form that both projects read."""
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "images": list(images)}


def given(folder: Path, rows: Sequence[Any]) -> Path:
    """A folder with these rows for both projects, a photo, and half of one."""
    Image.linear_gradient("L").resize((56, 56)).convert("RGB").save(folder / "mug.png")
    Image.effect_noise((56, 56), 50).convert("RGB").save(folder / "cut.png")
    whole = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    columns = {"messages": "messages", "images": "images"}
    info = {"rows": {"file_name": "rows.jsonl", "formatting": "sharegpt", "columns": columns, "tags": tags}}
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def by_llama_factory(folder: Path, *rows: Any, length: int = 4096) -> tuple[list[dict[str, Any]], str]:
    words = (str(given(folder, rows)), "rows", str(TINY), str(length))
    return told("encode_llamafactory.py", "llamafactory", *words, folder=folder)


def by_ms_swift(folder: Path, *rows: Any, length: int = 4096) -> tuple[list[dict[str, Any]], str]:
    words = (str(given(folder, rows) / "rows.jsonl"), str(TINY), str(length))
    return told("encode_swift.py", "swift", *words, folder=folder, ROOT_IMAGE_DIR=str(folder))


BAD = {
    "a missing image": question(images=["lost.png"]),
    "a cut image": question(images=["cut.png"]),
    "too many tokens": question(answer="A mug. " * 400),
}
UNANSWERED = {"messages": [{"role": "user", "content": "<image>What is it?"}], "images": ["mug.png"]}
UNKNOWN_ROLE = {
    "messages": [{"role": "narrator", "content": "<image>What is it?"}, {"role": "assistant", "content": "A mug."}],
    "images": ["mug.png"],
}


def test_llama_factory_drops_a_broken_row_with_a_log_line(tmp_path: Path) -> None:
    found, printed = by_llama_factory(tmp_path, question(), UNANSWERED)
    assert len(found) == 1
    assert "Skipping this abnormal example." in printed


def test_llama_factory_stops_at_another_number_of_images(tmp_path: Path) -> None:
    found, _ = by_llama_factory(tmp_path, question(), question("<image><image>Alike?"))
    assert [row["error"] for row in found] == ["ValueError"]
    assert "number of images does not match" in found[0]["words"]
    assert "rows.jsonl" not in found[0]["words"]


def test_llama_factory_warns_of_a_missing_image_and_stops_while_it_encodes(tmp_path: Path) -> None:
    found, printed = by_llama_factory(tmp_path, question(), question(images=["lost.png"]))
    assert [row["error"] for row in found] == ["FileNotFoundError"]
    assert "lost.png does not exist in `media_dir`. Use original path." in printed


def test_llama_factory_stops_at_a_cut_image_while_it_encodes(tmp_path: Path) -> None:
    found, _ = by_llama_factory(tmp_path, question(), question(images=["cut.png"]))
    assert [row["error"] for row in found] == ["OSError"]


def test_llama_factory_cuts_a_long_row_with_its_image(tmp_path: Path) -> None:
    (whole,), _ = by_llama_factory(tmp_path, question(answer="A mug. " * 40))
    (cut,), _ = by_llama_factory(tmp_path, question(answer="A mug. " * 40), length=16)
    assert cut["tokens"] == 16 < whole["tokens"]
    assert cut["text"].count("<|image_pad|>") < whole["text"].count("<|image_pad|>")


def test_ms_swift_drops_a_broken_row_with_a_log_line(tmp_path: Path) -> None:
    found, printed = by_ms_swift(tmp_path, question(), UNKNOWN_ROLE)
    assert len(found) == 1
    assert "the data will be deleted" in printed


def test_ms_swift_puts_missing_marks_in_front_and_warns_of_superfluous_ones(tmp_path: Path) -> None:
    found, printed = by_ms_swift(tmp_path, question("What is it?"), question("<image><image>Alike?"))
    assert [row["text"].count("<|vision_start|>") for row in found] == [1, 1]
    assert "We will only replace the frontmost media_tags" in printed


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_ms_swift_learns_another_row_in_place_of_one_that_fails(bad: Any, tmp_path: Path) -> None:
    found, _ = by_ms_swift(tmp_path, question(answer="A good row."), bad, length=200)
    assert [row["text"].count("A good row.") for row in found] == [1, 1]
