"""What a dataset says of itself that a model made of it goes on saying: licence, source, and who wrote its texts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.hub.places import is_place, without_places_within

if TYPE_CHECKING:
    from datasets import Dataset

SAID = ("name", "license", "source", "attribution")
"""What manifest.json says of a dataset, and a run's card after it."""


def about_data(path: Path) -> dict[str, str]:
    """What a dataset's manifest says of it, without places of this machine; what it leaves open is not there."""
    try:
        said = json.loads((path / "manifest.json").read_text(encoding="utf-8"))["dataset"]
        found = {name: said[name] for name in SAID if isinstance(said.get(name), str)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: without_places_within(text) for name, text in found.items() if text.strip() and not is_place(text)}


def written_by(rows: Dataset) -> list[dict[str, Any]]:
    """How many of the rows have an answer that a model wrote, by model and by what it was asked through."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in rows.select_columns(["provenance"]).with_format("arrow").iter(1_000):
        entries = batch.column("provenance").to_pylist()
        counts.update((entry["model"] or "", entry["description"] or "") for entry in entries if entry)
    return [{"model": model, "through": through, "rows": count} for (model, through), count in sorted(counts.items())]


def trained_on(path: Path, fingerprint: str, rows: Dataset) -> dict[str, Any]:
    """What train.json says of the data that a model learned from; the dataset itself may be gone by the time that the
    model is passed on."""
    return {"fingerprint": fingerprint, **about_data(path), "rows": len(rows), "written": written_by(rows)}
