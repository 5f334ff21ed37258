"""A run of descriptions, or the estimate of one, in words and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from vlmdata.describe_estimate import Estimate
from vlmdata.describe_settings import Prices
from vlmdata.describing import DescribeResult
from vlmdata.words import plural

LABEL = 16
STOPPED = {
    "cost": "the cap is reached",
    "fault": "the provider refuses",
    "outage": "nothing is answered any more",
    "patience": "the provider has no room",
    "journal": "the journal can't be written",
    "interrupted": "interrupted",
}


def run_data(result: DescribeResult) -> dict[str, Any]:
    """A run as JSON holds it; money as text, exact."""
    tally = result.tally
    return {
        "rows": tally.rows,
        "in_journal": tally.known,
        "asked": tally.asked,
        "described": tally.described,
        "rejected": tally.rejected_rows,
        "rejected_by_rule": dict(sorted(tally.rejected.items())),
        "unusable_images": tally.unusable,
        "left": tally.left,
        "repaired": tally.repaired,
        "requests": result.requests,
        "faults": dict(result.faults),
        "input_tokens": tally.input_tokens,
        "output_tokens": tally.output_tokens,
        "cost": _money_data(result),
        "journal": result.journal.name,
        "damaged_lines": result.damaged,
        "stopped": result.stopped,
        "message": result.message,
    }


def _money_data(result: DescribeResult) -> dict[str, Any] | None:
    if result.prices is None:
        return None
    tally = result.tally
    return {
        "currency": result.prices.currency,
        "prices_as_of": result.prices.as_of,
        "spent": str(tally.spent),
        "lost_at_most": str(result.lost),
        "saved": str(tally.saved),
        "journal_in_all": str(result.spent),
        "cap": str(result.cap) if result.cap is not None else None,
    }


def run_text(result: DescribeResult, recipe: str) -> str:
    """A run as lines for a terminal."""
    tally = result.tally
    lines = [
        _line("without a text", f"{plural(tally.rows, 'row')} looked at"),
        _line("", f"{tally.known:,} in the journal    {tally.asked:,} asked    {tally.left:,} left"),
        _line("described", f"{tally.described:,}    rejected {tally.rejected_rows:,}{_rules(result)}"),
    ]
    if tally.unusable:
        lines.append(_line("not asked", f"{tally.unusable:,} whose images are no good; a build names them"))
    if result.by_hand:
        lines.append(
            _line(
                "answers", f"{tally.asked - tally.rejected['describe.empty']:,} taken from the file, nothing was sent"
            )
        )
    else:
        lines.append(_line("requests", f"{result.requests:,} sent{_faults(result)}"))
    if tally.repaired:
        lines.append(_line("repaired", f"{tally.repaired:,} asked once more, since the first answer had not the form"))
    lines += [] if result.by_hand else _cost_lines(result)
    if result.notice:
        lines.append(_line("file" if result.by_hand else "provider", result.notice))
    if result.damaged:
        lines.append(_line("journal", f"{result.damaged:,} damaged lines; their rows count as not asked"))
    if result.stopped is not None:
        lines.append(_line("stopped", f"{STOPPED[result.stopped]}: {result.message}"))
        lines.append(f"-> {result.journal.name} keeps every answer; the same command goes on from there")
    else:
        lines.append(f"-> {result.journal.name}    build the dataset: vlmdata build {recipe}")
    return "\n".join(lines)


def short_text(result: DescribeResult) -> str:
    """A run in one line, for a build that goes on."""
    tally = result.tally
    if result.by_hand:
        said = f"looked for {tally.asked:,} descriptions in the file of answers"
        return said + (f"; {result.notice}" if result.notice else "")
    said = f"asked for {tally.asked:,} descriptions with {result.requests:,} requests"
    if result.prices is not None:
        said += f" for {money(tally.spent + result.lost, result.prices)}"
    said += f"; {STOPPED[result.stopped]}: {result.message}" if result.stopped is not None else ""
    return said + (f"; {result.notice}" if result.notice else "")


def _line(label: str, words: str) -> str:
    return f"{label:<{LABEL}} {words}"


def _rules(result: DescribeResult) -> str:
    found = sorted(result.tally.rejected.items())
    return f": {'  '.join(f'{rule} {count:,}' for rule, count in found)}" if found else ""


def _faults(result: DescribeResult) -> str:
    said = "  ".join(f"{kind} {count:,}" for kind, count in result.faults.items())
    return f"; faults: {said}" if said else ""


def _cost_lines(result: DescribeResult) -> Iterator[str]:
    tally = result.tally
    yield _line("tokens", f"{tally.input_tokens:,} in    {tally.output_tokens:,} out")
    if result.prices is None:
        return
    said = f"{money(tally.spent, result.prices)} by the prices of {result.prices.as_of}"
    if tally.saved:
        said += f"    saved by the journal {money(tally.saved, result.prices)}"
    yield _line("spent", said)
    if result.lost:
        yield _line("", f"and at most {money(result.lost, result.prices)} for answers that never came")
    in_all = f"{money(result.spent, result.prices)} in all"
    yield _line("journal", in_all + (f" of at most {money(result.cap, result.prices)}" if result.cap else ""))


def money(amount: Decimal, prices: Prices) -> str:
    """An amount as a person reads it."""
    return f"{amount:,.4f} {prices.currency}"


def estimate_data(found: Estimate) -> dict[str, Any]:
    """An estimate as JSON holds it."""
    data: dict[str, Any] = {
        "rows": found.rows,
        "in_journal": found.known,
        "to_ask": found.to_ask,
        "asked_as_another": found.alike,
        "unusable_images": found.unusable,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cost": None,
    }
    if found.prices is not None:
        data["cost"] = {
            "currency": found.prices.currency,
            "prices_as_of": found.prices.as_of,
            "about": str(found.cost),
            "at_most": str(found.at_most),
            "journal_in_all": str(found.spent),
        }
    return data


def estimate_text(found: Estimate) -> str:
    """An estimate as lines for a terminal, with the formula that it is made by."""
    alike = f", {found.alike:,} asked as another row is" if found.alike else ""
    if found.by_hand:
        said = f"{found.known:,} in the journal, {found.to_ask:,} to be looked for in the file of answers{alike}"
        return _line("without a text", f"{plural(found.rows, 'row')}: {said}; nothing is sent, and nothing costs")
    if found.from_answers:
        output = f"about {found.output_tokens:,} out, as {found.from_answers:,} answers of the journal have"
    else:
        output = f"at most {found.output_tokens:,} out, by max_output_tokens"
    lines = [
        _line(
            "without a text",
            f"{plural(found.rows, 'row')}: {found.known:,} in the journal, {found.to_ask:,} to be asked{alike}",
        ),
        _line("tokens", f"about {found.input_tokens:,} in    {output}"),
    ]
    if found.unusable:
        lines.append(_line("not asked", f"{found.unusable:,} whose images are no good; a build names them"))
    if found.prices is not None:
        said = f"about {money(found.cost, found.prices)}, at most {money(found.at_most, found.prices)} without repeats"
        lines.append(_line("cost", f"{said}, by the prices of {found.prices.as_of}"))
    else:
        lines.append(_line("cost", "unknown: the recipe has no describe.prices"))
    lines.append(
        "estimated: 4 characters of text a token; an image is 258 tokens, a larger one 258 for each tile of two"
    )
    lines.append("thirds of its shorter side (Google's formula); nothing was sent")
    return "\n".join(lines)
