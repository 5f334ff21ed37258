"""manifest.json, by which a dataset is known and asked again the same way; and build-log.json, for what changes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlmdata.contract import CONTRACT
from vlmdata.describe_settings import DescribeConfig
from vlmdata.ledger import Ledger
from vlmdata.plugins import identity
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe, portable
from vlmdata.version import __version__
from vlmdata.write.arrow_files import WrittenFile


def manifest(recipe: Recipe, source: Source, files: Sequence[WrittenFile], ledger: Ledger) -> dict[str, Any]:
    """What was built from what. Nothing in it depends on the time, the machine or the number of workers.

    `fingerprint` is a sha256 over the contract and every data file's hash: the same data, the same fingerprint.
    """
    named = [asdict(file) for file in files]
    digest = hashlib.sha256(json.dumps([CONTRACT, named], sort_keys=True).encode()).hexdigest()
    found = {
        "contract": CONTRACT,
        "vlmdata": __version__,
        "fingerprint": digest,
        "dataset": asdict(recipe.dataset),
        "sources": [source_entry(file, recipe.source.path) for file in source.files],
        "columns": list(source.columns),
        "splits": ledger.splits,
        "files": named,
        "ledger": ledger.as_dict(),
        "recipe": portable(recipe),
    }
    if commit := getattr(source, "commit", None):
        found["source_commit"] = commit
    if recipe.plugins:
        found["plugins"] = [identity(name) for name in recipe.plugins]
    if recipe.describe is not None:
        found["described"] = described_entry(recipe.describe, ledger.changed.get("describe.written", 0))
    return found


def described_entry(config: DescribeConfig, rows: int) -> dict[str, Any]:
    """Who wrote the texts that rows lacked, asked with what, and how many there are."""
    return {
        "provider": config.provider,
        "model": config.model,
        "prompt_sha256": config.prompt_sha256,
        "rows": rows,
    }


def source_entry(path: Path, source: Path) -> dict[str, Any]:
    """A source file by name (below the source, where that is a folder), size and sha256."""
    name = path.relative_to(source).as_posix() if path != source and path.is_relative_to(source) else path.name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "bytes": path.stat().st_size, "sha256": digest}


def build_log(ledger: Ledger, *, workers: int, seconds: float) -> dict[str, Any]:
    """How a build went on this machine: everything that may differ between two builds of the same data."""
    return {
        "vlmdata": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "workers": workers,
        "seconds": round(seconds, 3),
        "rows_per_second": round(ledger.rows_read / seconds, 1) if seconds else None,
        "images_per_second": round(ledger.images_unique / seconds, 1) if seconds else None,
    }


def write_json(path: Path, data: Any) -> None:
    """JSON as a person reads it, with a line's end at the end. Half a character, which UTF-8 has not, is escaped."""
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
