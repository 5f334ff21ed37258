"""What a person reads on the terminal: a result in, something that rich prints out. Data is never read as markup."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vlmtrain.findings import findings, warnings
from vlmtrain.judge.words import judge_lines, judge_warnings
from vlmtrain.score_words import around, chance_words, change_words, difference, field_of, figure, plural
from vlmtrain.trained_rows import trained_words
from vlmtrain.verdict import (
    Finding,
    Tone,
    changed_places,
    headline,
    helped,
    holding,
    main_comparison,
    sure_scores,
    verdict_words,
    where,
)

if TYPE_CHECKING:
    from vlmtrain.comparing import Comparison
    from vlmtrain.evaluation import EvalResult
    from vlmtrain.merging import Agreement, MergeResult

MOST_SHOWN = 5
MOST_SCORES, MOST_CANDIDATES = 14, 10
COLOURS: dict[Tone, str] = {"good": "bold green", "bad": "bold red", "mixed": "bold yellow", "none": "bold"}


def as_text(renderable: RenderableType, width: int = 110) -> str:
    """What a terminal of that width without colours shows."""
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def eval_report(result: EvalResult) -> Group:
    """What was found, in three sentences; the scores side by side; what changed; what to know before believing it."""
    comparison = main_comparison(result)
    parts: list[RenderableType] = [Text(_asked(result)), _findings(findings(result)), Text(""), _scores(result)]
    if comparison is not None:
        parts += [Text(line) for line in (*_changed(result, comparison), *_slices(result, comparison))]
    for each in result.judgements:
        parts += [Text(line) for line in judge_lines(each)]
        parts += [Text(line, style="yellow") for line in judge_warnings(each)]
    parts += [Text(line, style="yellow") for line in warnings(result)]
    if result.path is not None:
        parts.append(Text(f"-> {result.path.as_posix()}", style="bold"))
    return Group(*parts)


def comparison_report(result: EvalResult, comparison: Comparison) -> Group:
    """Two candidates that answered the same rows: which one is better, where, and the rows that changed sides."""
    told = (helped(result, comparison), where(result, comparison))
    rows = plural(len(result.candidates[comparison.after].answered), "row")
    parts: list[RenderableType] = [
        Text(f"{comparison.before} and {comparison.after} on the same {rows}"),
        _findings(told),
        Text(""),
        _scores(result, comparison),
    ]
    parts += [Text(line) for line in (*_changed(result, comparison), *_slices(result, comparison))]
    named = [("fixed", comparison.fixed), ("broken", comparison.broken)]
    parts.append(lines_of((word, _cut(ids)) for word, ids in named if ids))
    return Group(*parts, *(Text(line, style="yellow") for line in warnings(result)))


def _asked(result: EvalResult) -> str:
    setup, settings = result.setup.get("dataset", {}), result.setup.get("settings", {})
    generate = settings.get("generate", {})
    temperature = generate.get("temperature", 0)
    how = "greedy" if not temperature else f"temperature {temperature}"
    limit = generate.get("max_new_tokens")
    most = f", at most {limit} new tokens" if limit else ""
    return f"split {setup.get('split', '?')}: {plural(len(result.rows), 'row')}, {how}{most}"


def _findings(found: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for each in found:
        said = Text.assemble((f"{each.answer}. ", COLOURS[each.tone]), each.said)
        table.add_row(Text(each.question), said)
    return table


def _scores(result: EvalResult, comparison: Comparison | None = None) -> RenderableType:
    """The scores of the first and the main candidate, the main score first; of more candidates each by that score."""
    comparison = comparison or main_comparison(result)
    names = [comparison.before, comparison.after] if comparison else list(result.candidates)[:1]
    table = _table(
        "score", *names, "reference", f"{comparison.after} less {comparison.before}" if comparison else "", ""
    )
    scores = _score_names(result)
    sure = sure_scores(result, comparison) if comparison else set()
    for score in scores[:MOST_SCORES]:
        shown = [Text(figure(score, result.candidates[name].metrics.get(score))) for name in names]
        reference = Text(figure(score, result.reference.get(score)), style="dim")
        table.add_row(Text(score), *shown, reference, *_change(score, comparison, sure=score in sure))
    if len(scores) > MOST_SCORES:
        table.add_row(Text(f"… {len(scores) - MOST_SCORES:,} more in results.json", style="dim"))
    return Group(table, Text(""), _each(result)) if len(result.comparisons) > 1 else table


def _each(result: EvalResult) -> Table:
    """Every candidate by the main score, and what changed from the first one."""
    score = headline(result) or ""
    table = _table(score, "", f"less {next(iter(result.candidates))}", "")
    compared = {each.after: each for each in result.comparisons}
    sure = holding({name: each.changes[score] for name, each in compared.items() if score in each.changes})
    for name in list(result.candidates)[:MOST_CANDIDATES]:
        value = Text(figure(score, result.candidates[name].metrics.get(score)))
        table.add_row(Text(name), value, *_change(score, compared.get(name), sure=name in sure))
    if len(result.candidates) > MOST_CANDIDATES:
        table.add_row(Text(f"… {len(result.candidates) - MOST_CANDIDATES:,} more in results.json", style="dim"))
    return table


def _table(first: str, *others: str) -> Table:
    """A table without lines; all but the first column and the last two are figures."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, words in enumerate((first, *others)):
        figures = 0 < place < len(others) - 1
        table.add_column(Text(words), justify="right" if figures else "left", no_wrap=True)
    return table


