"""report.html: a dataset on one page that works offline, from what lies in its folder and from nothing else.

The same folder gives the same bytes. The page stays below `MOST_BYTES` however large the dataset is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.contract import validator
from vlmdata.dataset import DataFile, data_files, schema_problems
from vlmdata.errors import ContractError
from vlmdata.page import coded, document, section, shortened, text
from vlmdata.page.gallery import Card, card_html, filters
from vlmdata.reports.html_flow import flow
from vlmdata.reports.html_likeness import likeness_samples, likeness_section
from vlmdata.reports.html_rejected import rejected_card, rejected_rows
from vlmdata.reports.html_rows import Album, card, rows_to_show
from vlmdata.reports.html_sections import (
    changes_section,
    figures,
    findings_section,
    leak_words,
    origin_section,
    shapes_section,
    splits_section,
    tags_section,
    verdict,
)
from vlmdata.reports.html_statistics import Statistics, statistics
from vlmdata.words import plural

PAGE = "report.html"
MOST_BYTES = 4_800_000
LARGEST_JSON = 60_000_000
MOST_NAMED_ROWS = 12
MOST_FILTER_TAGS = 300

NOT_LOOKED = {"looked": False, "pairs": 0, "images": 0, "held": 0, "samples": []}
"""What a report says of near-duplicates that was made before they were looked for."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What lies beside the data: the build's report and manifest, where they are and can be read, and what is odd."""

    name: str
    report: Json | None
    manifest: Json | None
    notes: tuple[str, ...]


def report_html(folder: Path, name: str = "") -> str:
    """The page of a dataset's folder, or of a refused build's. `name` is for one that does not say its own.

    Raises NoDatasetError where there is no dataset, and ContractError where it does not follow the contract.
    """
    told = _told(folder, name or folder.name)
    files = [] if told.report is not None and not told.report["published"] else _files(folder)
    try:
        return _page(folder, told, files)
    except UnicodeDecodeError as error:
        raise ContractError(f"{folder}: holds text that is no UTF-8: {error.reason}") from None


def write_page(folder: Path, name: str) -> None:
    """Write report.html into a folder that holds everything else."""
    (folder / PAGE).write_text(report_html(folder, name), encoding="utf-8", newline="\n")


def _files(folder: Path) -> list[DataFile]:
    files = data_files(folder)
    problems = [
        problem
        for file in files
        for problem in schema_problems(file.schema(), f"{file.split}/{file.path.name}")
        if problem.severity == "error"
    ]
    if problems:
        raise ContractError(f"{folder}: does not follow the contract", problems)
    return files


def _told(folder: Path, name: str) -> Told:
    notes: list[str] = []
    report = _read(folder / "report.json", "report.v1", notes)
    manifest = _read(folder / "manifest.json", "manifest.v1", notes)
    said = (report or {}).get("dataset") or ((manifest or {}).get("dataset") or {}).get("name")
    return Told(name=said or name, report=report, manifest=manifest, notes=tuple(notes))


def _read(path: Path, kind: str, notes: list[str]) -> Json | None:
    """A JSON file that follows its schema; what does not is left out, with a note."""
    if not path.is_file():
        return None
    if path.stat().st_size > LARGEST_JSON:
        notes.append(f"{path.name} is larger than {LARGEST_JSON:,} bytes, and left out here.")
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        notes.append(f"{path.name} can't be read, and is left out here.")
        return None
    if kind == "report.v1" and isinstance(found, dict):
        found.setdefault("likeness", NOT_LOOKED)
    wrong = next(validator(kind).iter_errors(found), None)
    if wrong is None and isinstance(found, dict):
        return found
    where = "/".join(str(step) for step in wrong.absolute_path) if wrong is not None else ""
    notes.append(f"{path.name} does not follow {kind}{f' at {where}' if where else ''}, and is left out here.")
    return None


def _page(folder: Path, told: Told, files: Sequence[DataFile]) -> str:
    report, made = told.report, None
    samples = likeness_samples(report)
    rules = _rules_by_id(report)
    if files:
        made = statistics(files, rules, {sample[side]["sha256"] for sample in samples for side in "ab"})
    wanted = (report or {}).get("ledger", {}).get("rejected_by_rule", {})
    rejected = [rejected_card(each) for each in rejected_rows(folder / "rejected.jsonl", wanted)]
    shown = Counter(rule for each in rejected for rule in each.rules)
    sections = list(_sections(told, made, shown))
    if made is not None and report is not None:
        sections.append(likeness_section(report, files, made.choice))
    ending = [changes_section(report) if report else "", origin_section(told.manifest) if told.manifest else ""]
    used = sum(len(part.encode()) for part in [*sections, *ending])
    gallery = _gallery(files, made, rules, rejected, MOST_BYTES - 60_000 - used)
    body = "\n".join(part for part in [_head(told, made), *sections, gallery, *ending] if part)
    return document(title=f"{told.name}: report", body=body, links=_links(body))


