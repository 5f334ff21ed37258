"""The dataset card: README.md with the front matter that the Hub reads, and what to know before using the data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from vlmdata.contract import CONTRACT, declared_features
from vlmdata.ledger import Ledger
from vlmdata.recipe import DatasetInfo, Recipe, portable
from vlmdata.rules import rulebook
from vlmdata.version import __version__
from vlmdata.write.arrow_files import WrittenFile

HUB_LICENSES = frozenset(
    {
        *("unknown", "other", "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc"),
        *("cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0"),
        *("cdla-permissive-2.0", "odbl", "odc-by", "pddl", "etalab-2.0", "gpl", "gpl-2.0", "gpl-3.0", "agpl-3.0"),
        *("lgpl", "lgpl-2.1", "lgpl-3.0", "mpl-2.0", "gfdl", "c-uda", "artistic-2.0", "wtfpl", "zlib", "unlicense"),
        *("openrail", "afl-3.0", "ecl-2.0", "epl-2.0", "eupl-1.1", "eupl-1.2", "ms-pl", "ncsa", "ofl-1.1", "osl-3.0"),
    }
)
"""Licences that the Hub knows by these names (https://huggingface.co/docs/hub/repositories-licenses). For another one
its front matter says `other`, with the name beside it."""

SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")),
    *((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")),
)

LANGUAGE = re.compile(r"[a-z]{2,3}")


def dataset_card(recipe: Recipe, ledger: Ledger, files: Sequence[WrittenFile] = ()) -> str:
    """The card of a built dataset, from the recipe's `dataset:` block, the counts and the files."""
    front = yaml.safe_dump(front_matter(recipe, ledger, files), sort_keys=False, allow_unicode=True, width=10_000)
    parts = [
        f"# {_line(recipe.dataset.name)}",
        *_about(recipe.dataset),
        *_splits(ledger, files),
        *_how_built(recipe, ledger),
        *_findings(ledger),
        *_use(),
    ]
    return f"---\n{front.strip()}\n---\n\n" + "\n\n".join(parts) + "\n"


def front_matter(recipe: Recipe, ledger: Ledger, files: Sequence[WrittenFile]) -> dict[str, Any]:
    """What the Hub reads of a card, as plain data."""
    languages = sorted({tags["language"] for tags in _template_tags(recipe) if LANGUAGE.fullmatch(tags["language"])})
    sizes = split_bytes(ledger, files)
    return {
        **_license(recipe.dataset.license),
        "pretty_name": recipe.dataset.name,
        **({"language": languages} if languages else {}),
        "task_categories": ["image-text-to-text"],
        "size_categories": [size_category(ledger.conversations_accepted)],
        "tags": ["vision-language", "vlmdata", f"contract:{CONTRACT}"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}/data-*.arrow"} for split in ledger.splits],
            }
        ],
        "dataset_info": {
            "features": hub_features(declared_features()),
            "splits": [
                {"name": split, "num_bytes": sizes[split], "num_examples": rows}
                for split, rows in ledger.splits.items()
            ],
            "download_size": sum(sizes.values()),
            "dataset_size": sum(sizes.values()),
        },
    }


def _template_tags(recipe: Recipe) -> Iterator[Mapping[str, str]]:
    for template in recipe.conversations:
        if isinstance(template.tags.get("language"), str):
            yield template.tags


def _license(name: str) -> dict[str, str]:
    if name.lower() in HUB_LICENSES:
        return {"license": name.lower()}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "other"}


def split_bytes(ledger: Ledger, files: Sequence[WrittenFile]) -> dict[str, int]:
    """The bytes of each split's files."""
    return {split: sum(file.bytes for file in files if file.name.startswith(f"{split}/")) for split in ledger.splits}


def hub_features(declared: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Features, declared as datasets does in JSON, in the shorter form of a card's front matter."""
    return [{"name": name, **_hub_feature(feature)} for name, feature in declared.items()]


def _hub_feature(feature: Mapping[str, Any]) -> dict[str, Any]:
    kind = feature.get("_type")
    if kind == "List":
        inner = _hub_feature(feature["feature"])
        return {"list": inner.get("dtype") or inner["struct"]}
    if kind == "Value":
        return {"dtype": feature["dtype"]}
    if isinstance(kind, str):
        return {"dtype": kind.lower()}
    return {"struct": hub_features(feature)}


def size_category(rows: int) -> str:
    """The Hub's name for a dataset's size."""
    return next((name for bound, name in SIZES if rows < bound), "1B<n<10B")


def _about(about: DatasetInfo) -> Iterator[str]:
    if about.description:
        yield about.description.strip()
    lines = [("Source", about.source), ("Licence", about.license)]
    yield "\n".join(f"- **{name}:** {_line(value)}" for name, value in lines if value)


def _splits(ledger: Ledger, files: Sequence[WrittenFile]) -> Iterator[str]:
    sizes = split_bytes(ledger, files)
    rows = [[_cell(split), f"{count:,}", f"{sizes[split]:,}"] for split, count in ledger.splits.items()]
    yield "## Splits"
    yield _table(["split", "conversations", "bytes"], rows)
    largest = f"the largest holds {ledger.largest_group:,} conversations"
    yield f"{ledger.groups:,} groups, none of them in two splits; {largest}."


def _how_built(recipe: Recipe, ledger: Ledger) -> Iterator[str]:
    said = json.dumps(portable(recipe), sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    yield "## How it was built"
    yield (
        f"By vlmdata {__version__} from a recipe of type `{recipe.source.type}` (sha256 `{digest}`), "
        f"which stands in `manifest.json` with the hashes of its sources. `report.html` shows it all on one page."
    )
    yield (
        f"- {ledger.rows_read:,} rows read: {ledger.rows_used:,} used, {ledger.rows_skipped:,} skipped, "
        f"{ledger.rows_rejected:,} rejected (all in `rejected.jsonl`)\n"
        f"- {ledger.conversations_made:,} conversations made: {ledger.conversations_accepted:,} accepted, "
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


def _use() -> Iterator[str]:
    yield "## Use"
    yield (
        '```python\nimport vlmdata\n\ndataset = vlmdata.open("path/to/this/folder")\n```\n\n'
        "or `datasets.load_from_disk`. Each row has `messages` for a chat template, and `images` in their order."
    )


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
