"""The dataset card: README.md with the front matter that dataset hubs read."""

from __future__ import annotations

import yaml

from vlmdata.contract import CONTRACT
from vlmdata.ledger import Ledger
from vlmdata.recipe import Recipe
from vlmdata.version import __version__


def dataset_card(recipe: Recipe, ledger: Ledger) -> str:
    """The card of a built dataset, from the recipe's `dataset:` block and the counts."""
    front = {
        "license": recipe.dataset.license,
        "pretty_name": recipe.dataset.name,
        "task_categories": ["image-text-to-text"],
        "tags": ["vision-language", f"contract:{CONTRACT}"],
        "size_categories": [size_category(ledger.conversations_accepted)],
    }
    splits = "\n".join(f"| {split} | {rows:,} |" for split, rows in ledger.splits.items())
    about = "\n\n".join(text for text in (recipe.dataset.description, recipe.dataset.source) if text)
    rejected = "\n".join(f"| {rule} | {count:,} |" for rule, count in sorted(ledger.rejected_by_rule.items()))
    quarantine = f"\n## Rejected\n\n| rule | rows |\n|---|---|\n{rejected}\n" if rejected else ""
    changed = {rule: count for rule, count in sorted(ledger.changed.items()) if rule.startswith("images.")}
    bytes_words = "their bytes as they were"
    if changed:
        bytes_words += f" but for {', '.join(f'{rule} {count:,}' for rule, count in changed.items())}"
    return f"""---
{yaml.safe_dump(front, sort_keys=False, allow_unicode=True).strip()}
---

# {recipe.dataset.name}

{about}

| split | conversations |
|---|---|
{splits}

{ledger.rows_read:,} rows read: {ledger.rows_used:,} used, {ledger.rows_skipped:,} skipped, \
{ledger.rows_rejected:,} rejected.
{ledger.images_unique:,} unique images in {ledger.images_references:,} places, {bytes_words}.
{quarantine}
Built by vlmdata {__version__}; open it with `datasets.load_from_disk`.
"""


def size_category(rows: int) -> str:
    """The hub's name for a dataset's size."""
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((name for bound, name in bounds if rows < bound), "1M<n<10M")
