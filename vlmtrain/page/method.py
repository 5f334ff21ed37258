"""How it was measured: the rows, the models, the settings, the versions; and the files that hold all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vlmdata.page import section, shortened, table, text
from vlmdata.page.gallery import pairs
from vlmtrain.results_file import RESULTS_FILE, predictions_file

if TYPE_CHECKING:
    from vlmtrain.evaluation import EvalResult

MOST_PAIRS = 60
TITLES = {"dataset": "Rows", "model": "Model", "settings": "Settings", "versions": "Versions"}


def method_section(result: EvalResult) -> str:
    """What was set, folded away, the metrics in words, and links to the files beside the page."""
    setup = {**result.setup, "chance": _chance(result)}
    parts = [
        pairs(TITLES.get(name, name), dict(flat(found)), most=MOST_PAIRS)
        for name, found in setup.items()
        if isinstance(found, Mapping)
    ]
    parts += [
        pairs(f"Candidate {each.name}", dict(flat(each.about)), most=MOST_PAIRS) for each in result.candidates.values()
    ]
    parts.append(pairs("Seconds", {name: f"{taken:,.1f}" for name, taken in result.timing.items()}, most=MOST_PAIRS))
    return section("method", "How it was measured", f"{_metrics(result)}{''.join(parts)}{_files(result)}")


def _chance(result: EvalResult) -> dict[str, Any]:
    chance = result.chance
    return {"resamples": f"{chance.resamples:,}", "seed": chance.seed, "confidence": f"{chance.confidence:.0%}"}


def flat(found: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as pairs, their names with dots."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", "none" if value is None else value


def _metrics(result: EvalResult) -> str:
    better = {True: "higher", False: "lower", None: "neither"}
    rows = [
        [
            f"<code>{text(each.name)}</code>",
            text(shortened(each.about, 300)),
            better[each.higher_is_better],
            f"<code>{text(shortened(each.signature, 200))}</code>" if each.signature else "",
        ]
        for each in result.metrics
    ]
    return table(["Metric", "What it measures", "Better", "Signature"], rows, caption="Metrics")


def _files(result: EvalResult) -> str:
    """Links to what lies beside this page."""
    names = [RESULTS_FILE, *(predictions_file(name) for name in result.candidates)]
    names += [predictions_file(f"{control.candidate}.{control.name}") for control in result.controls]
    links = "".join(f'<li><a href="./{quote(name)}" dir="auto">{text(name)}</a></li>' for name in dict.fromkeys(names))
    return f'<h3 class="sub">Files beside this page</h3><ul class="files">{links}</ul>'
