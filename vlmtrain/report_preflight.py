"""A preflight on the terminal: what a person needs to know before a training, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vlmtrain.report import lines_of

if TYPE_CHECKING:
    from vlmdata.record import Problem
    from vlmtrain.memory import MemoryEstimate
    from vlmtrain.preflight_result import Preflight, Spread
    from vlmtrain.survey import LeftOut, Shrunk

MOST_SHOWN = 20


def preflight_report(result: Preflight) -> Group:
    """All of it: tokens, budget, steps, memory, what was measured, and the verdict with its problems."""
    parts: list[RenderableType] = [Text(f"{result.base} ({result.family}) on {result.data}"), _tokens(result)]
    parts += [lines_of(_facts(result))]
    if result.memory is not None:
        parts += [Text(f"GPU memory, an estimate {result.memory_note}".rstrip()), _memory(result.memory)]
        parts += [lines_of([("cards", _cards(result.memory))])]
    elif result.memory_note:
        parts.append(lines_of([("GPU memory", f"not estimated: {result.memory_note}")]))
    parts += [Text(line) for line in _problems(result.problems)]
    parts.append(_verdict(result))
    return Group(*parts)


def _tokens(result: Preflight) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("tokens a row")
    for title in ("rows", "half", "90%", "99%", "longest", "all"):
        table.add_column(title, justify="right")
    for name, split in result.splits.items():
        rows = f"{split.rows:,}"
        for what, spread in (
            ("", split.tokens),
            (" image", split.image_tokens),
            (" text", split.text_tokens),
            (" learned", split.learned_tokens),
        ):
            table.add_row(Text(f"{name}{what}"), rows if not what else "", *_numbers(spread))
    return table


def _numbers(spread: Spread) -> list[str]:
    return [f"{value:,}" for value in (spread.p50, spread.p90, spread.p99, spread.longest, spread.total)]


def _facts(result: Preflight) -> Iterator[tuple[str, str]]:
    bound = "no bound" if result.max_length is None else f"{result.max_length:,}"
    context = "" if result.context is None else f"; the model was made for {result.context:,} positions"
    yield "max_length", f"{bound}; {result.smallest_max_length:,} is the smallest that loses nothing{context}"
    pixels = "the model's own" if result.max_pixels is None else f"{result.max_pixels:,}"
    found = result.largest_max_pixels
    yield "max_pixels", f"{pixels}; " + (found.why if found.largest is None else f"{found.largest:,} is {found.why}")
    whose = "the model's own" if result.max_pixels is None else "the"
    for name, split in result.splits.items():
        if split.scaled.smaller:
            yield f"{name} images", f"made smaller by {whose} budget in {split.scaled.smaller:,} of {split.rows:,} rows"
        if split.scaled.larger:
            yield f"{name} images", f"enlarged in {split.scaled.larger:,} of {split.rows:,} rows"
        yield from row_lines(name, split.left_out, split.shrunk)
    if result.steps is not None:
        steps = result.steps
        yield (
            "steps",
            (
                f"{steps.steps:,} of {steps.rows_a_step:,} rows: {steps.rows:,} rows in {steps.batches:,} batches, "
                f"{steps.epochs:g} epochs, {steps.padding:.0%} padding"
            ),
        )
    if result.held_out_note:
        yield "held out", result.held_out_note
    if result.measured is not None:
        yield from _measured(result)


def row_lines(split: str, left_out: Sequence[LeftOut], shrunk: Sequence[Shrunk]) -> Iterator[tuple[str, str]]:
    """What is done with rows that do not fit, for the split of this name."""
    if left_out:
        yield f"{split} left out", f"{len(left_out):,} rows: {_listed([row.id for row in left_out])}"
    if shrunk:
        most = max(row.tokens_before for row in shrunk)
        ids = _listed([row.id for row in shrunk])
        yield f"{split} shrunk", f"the images of {len(shrunk):,} rows, which had up to {most:,} tokens: {ids}"


def _listed(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(each) for each in ids[:MOST_SHOWN])
    return shown if len(ids) <= MOST_SHOWN else f"{shown} … {len(ids) - MOST_SHOWN:,} more"


def _measured(result: Preflight) -> Iterator[tuple[str, str]]:
    found = result.measured
    assert found is not None
    yield (
        "measured",
        (
            f"{found.steps:,} steps on {found.device}: {found.seconds_a_step:.2f} s a step, "
            f"{found.rows_a_second:.2f} rows/s, {found.tokens_a_second:,.0f} tokens/s"
        ),
    )
    yield "peak memory", f"{found.peak_memory_bytes / 2**30:.2f} GiB, of {found.peak_memory_of}"
    cost = "" if found.cost is None else f", {found.cost:,.2f} {found.currency}"
    yield "the whole run", f"{found.hours:,.2f} hours at this rate{cost}"


def _memory(found: MemoryEstimate) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column("for")
    table.add_column("GiB", justify="right")
    table.add_column("how it is reckoned")
    for line in found.lines:
        table.add_row(line.name, f"{line.bytes / 2**30:.2f}", Text(line.how, style="dim"))
    table.add_row("all", f"{found.bytes / 2**30:.2f}", "")
    return table


def _cards(found: MemoryEstimate) -> str:
    said = [f"{card.gigabytes} GB {'yes' if card.holds else 'no'}" for card in found.cards]
    return ", ".join(said)


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    for problem in problems[:MOST_SHOWN]:
        yield f"{'' if problem.severity == 'error' else 'warning: '}{problem}"
    if len(problems) > MOST_SHOWN:
        yield f"… {len(problems) - MOST_SHOWN:,} more"


def _verdict(result: Preflight) -> Text:
    if result.passed:
        return Text("passed: nothing is cut, every row has something to learn", style="green")
    errors = sum(problem.severity == "error" for problem in result.problems)
    return Text(f"failed: {errors:,} problems; `vlmtrain sft` will not start", style="red")
