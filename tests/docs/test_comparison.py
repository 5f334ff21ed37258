"""What docs/comparison.md says of TRL's and datasets' own ways is what the installed versions do."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = (DOCS / "comparison.md").read_text(encoding="utf-8")


def picture() -> Any:
    from PIL import Image

    return Image.linear_gradient("L").resize((64, 48)).convert("RGB")


def holds_bytes(value: Any) -> bool:
    """Whether there are an image's bytes, or a decoded picture, anywhere in a value."""
    if isinstance(value, dict):
        return any(holds_bytes(each) for each in value.values())
    if isinstance(value, list):
        return any(holds_bytes(each) for each in value)
    return isinstance(value, bytes) or hasattr(value, "getpixel")


def test_the_recipe_of_the_guide_keeps_no_pixel(tmp_path: Path) -> None:
    """The guide puts decoded pictures into the parts of messages, whose keys differ between text and image."""
    import datasets

    photo = tmp_path / "photo.png"
    picture().save(photo)
    rows = datasets.Dataset.from_list([{"path": str(photo)}])

    def formatted(_row: dict[str, Any]) -> dict[str, Any]:
        content = [{"type": "image", "image": picture()}, {"type": "text", "text": "What is this?"}]
        return {"messages": [{"role": "user", "content": content}]}

    made = rows.map(formatted)
    made.save_to_disk(str(tmp_path / "saved"))
    assert not holds_bytes(datasets.load_from_disk(str(tmp_path / "saved"))[0]["messages"])


def test_a_build_keeps_every_byte(tmp_path: Path) -> None:
    import datasets

    import vlmdata

    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    (tmp_path / "photo.png").write_bytes(buffer.getvalue())
    (tmp_path / "rows.csv").write_text("id,photo,text\n1,photo.png,A grey tile from dark to light.\n")
    (tmp_path / "recipe.yaml").write_text(
        "source: {type: csv, path: rows.csv}\nimages: {from: photo}\n"
        "conversations: [{user: [images, 'What is this?'], assistant: '{{ text }}'}]\n"
    )
    vlmdata.build(vlmdata.load_recipe(tmp_path / "recipe.yaml"), tmp_path / "out")
    rows = datasets.load_from_disk(str(tmp_path / "out"))["train"]
    raw = rows.cast_column("images", datasets.List(datasets.Image(decode=False)))
    assert raw[0]["images"][0]["bytes"] == buffer.getvalue()


@pytest.mark.long
@pytest.mark.slow
def test_the_default_collator_of_trl_learns_prompt_and_image(tmp_path: Path) -> None:
    import datasets
    from transformers import AutoProcessor
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    import vlmtrain
    from tests.docs import workshop

    workshop.make(tmp_path)
    workshop.build(tmp_path)
    rows = datasets.load_from_disk(str(tmp_path / "data" / "shop"))["train"]
    processor = AutoProcessor.from_pretrained(tmp_path / "samples" / "tiny-vlm")
    found = vlmtrain.inspect(processor, [rows[0]], DataCollatorForVisionLanguageModeling(processor))
    assert {"inspect.prompt_learned", "inspect.image_learned"} <= {problem.rule for problem in found.problems}
    assert not vlmtrain.inspect(processor, rows[0]).problems


def test_every_command_of_the_page_names_files_that_are_there() -> None:
    named = re.findall(r"(?:benchmarks|tests)/[\w/]+\.py", PAGE)
    assert len(named) > 12
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.long
def test_trl_cuts_at_1024_tokens_by_default() -> None:
    from trl import SFTConfig

    assert SFTConfig.__dataclass_fields__["max_length"].default == 1024
