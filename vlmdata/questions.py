"""Questions over several images: which columns hold what, as a recipe says it and as MMIU-Benchmark has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionColumns:
    """Which column holds what. `answer` is a letter where there are options; `context` becomes the system turn."""

    question: str
    images: str
    answer: str
    context: str | None = None
    options: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """The columns by their part in a question, without those that are not used."""
        parts = {name: getattr(self, name) for name in ("question", "images", "answer", "context", "options")}
        return {name: column for name, column in parts.items() if column is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiImageOptions:
    """How rows of questions are read.

    `separator` stands between two paths in a text; `marker` stands where an image belongs, and without it all images
    come before the question.
    """

    columns: QuestionColumns
    separator: str | None = None
    marker: str | None = None


MMIU = MultiImageOptions(
    columns=QuestionColumns(
        question="question", images="input_image_path", answer="output", context="context", options="options"
    )
)
"""MMIU-Benchmark's columns, as published."""

MMIU_TAGS = ("task", "visual_input_component")
MMIU_FIELDS = ("source",)


def benchmark_folder(path: Path) -> Path:
    """The folder that a benchmark's zips are in: the path itself, or the folder of the Parquet file that it names."""
    return path.parent if path.suffix.lower() == ".parquet" else path


def zip_names(folder: Path) -> list[str]:
    """The zip files of a folder, by name: a benchmark's images are read from them as they are."""
    return sorted(path.name for path in folder.glob("*.zip"))
