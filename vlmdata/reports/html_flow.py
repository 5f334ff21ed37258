"""A build's ledger as a flow: rows read, used, skipped and rejected; conversations; splits. And the same as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmdata.page import shortened, table, text
from vlmdata.page.charts import share_bar
from vlmdata.words import plural

COLUMNS = (0, 210, 425, 640, 845)
"""Where the bars stand in a drawing of 1,000 units: read, used, made, accepted, splits."""

WIDTH, BAR, TRUNK, FIRST = 1000, 12, 150, 44
MOST_DROPS, MOST_SPLITS = 7, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A part of the flow: how many, of what kind (which gives its colour), and in words."""

    count: int
    kind: str
    words: str
    more: tuple[str, ...] = ()


def flow(ledger: Mapping[str, Any]) -> str:
    """The flow of a build: a drawing where there is room for it, a table on narrow screens and for who can't see it."""
    return f'<div class="flow">{_drawing(ledger)}{_table(ledger)}</div>'


def split_branches(splits: Mapping[str, int], most: int = MOST_SPLITS) -> list[Branch]:
    """The splits, the last of very many as one."""
    found = [Branch(count=count, kind="split", words=name) for name, count in splits.items()]
    if len(found) > most:
        rest = found[most - 1 :]
        words = f"{len(rest):,} more splits"
        found[most - 1 :] = [Branch(count=sum(one.count for one in rest), kind="split", words=words)]
    return found


def row_drops(ledger: Mapping[str, Any]) -> list[Branch]:
    """Rows that are not used: skipped by reason, rejected with their rules."""
    rows, rules = ledger["rows"], ledger["rejected_by_rule"]
    skipped = sorted(rows["skipped"].items(), key=lambda pair: -pair[1])
    found = [Branch(count=count, kind="skipped", words="skipped", more=(reason,)) for reason, count in skipped]
    if len(found) > MOST_DROPS - 2:
        rest = found[MOST_DROPS - 3 :]
        words = plural(len(rest), "more reason")
        found[MOST_DROPS - 3 :] = [
            Branch(count=sum(one.count for one in rest), kind="skipped", words="skipped", more=(words,))
        ]
    if rows["rejected"]:
        found.append(Branch(count=rows["rejected"], kind="rejected", words="rejected", more=rule_words(rules)))
    return found


