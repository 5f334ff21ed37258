"""The front matter of a dataset card: what the Hub reads of it, and where its data files lie."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from vlmdata.contract import CONTRACT, declared_features
from vlmdata.ledger import Ledger
from vlmdata.recipe import DatasetInfo
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the files of a dataset lie, how one begins to use it there, and which other files lie beside the card.

    `pattern` names the data files of a split.
    """

    pattern: str
    beside: frozenset[str]
    use: str
    note: str


FOLDER = Layout(
    pattern="{split}/data-*.arrow",
    beside=frozenset({"report.html", "rejected.jsonl"}),
    use='import vlmdata\n\ndataset = vlmdata.open("path/to/this/folder")',
    note="Or `datasets.load_from_disk`.",
)
"""As a build leaves it."""


def hub_layout(name: str, beside: Iterable[str]) -> Layout:
    """As it lies on the Hub under a name such as `owner/name`."""
    return Layout(
        pattern="data/{split}-*.parquet",
        beside=frozenset(beside),
        use=f'from datasets import load_dataset\n\ndataset = load_dataset("{name}")',
        note="With `revision=` and a commit, it can't change under you.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """How many of the rows have a text that a model wrote, and through whom it was asked."""

    model: str
    provider: str
    rows: int
    of: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.rows / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a card is about: the recipe's `dataset:` block, its kind of source, languages, and who wrote texts."""

    about: DatasetInfo
    source_type: str
    languages: tuple[str, ...]
    recipe_sha256: str
    generated: tuple[Generated, ...] = ()

    @classmethod
    def of(cls, about: DatasetInfo, recipe: Mapping[str, Any], generated: Iterable[Generated] = ()) -> Subject:
        """From a recipe as plain data, as the manifest keeps it."""
        said = json.dumps(recipe, sort_keys=True, ensure_ascii=False)
        return cls(
            about=about,
            source_type=str(recipe["source"]["type"]),
            languages=tuple(sorted(set(_languages(recipe)))),
            recipe_sha256=hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
            generated=tuple(generated),
        )


def _languages(recipe: Mapping[str, Any]) -> Iterator[str]:
    for template in recipe.get("conversations", []):
        language = template.get("tags", {}).get("language")
        if isinstance(language, str) and LANGUAGE.fullmatch(language):
            yield language


def front_matter(
    subject: Subject, ledger: Ledger, files: Sequence[WrittenFile], layout: Layout = FOLDER
) -> dict[str, Any]:
    """What the Hub reads of a card, as plain data."""
    sizes = split_bytes(ledger, files, layout)
    shown = [split for split in ledger.splits if layout is FOLDER or ledger.splits[split]]
    return {
        **_license(subject.about.license),
        "pretty_name": subject.about.name,
        **({"language": list(subject.languages)} if subject.languages else {}),
        **({"annotations_creators": ["machine-generated"]} if subject.generated else {}),
        "task_categories": ["image-text-to-text"],
        "size_categories": [size_category(ledger.conversations_accepted)],
        "tags": ["vision-language", "vlmdata", f"contract:{CONTRACT}"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": layout.pattern.format(split=split)} for split in shown],
            }
        ],
        "dataset_info": {
            "features": hub_features(declared_features()),
            "splits": [
                {"name": split, "num_bytes": sizes[split], "num_examples": ledger.splits[split]} for split in shown
            ],
            "download_size": sum(sizes.values()),
            "dataset_size": sum(sizes.values()),
        },
    }


def _license(name: str) -> dict[str, str]:
    if name.lower() in HUB_LICENSES:
        return {"license": name.lower()}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "other"}


def split_bytes(ledger: Ledger, files: Sequence[WrittenFile], layout: Layout = FOLDER) -> dict[str, int]:
    """The bytes of each split's files."""
    return {
        split: sum(file.bytes for file in files if fnmatchcase(file.name, layout.pattern.format(split=split)))
        for split in ledger.splits
    }


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
