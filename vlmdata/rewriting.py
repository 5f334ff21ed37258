"""A dataset written once more with its rows in other splits: the same bytes, and all that is said of them in step."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlmdata.contract import CONTRACT, stored_schema
from vlmdata.dataset import MANIFEST, DataFile, data_files, read_manifest
from vlmdata.generated import generated_in
from vlmdata.ledger import Ledger
from vlmdata.recipe import Recipe, recipe_from
from vlmdata.record import Problem, problem_dict
from vlmdata.reports.build_report import Findings, build_report
from vlmdata.version import __version__
from vlmdata.write.arrow_files import Hashed, WrittenFile, write_split_metadata, write_splits_file
from vlmdata.write.card import dataset_card
from vlmdata.write.manifest import write_json
from vlmdata.write.plan import LARGEST_SHARD, SHARD_ROWS

ROWS_AT_ONCE = 64
ORIGINS = ("source_commit", "plugins", "described")
"""What a manifest says of where rows came from, beside its sources, where there is something to say."""
REPORT, QUARANTINE, INFO = "report.json", "rejected.jsonl", "dataset_info.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """What is written: the rows of `files` in their order, each to the split of its number in `names`.

    `asked` is the recipe's `split`; `whole` says how many groups stay together, and the number and size of the largest;
    `images` counts unique ones, references to them, and the bytes of the unique ones.
    """

    source: Path
    files: Sequence[DataFile]
    numbers: npt.NDArray[np.int64]
    names: Sequence[str]
    asked: Mapping[str, Any]
    whole: tuple[int, int, int]
    images: tuple[int, int, int]
    likeness: Mapping[str, Any]
    problems: Sequence[Problem]

    @property
    def title(self) -> str:
        """What the dataset is called."""
        earlier = read_manifest(self.source) if (self.source / MANIFEST).is_file() else {}
        return _recipe(self, earlier).dataset.name

    @property
    def splits(self) -> dict[str, int]:
        """The rows of each split."""
        counts = np.bincount(self.numbers, minlength=len(self.names)).tolist()
        return dict(zip(self.names, counts, strict=True))


def rewrite(wanted: Rewriting, folder: Path) -> None:
    """Write the whole dataset into a folder that is there already."""
    written: list[WrittenFile] = []
    for number, name in enumerate(wanted.names):
        (folder / name).mkdir(exist_ok=True)
        mine = _write_split(wanted, number, folder)
        write_split_metadata(folder, name, mine)
        _keep_features(wanted, folder / name)
        written += mine
    write_splits_file(folder, wanted.names)
    earlier = read_manifest(wanted.source) if (wanted.source / MANIFEST).is_file() else {}
    recipe, ledger = _recipe(wanted, earlier), _ledger(wanted, earlier)
    write_json(folder / MANIFEST, _manifest(earlier, recipe, ledger, written))
    write_json(folder / REPORT, _report(wanted, recipe, ledger))
    card = dataset_card(recipe, ledger, written, generated_in(data_files(folder)))
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    if (wanted.source / QUARANTINE).is_file():
        shutil.copyfile(wanted.source / QUARANTINE, folder / QUARANTINE)
    else:
        (folder / QUARANTINE).touch()


def _pieces(wanted: Rewriting, number: int) -> Iterator[pa.RecordBatch]:
    """The rows of a split, a few at a time, so that no large batch is held twice."""
    schema = _schema(wanted)
    start = 0
    for file in wanted.files:
        for batch in file.batches():
            for at in range(0, batch.num_rows, ROWS_AT_ONCE):
                piece = batch.slice(at, ROWS_AT_ONCE)
                mine = wanted.numbers[start + at : start + at + piece.num_rows] == number
                if mine.any():
                    kept = piece.filter(pa.array(mine))
                    yield kept if kept.schema.equals(schema, check_metadata=True) else kept.cast(schema)
            start += batch.num_rows


def _schema(wanted: Rewriting) -> pa.Schema:
    """The schema of the first file, whose columns may be more than the contract's, with the contract's version."""
    found = wanted.files[0].schema() if wanted.files else stored_schema()
    return found.with_metadata({**(found.metadata or {}), b"vlmdata.contract": CONTRACT.encode()})


def _write_split(wanted: Rewriting, number: int, folder: Path) -> list[WrittenFile]:
    """A split's files. They are named once it is known how many there are."""
    name, schema = wanted.names[number], _schema(wanted)
    parts: list[tuple[Path, int, int, str]] = []
    pieces = _pieces(wanted, number)
    piece = next(pieces, None)
    while piece is not None or not parts:
        path = folder / name / f"part-{len(parts)}"
        rows = 0
        with path.open("wb", buffering=0) as file:
            hashed = Hashed(file)
            sink = pa.BufferedOutputStream(pa.PythonFile(hashed, "w"), 1 << 16)
            with sink, pa.ipc.new_stream(sink, schema) as writer:
                while piece is not None and hashed.size < LARGEST_SHARD and rows < SHARD_ROWS:
                    writer.write_batch(piece)
                    rows += piece.num_rows
                    piece = next(pieces, None)
        parts.append((path, rows, hashed.size, hashed.digest.hexdigest()))
    found = []
    for place, (path, rows, size, digest) in enumerate(parts):
        file_name = f"data-{place:05d}-of-{len(parts):05d}.arrow"
        path.rename(path.with_name(file_name))
        found.append(WrittenFile(name=f"{name}/{file_name}", rows=rows, bytes=size, xxh3=digest))
    return found