def _score_names(result: EvalResult) -> list[str]:
    names = dict.fromkeys(name for each in result.candidates.values() for name in each.metrics)
    main = headline(result)
    return sorted(names, key=lambda name: name != main)


def _change(score: str, comparison: Comparison | None, *, sure: bool) -> tuple[Text, ...]:
    change = comparison.changes.get(score) if comparison else None
    if change is None:
        return ()
    reach = around(score, change.interval, signed=True)
    told = f"{difference(score, change.delta)}{f' ({reach})' if reach else ''}"
    colour = {"better": "green", "worse": "red"}.get(change.verdict if sure else "", "dim")
    return Text(told), Text(verdict_words(change, sure=sure), style=colour)


def _changed(result: EvalResult, comparison: Comparison) -> Iterator[str]:
    total = plural(len(result.candidates[comparison.after].answered), "answer")
    said = f"{len(comparison.changed):,} of {total} changed"
    change = comparison.changes.get(comparison.correct or "")
    if comparison.correct is None or change is None:
        yield f"{said}."
        return
    tested = f" ({change.test}, {chance_words(change.p)})" if change.p is not None else ""
    yield (
        f"{said}. By {comparison.correct}: {plural(len(comparison.fixed), 'row')} fixed, "
        f"{len(comparison.broken):,} broken{tested}."
    )


def _slices(result: EvalResult, comparison: Comparison) -> Iterator[str]:
    """The slices where something is shown, the largest change first."""
    places = {place.name: place for place in changed_places(result, comparison)}
    shown = holding({name: place.change for name, place in places.items()})
    found = [places[name] for name in shown if not field_of(places[name].score)]
    found.sort(key=lambda place: -abs(place.change.delta))
    for place in found[:MOST_SHOWN]:
        yield f"slice {place.name}: {place.change.verdict}, {change_words(place.score, place.change)}"
    if len(found) > MOST_SHOWN:
        yield f"… {plural(len(found) - MOST_SHOWN, 'more slice')} with a change shown"


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
    of = trained_words(found.trained_on, found.rows)
    yield "same answers", f"{found.equal:,} of {of}: the adapter, and the merged folder loaded"
    if found.differing:
        yield "different", _cut(found.differing)
    if found.logit_tokens:
        yield (
            "logits",
            f"differ by {found.largest_logit_difference:.3f} at most (standard deviation {found.logit_deviation:.2f}), "
            f"over {found.logit_tokens:,} answer tokens",
        )
        yield "likeliest token", f"the same for {_percent(found.same_likeliest)} of these tokens"


def _cut(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(each) for each in ids[:MOST_SHOWN])
    return shown if len(ids) <= MOST_SHOWN else f"{shown} … {len(ids) - MOST_SHOWN:,} more"


def _percent(share: float) -> str:
    """A share that is not whole is never called 100%: it is cut after its first decimal."""
    return "100%" if share == 1 else f"{math.floor(share * 1_000) / 10:.1f}%"


def lines_of(pairs: Iterable[tuple[str, str]]) -> Group:
    """Facts one below the other, each after its name."""
    return Group(*(Text(f"{name:<15} {value}") for name, value in pairs))
