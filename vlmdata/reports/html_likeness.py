"""Near-duplicate images side by side, as a build's report names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmdata.dataset import DataFile
from vlmdata.page import section, shortened, text
from vlmdata.page.gallery import Picture, picture_html, thumbnail
from vlmdata.reports.html_rows import fetch, place
from vlmdata.reports.html_statistics import Choice
from vlmdata.words import plural

MOST_PAIRS = 16
Held = Mapping[int, tuple[str, Mapping[str, Any]]]
"""Rows by their number in the dataset: each row's split and record."""


def likeness_samples(report: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """The pairs of a report, as report.v1 has them, as many as a page shows."""
    samples: Sequence[Mapping[str, Any]] = report["likeness"]["samples"] if report is not None else ()
    return samples[:MOST_PAIRS]


def likeness_section(report: Mapping[str, Any], files: Sequence[DataFile], choice: Choice) -> str:
    """The pairs, each with both pictures and the rows that they stand in; nothing where there is none to show."""
    samples, found = likeness_samples(report), report["likeness"]
    if not samples:
        return ""
    hashes = {sample[side]["sha256"] for sample in samples for side in "ab"}
    numbers = (choice.images[sha][0] for sha in hashes if sha in choice.images)
    rows = {number: (split, record) for number, split, record in fetch(files, numbers)}
    pairs = "".join(_pair(sample, choice, rows) for sample in samples)
    note = (
        f"{plural(found['images'], 'image')} in {plural(found['pairs'], 'pair')} look alike and differ in their bytes; "
        f"{plural(len(samples), 'pair')} to look at. The smaller the distance, the more alike."
    )
    return section("likeness", "Near-duplicates", f'<div class="pairs">{pairs}</div>', note=note)


def _pair(sample: Mapping[str, Any], choice: Choice, rows: Held) -> str:
    sides = [sample[side] for side in "ab"]
    splits = {rows[choice.images[side["sha256"]][0]][0] for side in sides if side["sha256"] in choice.images}
    leak = '<p class="leaks bad">They stand in two splits.</p>' if len(splits) > 1 else ""
    shown = "".join(_side(side, choice, rows) for side in sides)
    about = f'<p class="note">distance {sample["distance"]:g}</p>{leak}'
    return f'<div class="pair">{shown}<div class="about">{about}</div></div>'


def _side(side: Mapping[str, Any], choice: Choice, rows: Held) -> str:
    found = choice.images.get(side["sha256"])
    if found is None or found[0] not in rows:
        picture, words = Picture(missing="its row is not in the dataset"), side["id"]
    else:
        split, record = rows[found[0]]
        image = record["images"][found[1]]
        picture = thumbnail(image["bytes"].to_pybytes() if image["bytes"] is not None else b"", image["path"])
        words = f"{record.get('id')}, {split}, {place(record)}"
    label = text(shortened(words, 120))
    return f'<figure class="side">{picture_html(picture, "image")}<figcaption dir="auto">{label}</figcaption></figure>'