LINKS = {
    "flow": "Flow",
    "splits": "Splits",
    "findings": "Findings",
    "shapes": "Images and texts",
    "tags": "Tags",
    "likeness": "Near-duplicates",
    "rows": "Rows",
    "changes": "Changes",
    "origin": "How it was built",
}


def _links(body: str) -> dict[str, str]:
    return {name: words for name, words in LINKS.items() if f'<section id="{name}"' in body}


def _head(told: Told, made: Statistics | None) -> str:
    leak, fine = leak_words(made) if made is not None else ("", True)
    leaks = f'<p class="leaks {"good" if fine else "bad"}">{coded(leak)}</p>' if leak else ""
    notes = "".join(f'<p class="leaks bad">{text(note)}</p>' for note in told.notes)
    return (
        f'<header class="title"><p class="over">Dataset report</p><h1 dir="auto">{text(shortened(told.name, 120))}</h1>'
        f'<p class="verdict">{text(verdict(told.report, made))}</p>{leaks}{notes}{figures(told.report, made)}</header>'
    )


def _sections(told: Told, made: Statistics | None, shown: Mapping[str, int]) -> Iterator[str]:
    report = told.report
    if report is not None:
        yield section("flow", "From rows to splits", flow(report["ledger"]))
    if made is not None:
        yield splits_section(made, report)
    if report is not None:
        yield findings_section(report, shown)
    if made is not None:
        yield shapes_section(made)
        yield tags_section(made)


def _rules_by_id(report: Json | None) -> dict[str, list[str]]:
    """Rows that a rule warned of, by their id, as far as the report names them."""
    found: dict[str, list[str]] = {}
    for problem in (report or {}).get("problems", ()):
        name, rule = problem.get("id"), problem["rule"]
        if name and problem["severity"] == "warning" and (name in found or len(found) < MOST_NAMED_ROWS):
            found.setdefault(name, [])
            if rule not in found[name]:
                found[name].append(rule)
    return found


def _gallery(
    files: Sequence[DataFile],
    made: Statistics | None,
    rules: Mapping[str, Sequence[str]],
    rejected: Sequence[Card],
    budget: int,
) -> str:
    """Cards of chosen rows, then of rejected ones, as many as the page has room for."""
    cards: list[Card] = []
    if made is not None and made.rows:
        rows = rows_to_show(files, made, rules)
        with closing(Album(made)) as album:
            pictures = album.pictures([row.record for row in rows])
        cards = [card(row, shown) for row, shown in zip(rows, pictures, strict=True)]
    numbers = _tag_numbers(cards)
    kept, lines, left = [], [], budget
    for each in _in_turn(cards, rejected):
        made_html = card_html(each, numbers)
        weight = len(made_html.encode())
        if weight <= left:
            kept.append(each)
            lines.append((each in rejected, made_html))
            left -= weight
    if not kept:
        return ""
    note = _gallery_words(len(kept), made, len(cards) + len(rejected) - len(kept))
    shown = "\n".join(line for _, line in sorted(lines, key=lambda entry: entry[0]))
    return section("rows", "Rows", f'{filters(kept, numbers)}<div class="cards" id="cards">{shown}</div>', note=note)


def _in_turn(cards: Sequence[Card], rejected: Sequence[Card]) -> Iterator[Card]:
    """Two of the dataset's rows and one rejected row in turn, so that a page that fills up has both."""
    mine, others = iter(cards), iter(rejected)
    while True:
        batch = [each for each in (next(mine, None), next(mine, None), next(others, None)) if each is not None]
        if not batch:
            return
        yield from batch


def _gallery_words(kept: int, made: Statistics | None, left_out: int) -> str:
    total = made.rows if made is not None else 0
    said = f"{plural(kept, 'row')} to look at"
    said += f", chosen from {plural(total, 'conversation')} and from the rejected rows" if total else ""
    rest = f"; {plural(left_out, 'more')} would make this page too large" if left_out else ""
    return f"{said}: the longest and the smallest, and random ones with a fixed seed{rest}."


def _tag_numbers(cards: Sequence[Card]) -> dict[tuple[str, str], int]:
    pairs = sorted({pair for each in cards for pair in each.tags.items()})
    return {pair: place for place, pair in enumerate(pairs[:MOST_FILTER_TAGS])}
