"""The dataset card: README.md with the front matter that the Hub reads, and what to know before using the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import yaml

from vlmdata.ledger import Ledger
from vlmdata.recipe import DatasetInfo, Recipe, portable
from vlmdata.rules import rulebook
from vlmdata.version import __version__
from vlmdata.words import plural
from vlmdata.write.arrow_files import WrittenFile
from vlmdata.write.card_front import FOLDER, Generated, Layout, Subject, front_matter, split_bytes


def dataset_card(
    recipe: Recipe, ledger: Ledger, files: Sequence[WrittenFile] = (), generated: Sequence[Generated] = ()
) -> str:
    """The card of a dataset where it was built, from the recipe's `dataset:` block, the counts, the files, and who
    wrote texts of theirs."""
    return card_text(Subject.of(recipe.dataset, portable(recipe), generated), ledger, files)


def card_text(subject: Subject, ledger: Ledger, files: Sequence[WrittenFile] = (), layout: Layout = FOLDER) -> str:
    """The card of a dataset whose files lie as a layout says."""
    front = front_matter(subject, ledger, files, layout)
    said = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10_000)
    parts = [
        f"# {_line(subject.about.name)}",
        *_about(subject.about),
        *_generated(subject.generated),
        *_splits(ledger, files, layout),
        *_how_built(subject, ledger, layout),
        *_findings(ledger),
        *_use(layout),
    ]
    return f"---\n{said.strip()}\n---\n\n" + "\n\n".join(parts) + "\n"


def _about(about: DatasetInfo) -> Iterator[str]:
    if about.description:
        yield about.description.strip()
    lines = [("Source", about.source), ("Licence", about.license), ("Attribution", about.attribution)]
    yield "\n".join(f"- **{name}:** {_line(value)}" for name, value in lines if value)


def _generated(generated: Sequence[Generated]) -> Iterator[str]:
    """Who wrote the texts that no person did."""
    if generated:
        yield "## Texts that were filled in"
        by_hand = all(each.provider == "file" for each in generated)
        by = "come from a file of answers" if by_hand else "were written by a model"
        yield f"Some answers {by}, as the column `provenance` says row by row:"
        rows = [
            [f"`{_cell(each.model)}`", _cell(each.provider), f"{each.rows:,} of {each.of:,}", f"{each.share:.1%}"]
            for each in generated
        ]
        yield _table(["model", "asked through", "rows", "share"], rows)


def _splits(ledger: Ledger, files: Sequence[WrittenFile], layout: Layout) -> Iterator[str]:
    sizes = split_bytes(ledger, files, layout)
    rows = [[_cell(split), f"{count:,}", f"{sizes[split]:,}"] for split, count in ledger.splits.items()]
    yield "## Splits"
    yield _table(["split", "conversations", "bytes"], rows)
    largest = f"the largest holds {plural(ledger.largest_group, 'conversation')}"
    yield f"{ledger.groups:,} groups, none of them in two splits; {largest}."


def _how_built(subject: Subject, ledger: Ledger, layout: Layout) -> Iterator[str]:
    page = " `report.html` shows it all on one page." if "report.html" in layout.beside else ""
    rejected = " (all in `rejected.jsonl`)" if "rejected.jsonl" in layout.beside else ""
    yield "## How it was built"
    yield (
        f"By vlmdata {__version__} from a recipe of type `{subject.source_type}` (sha256 `{subject.recipe_sha256}`), "
        f"which stands in `manifest.json` with the hashes of its sources.{page}"
    )
    yield (
        f"- {plural(ledger.rows_read, 'row')} read: {ledger.rows_used:,} used, {ledger.rows_skipped:,} skipped, "
        f"{ledger.rows_rejected:,} rejected{rejected}\n"
        f"- {plural(ledger.conversations_made, 'conversation')} made: {ledger.conversations_accepted:,} accepted, "
        f"{ledger.conversations_deduplicated:,} deduplicated, {ledger.conversations_rejected:,} rejected\n"
        f"- {ledger.images_unique:,} unique images in {ledger.images_references:,} places, "
        f"{_image_changes(ledger)}"
    )
    changed = {rule: count for rule, count in sorted(ledger.changed.items()) if not rule.startswith("images.")}
    if changed:
        yield "Changes that the recipe asked for:"
        yield _table(["change", "count"], [[_cell(rule), f"{count:,}"] for rule, count in changed.items()])


def _image_changes(ledger: Ledger) -> str:
    changed = {rule: count for rule, count in sorted(ledger.changed.items()) if rule.startswith("images.")}
    if not changed:
        return "their bytes as they were"
    return f"their bytes as they were but for {', '.join(f'`{rule}` {count:,}' for rule, count in changed.items())}"


def _findings(ledger: Ledger) -> Iterator[str]:
    """What is known of the rows that were rejected, and of what is odd in those that are here."""
    yield "## Known findings"
    found = [("rejected", rule, count) for rule, count in sorted(ledger.rejected_by_rule.items())]
    found += [("warning", rule, count) for rule, count in sorted(ledger.warned_by_rule.items())]
    if not found:
        yield "None: no rule found anything."
        return
    yield "Rejected rows are not in the dataset; what was warned of is."
    yield _table(["rule", "", "count", "what it means"], [_finding(*entry) for entry in found])


def _finding(kind: str, rule: str, count: int) -> list[str]:
    known = rulebook().get(rule)
    return [f"`{_cell(rule)}`", kind, f"{count:,}", _cell(known.summary if known is not None else "")]


def _use(layout: Layout) -> Iterator[str]:
    yield "## Use"
    yield f"```python\n{layout.use}\n```"
    yield f"{layout.note} Each row has `messages` for a chat template, and `images` in their order."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: str) -> str:
    """Text inside a Markdown table: one line, nothing that ends the cell or begins HTML."""
    return _line(value).replace("|", "\\|")


def _line(value: str) -> str:
    """Text as one line of Markdown that means nothing but itself."""
    flat = " ".join(value.split())
    flat = re.sub(r"([\\`*\[\]#])", r"\\\1", flat)
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
