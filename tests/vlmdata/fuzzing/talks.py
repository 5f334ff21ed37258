"""Projects of conversations: every format that is read, from JSON, JSON Lines, Parquet, Arrow and tars."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.vlmdata.fuzzing.projects import KINDS, Seed, lines, photos, picture, put, recipe, tarred
from tests.vlmdata.one_row import shared, turns

TALK = shared("<image>\nWhat is it?", "A mug.")
PARTS = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
URI = {"url": f"data:image/png;base64,{b64encode(picture(1)).decode()}"}


def formats() -> dict[str, list[dict[str, Any]]]:
    """Rows of every conversation format that is read from JSON Lines."""
    chat, answer = turns("<image>What is it?", "A mug."), {"role": "assistant", "content": "A mug."}
    source = {"type": "base64", "media_type": "image/png", "data": b64encode(picture(2)).decode()}
    text = {"type": "text", "text": "What is it?"}
    linked, held = {"type": "image_url", "image_url": URI}, {"type": "image", "source": source}
    oumi = [{"type": "image_path", "content": "0.png"}, {"type": "text", "content": "What is it?"}]
    gemini = [{"inlineData": {"mimeType": "image/png", "data": source["data"]}}, {"text": "What is it?"}]
    rows = {
        "llava": [{"image": "0.png", "conversations": TALK}, {"conversations": shared("Hi", "Hello")}],
        "sharegpt": [
            {"messages": chat, "images": ["0.png"]},
            {"instruction": "<image>What", "input": "", "output": "A mug.", "images": ["1.png"]},
        ],
        "swift": [
            {"messages": chat, "images": ["1.png"]},
            {"query": "<img>0.png</img>What?", "response": "A mug.", "history": [["a", "b"]]},
        ],
        "openai": [{"messages": [{"role": "user", "content": [linked, text]}, answer]}],
        "anthropic": [{"system": "Be brief.", "messages": [{"role": "user", "content": [held, text]}, answer]}],
        "oumi": [{"messages": [{"role": "user", "content": oumi}, answer]}],
        "gemini": [{"contents": [{"role": "user", "parts": gemini}, {"role": "model", "parts": [{"text": "A mug."}]}]}],
        "trl": [
            {"messages": [{"role": "user", "content": PARTS}, answer], "images": ["2.png"]},
            {"prompt": "What?", "completion": "A mug.", "image": "3.png"},
        ],
        "tao_vl_reason": [{"image_id": "0.png", "question": "What?", "answer": "A mug.", "item_index": "0"}],
    }
    rows["tao_vl_reason"] = [rows["tao_vl_reason"][0] | {"image_id": f"{number}.png"} for number in range(3)]
    return {
        name: [
            row | {"id": f"{name}-{n}-{m}"}
            for m in range(1 if name == "tao_vl_reason" else 3)
            for n, row in enumerate(found)
        ]
        for name, found in rows.items()
    }


def conversations(name: str) -> Seed:
    """A seed of one format; `auto` has them all in one file."""

    def write(folder: Path) -> None:
        rows = formats()
        found = rows[name] if name != "auto" else [row for rows_of_one in rows.values() for row in rows_of_one]
        put(folder, photos(folder="pictures/") | {"rows.jsonl": lines(found).encode()})
        recipe(folder, {"type": "conversations", "path": "rows.jsonl", "format": name}, images={"root": "pictures"})

    return Seed(name=f"conversations-{name}", write=write, table="rows.jsonl")


def llava_json(folder: Path) -> None:
    """One list over many lines."""
    put(folder, photos(folder="pictures/") | {"rows.json": json.dumps(formats()["llava"], indent=2).encode()})
    recipe(folder, {"type": "conversations", "path": "rows.json"}, images={"root": "pictures"})


def tao_json(folder: Path) -> None:
    """Items below a media root."""
    data = {"format": "tao-vl-reason-v1.0", "media_root": "pictures", "items": formats()["tao_vl_reason"]}
    put(folder, photos(folder="pictures/") | {"rows.json": json.dumps(data, indent=1).encode()})
    recipe(folder, {"type": "conversations", "path": "rows.json"})


def dataset_info(folder: Path) -> None:
    """A dataset_info.json that names the file and its keys."""
    rows = [
        {"talk": [{"who": "a", "said": "<image>What?"}, {"who": "b", "said": "A mug."}], "pics": [f"{n}.png"], "id": n}
        for n in range(4)
    ]
    tags = {"role_tag": "who", "content_tag": "said", "user_tag": "a", "assistant_tag": "b"}
    entry = {
        "file_name": "mugs.json",
        "formatting": "sharegpt",
        "columns": {"messages": "talk", "images": "pics"},
        "tags": tags,
    }
    put(
        folder,
        photos(folder="data/")
        | {"data/mugs.json": json.dumps(rows).encode(), "data/dataset_info.json": json.dumps({"mugs": entry}).encode()},
    )
    recipe(folder, {"type": "conversations", "path": "data", "format": "sharegpt"}, images={"root": "data"})


def tars(folder: Path) -> None:
    """Two tars of samples, pictures read in their place."""
    for number in range(2):
        files: dict[str, bytes | str] = {}
        for sample in range(3):
            kind = ("PNG", "JPEG", "WEBP")[sample]
            files[f"d/{number}{sample}.{KINDS[kind]}"] = picture(number * 3 + sample, kind)
            files[f"d/{number}{sample}.json"] = json.dumps({"conversations": TALK})
        files[f"{number}.jpg"], files[f"{number}.txt"] = picture(number + 8, "JPEG"), "A caption."
        put(folder, {f"tars/{number}.tar": tarred(files)})
    recipe(folder, {"type": "conversations", "path": "tars", "format": "webdataset", "prompt": "What is it?"})


def tables(folder: Path) -> None:
    """Conversations in Parquet, with pictures as bytes."""
    answer = [{"index": None, "text": "A mug.", "type": "text"}]
    parts = [{"index": 0, "text": None, "type": "image"}, {"index": None, "text": "What?", "type": "text"}]
    talk = [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]
    rows = [{"messages": talk, "images": [{"bytes": picture(n), "path": None}]} for n in range(4)]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", 2)
    recipe(folder, {"type": "conversations", "path": "rows.parquet", "format": "trl"})


def saved(folder: Path) -> None:
    """A dataset that `datasets` saved."""
    import datasets

    rows = [
        {"messages": turns("<image>What?", "A mug."), "images": [{"bytes": picture(n), "path": None}]} for n in range(4)
    ]
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(rows, split="train").save_to_disk(str(folder / "rows"))
    datasets.enable_progress_bars()
    for path in (folder / "rows").glob("*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace(str(folder), "."), encoding="utf-8")
    state = folder / "rows" / "state.json"
    state.write_text(
        json.dumps({**json.loads(state.read_text(encoding="utf-8")), "_fingerprint": "0"}), encoding="utf-8"
    )
    recipe(folder, {"type": "conversations", "path": "rows", "format": "sharegpt"})
