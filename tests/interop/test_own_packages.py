"""TRL, datasets, webdataset, pandas and the clients of OpenAI and Google, which stand in the project's environment."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import vlmdata
from tests.interop.shown import ROWS, SINGLE, WITH_IMAGES, dataset, expected, pixels, turns
from tests.vlmdata.exports.datasets import PICTURES

TINY = Path(__file__).parents[2] / "samples" / "tiny-vlm"


def exported(name: str, folder: Path, rows: Any = ROWS) -> Path:
    done = vlmdata.export(dataset(folder, rows), name, folder / "out")
    assert done.rows_exported == len(rows)
    return done.path


def loaded(folder: Path, name: str | None = None, **options: Any) -> Any:
    """The train split, as `datasets.load_dataset` opens it."""
    import datasets

    cache = str(folder.parent / "cache")
    if name is None:
        return datasets.load_dataset(str(folder), split="train", cache_dir=cache)
    return datasets.load_dataset(name, split="train", cache_dir=cache, **options)


def as_seen(messages: list[dict[str, Any]], images: list[Image.Image]) -> dict[str, Any]:
    return {"turns": turns({"messages": messages}), "images": [pixels(image) for image in images]}


@pytest.mark.parametrize("name", ["trl", "parquet"])
def test_datasets_opens_parquet_with_messages_and_pixels(name: str, tmp_path: Path) -> None:
    rows = loaded(exported(name, tmp_path))
    assert [as_seen(row["messages"], row["images"]) for row in rows] == expected(ROWS, turned=True)
    assert rows["id"][:] == [row["id"] for row in ROWS]


def test_datasets_opens_prompt_and_completion(tmp_path: Path) -> None:
    rows = loaded(exported("trl-prompt-completion", tmp_path))
    assert [as_seen(row["prompt"] + row["completion"], row["images"]) for row in rows] == expected(ROWS, turned=True)
    assert [len(row["completion"]) for row in rows] == [1] * len(ROWS)


def test_datasets_opens_an_image_folder_as_trl_takes_it(tmp_path: Path) -> None:
    rows = loaded(exported("imagefolder", tmp_path, WITH_IMAGES), "imagefolder", data_dir=str(tmp_path / "out"))
    assert [as_seen(row["messages"], row["images"]) for row in rows] == expected(WITH_IMAGES, turned=True)


def test_datasets_opens_tars_whose_rows_have_the_same_files(tmp_path: Path) -> None:
    rows = loaded(exported("webdataset", tmp_path, ROWS[:1]))
    assert [as_seen(row["json"]["messages"], [row["0.png"]]) for row in rows] == expected(ROWS[:1], turned=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves the tar open
def test_webdataset_reads_every_row_of_a_tar(tmp_path: Path) -> None:
    import webdataset

    out = exported("webdataset", tmp_path)
    tar = (out / "data" / "train-00000-of-00001.tar").as_uri()
    found = []
    for sample in webdataset.WebDataset(tar, shardshuffle=False):
        said = json.loads(sample["json"])
        images = [Image.open(io.BytesIO(sample[key])) for key in sorted(sample) if key[0].isdigit()]
        messages = [
            {**message, "content": [{"text": None, **part} for part in message["content"]]}
            for message in said["messages"]
        ]
        found.append(as_seen(messages, images))
    assert found == expected(ROWS)


def test_pandas_reads_the_tsv_as_vlmevalkit_does(tmp_path: Path) -> None:
    import pandas

    out = exported("vlmevalkit", tmp_path, SINGLE)
    table = pandas.read_csv(out / "train.tsv", sep="\t")
    assert table["question"].tolist() == ["What is it?", "How many?"]
    assert table["A"].tolist()[0] == "a mug"
    assert table["answer"].tolist() == ["A", "Three."]
    assert b64decode(table["image"][0]) == PICTURES["mug.png"]
    several = json.loads(table["image"][1])
    assert [b64decode(one) for one in several] == [image["bytes"] for image in SINGLE[1]["images"]]


def test_the_openai_client_takes_every_message(tmp_path: Path) -> None:
    import pydantic
    from openai.types.chat import ChatCompletionMessageParam

    known: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ChatCompletionMessageParam)
    out = exported("openai", tmp_path)
    entries = [json.loads(line) for line in (out / "train.jsonl").read_text("utf-8").split("\n") if line]
    for entry, row in zip(entries, ROWS, strict=True):
        assert entry.keys() == {"messages"}
        said, shown = [], []
        for message in entry["messages"]:
            content = known.validate_python(message)["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
            shown += [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
            text = "".join(part["text"] if part["type"] == "text" else "<image>" for part in parts)
            said.append([message["role"], text])
        assert said == turns(row)
        assert [b64decode(url.partition(",")[2]) for url in shown] == [image["bytes"] for image in row["images"]]


@pytest.mark.parametrize("prefix", ["", "gs://bucket/shop"])
def test_the_gemini_client_takes_every_content(prefix: str, tmp_path: Path) -> None:
    from google.genai import types

    done = vlmdata.export(dataset(tmp_path), "gemini", tmp_path / "out", image_uri_prefix=prefix)
    lines = (done.path / "train.jsonl").read_text("utf-8").split("\n")
    for line, row in zip(filter(None, lines), ROWS, strict=True):
        entry = json.loads(line)
        system = entry.pop("systemInstruction", None)
        contents = [types.Content.model_validate_json(json.dumps(one)) for one in entry.pop("contents")]
        assert not entry
        said = [["system", system["parts"][0]["text"]]] if system else []
        images = []
        for content in contents:
            for part in content.parts or ():
                if part.inline_data is not None:
                    images.append(part.inline_data.data)
                elif part.file_data is not None:
                    uri = str(part.file_data.file_uri)
                    assert uri.startswith(f"{prefix}/images/")
                    images.append((done.path / uri.removeprefix(f"{prefix}/")).read_bytes())
            role = "assistant" if content.role == "model" else str(content.role)
            said.append([role, "".join("<image>" if part.text is None else part.text for part in content.parts or ())])
        assert said == turns(row)
        assert images == [image["bytes"] for image in row["images"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trl", "trl-prompt-completion", "imagefolder"])
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
def test_a_stock_sft_trainer_trains_a_step(name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import SFTConfig, SFTTrainer

    wanted = WITH_IMAGES if name == "imagefolder" else ROWS
    out = exported(name, tmp_path, wanted)
    rows = loaded(out) if name != "imagefolder" else loaded(out, name, data_dir=str(out))
    trainer = SFTTrainer(
        model=AutoModelForImageTextToText.from_pretrained(TINY),
        args=SFTConfig(
            output_dir=str(tmp_path / "run"),
            max_length=None,
            max_steps=1,
            per_device_train_batch_size=len(wanted),
            use_cpu=True,
            bf16=False,
            report_to="none",
            save_strategy="no",
            dataloader_pin_memory=False,
        ),
        train_dataset=rows,
        processing_class=AutoProcessor.from_pretrained(TINY),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    assert len(batch["image_grid_thw"]) == sum(len(row["images"]) for row in wanted)
    trainer.train()
    assert trainer.state.global_step == 1
    assert 0 < trainer.state.log_history[-1]["train_loss"] < 20
