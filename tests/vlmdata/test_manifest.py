"""What is written beside the data."""

from __future__ import annotations

import json
from pathlib import Path

from vlmdata.write.manifest import write_json


def test_half_a_character_is_escaped_so_that_the_file_is_utf_8_and_reads_back_equal(tmp_path: Path) -> None:
    said = {"name": "mug\udce9.jpg", "größe": "é"}
    write_json(tmp_path / "report.json", said)
    assert json.loads((tmp_path / "report.json").read_bytes().decode("utf-8")) == said