def rule_words(rules: Mapping[str, int], most: int = 4) -> tuple[str, ...]:
    """`images.missing 7`, `csv.ragged 3`, `2 more rules`."""
    ordered = sorted(rules.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{rule} {count:,}" for rule, count in ordered[:most]]
    rest = len(ordered) - most
    return (*named, *((plural(rest, "more rule"),) if rest > 0 else ()))


def conversation_drops(ledger: Mapping[str, Any]) -> list[Branch]:
    """Conversations that are not in the dataset."""
    made = ledger["conversations"]
    found = [
        Branch(count=made["deduplicated"], kind="doubled", words="deduplicated", more=("equal to an earlier one",)),
        Branch(count=made["rejected"], kind="rejected", words="rejected"),
    ]
    return [one for one in found if one.count]


def _drawing(ledger: Mapping[str, Any]) -> str:
    rows, made = ledger["rows"], ledger["conversations"]
    read, used = max(rows["read"], 1), rows["used"]
    row_scale = TRUNK / read
    used_high = used * row_scale
    scale = used_high / max(made["made"], 1)
    kept_high = made["accepted"] * scale
    marks = [
        *_bar(0, TRUNK, rows["read"], "rows read"),
        *_bar(1, used_high, used, "rows used"),
        _ribbon(COLUMNS[0], COLUMNS[1], (FIRST, FIRST), used_high, "used"),
        *_bar(2, used_high, made["made"], "conversations made"),
        _ribbon(COLUMNS[1], COLUMNS[2], (FIRST, FIRST), used_high, "used"),
        *_bar(3, kept_high, made["accepted"], "accepted"),
        _ribbon(COLUMNS[2], COLUMNS[3], (FIRST, FIRST), kept_high, "used"),
    ]
    splits, bottom = _splits(split_branches(ledger["splits"]), kept_high)
    lower, row_bottom = _drops(row_drops(ledger), (COLUMNS[0], COLUMNS[1]), (FIRST + used_high, 0), row_scale)
    later, made_bottom = _drops(
        conversation_drops(ledger), (COLUMNS[2], COLUMNS[3]), (FIRST + kept_high, bottom), scale
    )
    marks += [*splits, *lower, *later]
    height = max(FIRST + TRUNK, bottom, row_bottom, made_bottom) + 6
    body = "\n".join(marks)
    return f'<svg class="sankey" viewBox="0 0 {WIDTH} {height:.0f}" aria-hidden="true" focusable="false">{body}</svg>'


def _splits(branches: Sequence[Branch], trunk: float) -> tuple[list[str], float]:
    """The last column, fanned out so that every name has room."""
    total = max(sum(one.count for one in branches), 1)
    marks, start, place = [], float(FIRST), float(FIRST)
    for one in branches:
        high = trunk * one.count / total
        room = max(high, 30.0)
        middle = place + (room - high) / 2
        words = shortened_label(one.words, 15)
        share = f"{one.count:,}  ({_percent(one.count, total)})"
        marks += [
            _ribbon(COLUMNS[3], COLUMNS[4], (start, middle), high, "split"),
            _rect(COLUMNS[4], middle, high, "split"),
            _label(COLUMNS[4] + BAR + 8, place + room / 2 - 3, words, [share]),
        ]
        start += high
        place += room + 6
    head = f'<text class="count" x="{COLUMNS[4]}" y="16">{len(branches):,}</text>'
    word = f'<text class="word" x="{COLUMNS[4]}" y="33">{"split" if len(branches) == 1 else "splits"}</text>'
    return ([head, word, *marks] if branches else []), place


def _drops(
    branches: Sequence[Branch], columns: tuple[int, int], start: tuple[float, float], scale: float
) -> tuple[list[str], float]:
    """What leaves the flow, below it, each with its words beside it. `start` is where it leaves, and the least y."""
    leave, place = start[0], max(start[0] + 26, start[1] + 10)
    marks = []
    for one in branches:
        high = one.count * scale
        room = max(high, 16.0 + 16 * len(one.more))
        words = f"{one.count:,} {one.words}"
        marks += [
            _ribbon(columns[0], columns[1], (leave, place), high, one.kind),
            _rect(columns[1], place, high, one.kind),
            _label(columns[1] + BAR + 8, place + 12, words, [shortened_label(more, 30) for more in one.more]),
        ]
        leave += high
        place += room + 8
    return marks, place


def shortened_label(words: str, most: int) -> str:
    """A text that has room in a drawing."""
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _percent(count: int, total: int) -> str:
    share = 100 * count / max(total, 1)
    return f"{share:.0f}%" if share >= 9.95 or not share else f"{share:.1f}%" if share >= 0.05 else "<0.1%"


def _bar(column: int, high: float, count: int, words: str) -> list[str]:
    x = COLUMNS[column]
    return [
        _rect(x, FIRST, high, "used"),
        f'<text class="count" x="{x}" y="16">{count:,}</text>',
        f'<text class="word" x="{x}" y="33">{text(words)}</text>',
    ]


def _rect(x: float, y: float, high: float, kind: str) -> str:
    return f'<rect class="node {kind}" x="{x}" y="{y:.1f}" width="{BAR}" height="{max(high, 1.5):.1f}" rx="1.5"/>'


def _label(x: float, y: float, words: str, more: Sequence[str]) -> str:
    lines = "".join(
        f'<text class="word" x="{x}" y="{y + 16 * line:.1f}">{text(said)}</text>' for line, said in enumerate(more, 1)
    )
    return f'<text class="name" x="{x}" y="{y:.1f}">{text(words)}</text>{lines}'


def _ribbon(left: float, right: float, ys: tuple[float, float], high: float, kind: str) -> str:
    """A band between two bars, of one thickness."""
    start, end, high = left + BAR, right, max(high, 1.5)
    bend = (start + end) / 2
    one, other = ys
    return (
        f'<path class="ribbon {kind}" d="M{start} {one:.1f}C{bend} {one:.1f} {bend} {other:.1f} {end} {other:.1f}'
        f'V{other + high:.1f}C{bend} {other + high:.1f} {bend} {one + high:.1f} {start} {one + high:.1f}Z"/>'
    )


def _table(ledger: Mapping[str, Any]) -> str:
    rows = [list(row) for row in _lines(ledger)]
    shown = table(["Step", "Share", "Count"], rows, caption="The flow as a table", numbers=1)
    return f'<div class="flow-table">{shown}</div>'


def _lines(ledger: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    rows, made = ledger["rows"], ledger["conversations"]
    yield _line("Rows read", rows["read"], rows["read"], "used", 0)
    yield _line("used", rows["used"], rows["read"], "used", 1)
    for one in row_drops(ledger):
        words = f"{one.words}: {', '.join(one.more)}" if one.more else one.words
        yield _line(words, one.count, rows["read"], one.kind, 1)
    yield _line("Conversations made", made["made"], made["made"], "used", 0)
    yield _line("accepted", made["accepted"], made["made"], "used", 1)
    for one in conversation_drops(ledger):
        yield _line(one.words, one.count, made["made"], one.kind, 1)
    for one in split_branches(ledger["splits"]):
        yield _line(f"in {one.words}", one.count, made["accepted"], "split", 2)


def _line(words: str, count: int, total: int, kind: str, depth: int) -> tuple[str, str, str]:
    return (
        f'<span class="depth{depth}">{text(shortened(words, 90))}</span>',
        share_bar(count / max(total, 1), kind),
        f"{count:,}",
    )