def _keep_features(wanted: Rewriting, folder: Path) -> None:
    """Declare the columns as the source does, where it has more of them than the contract."""
    if not wanted.files or set(wanted.files[0].schema().names) == set(stored_schema().names):
        return
    said = json.loads((wanted.files[0].path.parent / INFO).read_text(encoding="utf-8"))
    mine = json.loads((folder / INFO).read_text(encoding="utf-8"))
    write_json(folder / INFO, {**mine, "features": said["features"]})


def _recipe(wanted: Rewriting, earlier: Mapping[str, Any]) -> Recipe:
    """The recipe of the dataset, with the splits that were asked for now. Its checks, which may be code from outside,
    were run when it was built."""
    data = {key: value for key, value in (earlier.get("recipe") or {}).items() if key != "check"}
    if not data:
        data = {"dataset": {"name": wanted.source.resolve().name}}
        data["source"] = {"type": "conversations", "path": wanted.source.resolve().name}
    return recipe_from({**data, "split": dict(wanted.asked)}, wanted.source)


def _ledger(wanted: Rewriting, earlier: Mapping[str, Any]) -> Ledger:
    """The counts of the build, as far as they are known, with the new splits and groups."""
    said, rows = earlier.get("ledger"), len(wanted.numbers)
    unique, references, size = wanted.images
    ledger = Ledger(
        rows_read=rows, rows_used=rows, conversations_made=rows, conversations_accepted=rows, lines_read=rows
    )
    ledger.lines_of_rows = rows
    if said is not None and said["conversations"]["accepted"] == rows:
        ledger = ledger_from(said)
    ledger.images_unique, ledger.images_references, ledger.images_bytes = unique, references, size
    ledger.splits = wanted.splits
    ledger.groups, _, ledger.largest_group = wanted.whole
    for rule in [rule for rule in ledger.warned_by_rule if rule.startswith("split.")]:
        del ledger.warned_by_rule[rule]
    ledger.warned_by_rule.update(problem.rule for problem in wanted.problems)
    ledger.check()
    return ledger


def ledger_from(said: Mapping[str, Any]) -> Ledger:
    """A ledger from plain data, as a manifest holds it."""
    rows, made, lines, images = said["rows"], said["conversations"], said["lines"], said["images"]
    ledger = Ledger(
        rows_read=rows["read"],
        rows_used=rows["used"],
        rows_rejected=rows["rejected"],
        conversations_made=made["made"],
        conversations_accepted=made["accepted"],
        conversations_rejected=made["rejected"],
        conversations_deduplicated=made["deduplicated"],
        lines_read=lines["read"],
        lines_of_rows=lines["rows"],
        lines_of_header=lines["header"],
        images_unique=images["unique"],
        images_references=images["references"],
        images_bytes=images["bytes"],
    )
    ledger.skipped.update(rows["skipped"])
    for name in ("rejected_by_rule", "warned_by_rule", "changed"):
        getattr(ledger, name).update(said.get(name, {}))
    return ledger


def _manifest(
    earlier: Mapping[str, Any], recipe: Recipe, ledger: Ledger, files: Sequence[WrittenFile]
) -> dict[str, Any]:
    """The manifest of the dataset with other splits and files; what it was built from stays as it was."""
    named = [asdict(file) for file in files]
    digest = hashlib.sha256(json.dumps([CONTRACT, named], sort_keys=True).encode()).hexdigest()
    checked = {key: value for key, value in (earlier.get("recipe") or {}).items() if key == "check"}
    origins = {key: earlier[key] for key in ORIGINS if key in earlier}
    return {
        "contract": CONTRACT,
        "vlmdata": __version__,
        "fingerprint": digest,
        "dataset": asdict(recipe.dataset),
        "sources": earlier.get("sources", []),
        "columns": earlier.get("columns", []),
        "splits": ledger.splits,
        "files": named,
        "ledger": ledger.as_dict(),
        "recipe": {"contract": CONTRACT, **recipe.settings.data, **checked},
        **origins,
    }


def _report(wanted: Rewriting, recipe: Recipe, ledger: Ledger) -> dict[str, Any]:
    """The report of the build, where there is one, with the new splits, and what was found on the way."""
    findings = Findings()
    findings.add(wanted.problems)
    findings.likeness = dict(wanted.likeness)
    made = build_report(recipe, ledger, findings, refused="")
    try:
        earlier = json.loads((wanted.source / REPORT).read_text(encoding="utf-8"))
        before = [problem for problem in earlier["problems"] if not str(problem["rule"]).startswith("split.")]
        kept = {"source": earlier["source"], "changes": earlier["changes"]}
        kept |= {"left_out": earlier["left_out"]} if "left_out" in earlier else {}
    except (OSError, ValueError, KeyError, TypeError):
        return made
    problems = [*before, *(problem_dict(problem) for problem in findings.samples())]
    return {**made, **kept, "problems": sorted(problems, key=lambda problem: problem["rule"])}
