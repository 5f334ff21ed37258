"""A build's report: report.json as plain data, and the same for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vlmdata.contract import CONTRACT
from vlmdata.ledger import Ledger
from vlmdata.recipe import Recipe
from vlmdata.record import Change, Problem, problem_dict
from vlmdata.words import plural

SAMPLES = 5
MOST_KINDS = 100
LEFT_OUT = "import.left_out"
MOST_KEYS, SHOWN_KEYS = 1_000, 12
"""Keys that a dataset has no place for: as many are counted one by one, and as many are shown to a person."""


@dataclass(slots=True)
class Findings:
    """The first problems of each rule, to show; all of them are in rejected.jsonl. `also` is told of every one, and
    whether a row was rejected for it.

    `likeness` is the report's word on near-duplicate images; `left_out` counts the keys that found no place.
    """

    by_rule: dict[str, list[Problem]] = field(default_factory=dict)
    changes: dict[str, list[Change]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    likeness: dict[str, Any] = field(
        default_factory=lambda: {"looked": False, "pairs": 0, "images": 0, "held": 0, "samples": []}
    )
    also: Callable[[Problem, bool], None] | None = None

    def add(self, problems: Iterable[Problem], *, rejecting: bool = False) -> None:
        """Keep a problem as a sample, unless its rule has enough of them."""
        for problem in problems:
            if self.also is not None:
                self.also(problem, rejecting)
            kept = self.by_rule.setdefault(problem.rule, [])
            if len(kept) < SAMPLES:
                kept.append(problem)

    def add_change(self, change: Change) -> None:
        """Keep a change as a sample, unless its rule has enough of them in this field; count a key that is left out."""
        if change.rule == LEFT_OUT and (change.field in self.left_out or len(self.left_out) < MOST_KEYS):
            self.left_out[change.field] += 1
        kept = self.changes.setdefault(f"{change.rule} {change.field}", [])
        if len(kept) < SAMPLES and len(self.changes) <= MOST_KINDS and (change.before or change.after):
            kept.append(change)

    def changed_samples(self) -> list[dict[str, str]]:
        """The samples of every kind of change, as plain data."""
        return [asdict(change) for rule in sorted(self.changes) for change in self.changes[rule]]

    def samples(self) -> list[Problem]:
        """The samples of every rule, rules in order of name."""
        return [problem for rule in sorted(self.by_rule) for problem in self.by_rule[rule]]


def build_report(recipe: Recipe, ledger: Ledger, findings: Findings, *, refused: str) -> dict[str, Any]:
    """report.json: the ledger, and samples of what was found. Nothing in it depends on time or machine."""
    return {
        "contract": CONTRACT,
        "dataset": recipe.dataset.name,
        "source": source_name(recipe),
        "published": not refused,
        "refused": refused or None,
        "ledger": ledger.as_dict(),
        "problems": [problem_dict(problem) for problem in findings.samples()],
        "changes": findings.changed_samples(),
        "likeness": findings.likeness,
        **({"left_out": dict(sorted(findings.left_out.items()))} if findings.left_out else {}),
    }


def source_name(recipe: Recipe) -> str:
    """What the source is called: its file or folder, or its name on the Hub."""
    if recipe.source.type == "hub":
        return str(recipe.source.options.get("dataset", ""))
    return recipe.source.path.resolve().name


def terminal_text(report: Mapping[str, Any], out: str, *, problems: Sequence[Problem] = ()) -> str:
    """A build's report as lines for a terminal."""
    ledger, source = report["ledger"], report["source"]
    rows, conversations, images = ledger["rows"], ledger["conversations"], ledger["images"]
    skipped = sum(rows["skipped"].values())
    reasons = "  ".join(f"{count:,} ({reason})" for reason, count in rows["skipped"].items())
    label = max(len(source), 15)
    lines = [
        f"{source:<{label}} {plural(rows['read'], 'row')} read",
        f"{'  used':<{label}} {rows['used']:,}    skipped {skipped:,}{f': {reasons}' if skipped else ''}    "
        f"rejected {rows['rejected']:,}",
        f"{'conversations':<{label}} {conversations['made']:,} made = {conversations['accepted']:,} accepted"
        f" + {conversations['deduplicated']:,} deduplicated + {conversations['rejected']:,} rejected",
        f"{'lines':<{label}} {ledger['lines']['read']:,} read = {ledger['lines']['rows']:,} of rows"
        f" + {ledger['lines']['header']:,} of the header",
    ]
    if report["published"]:
        splits = "  ".join(f"{name} {count:,}" for name, count in ledger["splits"].items())
        groups = ledger["groups"]
        lines += [
            f"{'images':<{label}} {images['unique']:,} unique, {images['references']:,} references, "
            f"{size_words(images['bytes'])}, {changed_words(ledger['changed'])}",
            f"{'splits':<{label}} {splits}    groups {groups['count']:,}, largest {groups['largest']:,}",
        ]
        if report["likeness"]["pairs"]:
            lines.append(_likeness_line(report["likeness"], label))
    lines += _rule_lines("rejected", ledger["rejected_by_rule"], label)
    lines += _rule_lines("warnings", ledger["warned_by_rule"], label)
    lines += _rule_lines("changed", ledger["changed"], label)
    if keys := left_out_keys(report):
        lines.append(f"{'  left out':<{label}} {keys}; a recipe keeps a row's own keys under fields or tags")
    lines += [f"  {problem}" for problem in problems]
    if report["published"]:
        lines.append(f'-> {out}    open it with datasets.load_from_disk("{out}"); look at {out}/report.html')
    return "\n".join(lines)


def _likeness_line(likeness: Mapping[str, Any], label: int) -> str:
    first = likeness["samples"][0]
    example = f"{first['a']['image']!r} ~ {first['b']['image']!r}"
    pairs = "1 pair" if likeness["pairs"] == 1 else f"{likeness['pairs']:,} pairs"
    counted = f"{likeness['images']:,} images in {pairs}"
    return f"{'near-duplicates':<{label}} {counted}, such as {example}"


OF_BYTES = (
    "images.resized",
    "images.converted",
    "images.location_stripped",
    "images.metadata_stripped",
)
"""Changes of an image's bytes, of which an image may have several."""


def changed_words(changed: Mapping[str, int]) -> str:
    """What became of the images' bytes: as they were, but for what the recipe asked for."""
    done = [f"{changed[rule]:,} {rule.partition('.')[2].replace('_', ' ')}" for rule in OF_BYTES if changed.get(rule)]
    if not done:
        return "their bytes as they were"
    return f"their bytes as they were but for {', '.join(done)}"


def left_out_keys(report: Mapping[str, Any]) -> str:
    """The keys of others' conversations that a dataset has no place for, each with how often, the most frequent first:
    `'model' 62, 'meta' 3 … 2 more keys`."""
    counts: Mapping[str, int] = report.get("left_out", {})
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{key!r} {count:,}" for key, count in ordered[:SHOWN_KEYS])
    rest = len(ordered) - SHOWN_KEYS
    return f"{shown} … {rest:,} more key{'s' if rest > 1 else ''}" if rest > 0 else shown


def _rule_lines(title: str, counts: dict[str, int], label: int) -> list[str]:
    if not counts:
        return []
    return [f"{title:<{label}} " + "   ".join(f"{rule} {count:,}" for rule, count in counts.items())]


def size_words(size: int) -> str:
    """A number of bytes as a person says it."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
