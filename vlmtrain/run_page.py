"""report.html of a run: what the page needs, from the run's folder and the dataset, and the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmtrain.config import TRAIN_FILE
from vlmtrain.evaluation import EvalResult
from vlmtrain.page_evaluation import evaluation_page
from vlmtrain.preflight_result import FILE as PREFLIGHT_FILE
from vlmtrain.results_file import PAGE_FILE


def write_page(result: EvalResult, rows: Any, run: Path, folder: Path) -> None:
    """Write report.html into `folder`. `rows` hold the pixels; `run` is the folder that training left."""
    places = {str(name): place for place, name in enumerate(rows["id"])}

    def photos(name: str) -> Sequence[bytes]:
        """The images of a row, as they are stored."""
        return [image["bytes"] for image in rows[places[name]]["images"] or ()]

    page = evaluation_page(
        result, photos=photos, training=_read(run / TRAIN_FILE), preflight=_read(run / PREFLIGHT_FILE)
    )
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")


def _read(file: Path) -> Mapping[str, Any] | None:
    """What a file of the run says; None where it is not there or is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
