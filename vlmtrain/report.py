"""What a person reads on the terminal: a result in, something that rich prints out. Data is never read as markup."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from vlmtrain.evaluation import Control, EvalResult
    from vlmtrain.merging import Agreement, MergeResult

FALLS = 0.2
"""A share that falls by at least this with images swapped was read off them. Ours: more than a few rows vary."""

MOST_SHOWN = 5


def as_text(renderable: RenderableType, width: int = 110) -> str:
    """What a terminal of that width without colours shows."""
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def eval_report(result: EvalResult) -> Group:
    """The scores of every candidate side by side, what the controls say, and where the answers lie."""
    parts: list[RenderableType] = [Text(_asked(result)), _scores(result)]
    parts += [Text(line) for line in summary(result)]
    if result.path is not None:
        parts.append(Text(f"-> {result.path}", style="bold"))
    return Group(*parts)


def _asked(result: EvalResult) -> str:
    setup, settings = result.setup.get("dataset", {}), result.setup.get("settings", {})
    generate = settings.get("generate", {})
    temperature = generate.get("temperature", 0)
    how = "greedy" if not temperature else f"temperature {temperature}"
    limit = generate.get("max_new_tokens")
    most = f", at most {limit} new tokens" if limit else ""
    return f"split {setup.get('split', '?')}: {len(result.rows):,} rows, {how}{most}"


def _scores(result: EvalResult) -> Table:
    names = list(result.candidates)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("score")
    for name in [*names, "reference"]:
        table.add_column(Text(name), justify="right")
    table.add_column("change" if len(names) > 1 else "")
    for score in _score_names(result):
        values = [result.candidates[name].metrics.get(score) for name in names]
        reference = Text(_number(result.reference.get(score)), style="dim")
        shown = [Text(_number(value)) for value in values]
        table.add_row(Text(score), *shown, reference, _change(result, score, values))
    return table


def _score_names(result: EvalResult) -> list[str]:
    return list(dict.fromkeys(name for each in result.candidates.values() for name in each.metrics))


def _change(result: EvalResult, score: str, values: Sequence[float | None]) -> Text:
    """From the first candidate to the last."""
    first, last = values[0], values[-1]
    if len(values) < 2 or first is None or last is None:
        return Text("")
    change = last - first
    if _number(change) == _number(0.0):
        return Text("same")
    better = (change > 0) == result.higher_is_better(score)
    return Text(f"{_number(change, sign=True)} {'better' if better else 'worse'}", style="green" if better else "red")


def summary(result: EvalResult) -> Iterator[str]:
    """The result in sentences: attributes all right, what the controls show, answers that were cut."""
    yield from _all_right(result)
    for control in result.controls:
        yield control_sentence(control)
    for candidate in result.candidates.values():
        if candidate.cut:
            rows = len(candidate.answered)
            yield f"{candidate.cut:,} of {rows:,} answers of {candidate.name} were cut at max_new_tokens."


def _all_right(result: EvalResult) -> Iterator[str]:
    shares = {name: each.metrics.get("attribute_recall.all") for name, each in result.candidates.items()}
    fields = [name for score in result.reference if (name := field_of(score))]
    if not fields or any(share is None for share in shares.values()):
        return
    told = ", ".join(f"{name} {_percent(share)}" for name, share in shares.items() if share is not None)
    yield f"Answers that name {listed(fields)} all right: {told}."


def control_sentence(control: Control) -> str:
    """What a control shows, in a sentence that ends with what it means."""
    who = f"With the images swapped between rows ({control.rows:,} rows{_left_out(control)})"
    if not control.rows:
        return f"{who} nothing could be asked."
    before, after = _shares(control.untouched), _shares(control.metrics)
    if not before:
        return f"{who} {_texts(control)}."
    fell = [name for name in before if name in after and before[name] - after[name] >= FALLS]
    told = listed([f"{name} falls from {before[name]:.2f} to {after[name]:.2f}" for name in fell])
    if fell:
        return f"{who} {told}: the model reads the images."
    return f"{who} no field falls by {FALLS:.1f} or more: {control.candidate} does not show that it reads the images."


def _texts(control: Control) -> str:
    """Without fields: the scores of the texts, and no verdict, since what they should fall to is not known."""
    both = [name for name in ("rouge_l", "chrf") if name in control.metrics and name in control.untouched]
    return listed(
        [f"{name} goes from {_number(control.untouched[name])} to {_number(control.metrics[name])}" for name in both]
    )


def _left_out(control: Control) -> str:
    return f", {control.left_out:,} left out" if control.left_out else ""


def _shares(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: value for score, value in scores.items() if (name := field_of(score))}


def field_of(score: str) -> str:
    """The field that a score is about (`attribute_recall.colour`), or nothing."""
    metric, _, field = score.partition(".")
    return field if metric == "attribute_recall" and field != "all" else ""


def merge_report(result: MergeResult) -> Group:
    """Where the merged model lies, and how far it agrees with the adapter."""
    facts = [
        ("merged", f"{result.base}, {result.onto}"),
        ("saved as", f"{result.dtype}, {result.parameters:,} parameters, {result.size_bytes / 1e6:,.1f} MB"),
    ]
    if result.agreement is not None:
        facts += list(_agreement_facts(result.agreement))
    return Group(lines_of(facts), Text(f"-> {result.path}", style="bold"))


def _agreement_facts(found: Agreement) -> Iterator[tuple[str, str]]:
    yield "same answers", f"{found.equal:,} of {found.rows:,} held-out rows: the adapter, and the merged folder loaded"
    if found.differing:
        yield "different", _cut(found.differing)
    if found.logit_tokens:
        yield (
            "logits",
            f"differ by {found.largest_logit_difference:.3f} at most (standard deviation {found.logit_deviation:.2f}), "
            f"over {found.logit_tokens:,} answer tokens",
        )
        yield "likeliest token", f"the same for {_percent(found.same_likeliest)} of these tokens"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _cut(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(each) for each in ids[:MOST_SHOWN])
    return shown if len(ids) <= MOST_SHOWN else f"{shown} … {len(ids) - MOST_SHOWN:,} more"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _number(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    digits = 1 if abs(value) >= 10 else 3
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def lines_of(pairs: Iterable[tuple[str, str]]) -> Group:
    """Facts one below the other, each after its name."""
    return Group(*(Text(f"{name:<16}{value}") for name, value in pairs))
