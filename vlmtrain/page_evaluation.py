"""report.html of an evaluation: one file that tells at a glance whether the training helped, where, and if it looks.

It works offline, asks for nothing, and holds every text as text. However many rows there are, it stays below
`MOST_BYTES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from vlmdata.page import document
from vlmtrain.page.changes import changes_section
from vlmtrain.page.choices import choices_section
from vlmtrain.page.controls import controls_section
from vlmtrain.page.findings import head
from vlmtrain.page.gallery import Photos, gallery
from vlmtrain.page.judge import judge_section
from vlmtrain.page.method import method_section
from vlmtrain.page.scores import scores_section
from vlmtrain.page.slices import slices_alone, slices_section
from vlmtrain.page.training import training_section
from vlmtrain.verdict import main_candidate, main_comparison

if TYPE_CHECKING:
    from vlmtrain.evaluation import EvalResult

MOST_BYTES = 4_800_000
FRAME = 60_000

LINKS = {
    "scores": "Scores",
    "changed": "What changed",
    "slices": "By slice",
    "controls": "Photos",
    "judge": "The judge",
    "training": "Training",
    "rows": "Rows",
    "choices": "Letters",
    "method": "How it was measured",
}


def evaluation_page(
    result: EvalResult,
    *,
    photos: Photos,
    training: Mapping[str, Any] | None = None,
    preflight: Mapping[str, Any] | None = None,
) -> str:
    """The whole page.

    `photos` gives the bytes of a row's images by its id; `training` and `preflight` are the run's files as data.
    """
    comparison = main_comparison(result)
    sections = [head(result), scores_section(result)]
    if comparison is not None:
        sections += [changes_section(result, comparison), slices_section(result, comparison)]
    else:
        sections.append(slices_alone(result, result.candidates[main_candidate(result)]))
    sections += [controls_section(result), judge_section(result), training_section(training, preflight)]
    ending = [choices_section(result), method_section(result)]
    used = sum(len(part.encode()) for part in (*sections, *ending))
    sections += [gallery(result, photos, MOST_BYTES - FRAME - used), *ending]
    body = "\n".join(part for part in sections if part)
    links = {name: words for name, words in LINKS.items() if f'<section id="{name}"' in body}
    return document(title=f"Evaluation: {main_candidate(result)}", body=body, links=links, style=style())


def style() -> str:
    """The style sheet that this page needs beside the frame's."""
    return resources.files("vlmtrain.page").joinpath("evaluation.css").read_text(encoding="utf-8").strip()
