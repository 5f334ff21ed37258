"""The page of metrics: its table names all of them rightly, and the examples on it run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.vlmtrain.metric.answers import answered, overall
from vlmtrain.metric import METRICS, find

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
BETTER = {True: "higher", False: "lower", None: "neither"}


def table() -> dict[str, list[str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_the_table_holds_every_metric_with_its_direction() -> None:
    assert {name: row[3] for name, row in table().items()} == {
        name: BETTER[metric.higher_is_better] for name, metric in zip(METRICS, find(list(METRICS)), strict=True)
    }
    assert all(len(row) == 5 and all(row) for row in table().values())


@pytest.mark.parametrize("name", [name for name in METRICS if name not in {"answer_loss", "perplexity"}])
def test_scores_that_the_page_names_are_there(name: str) -> None:
    rows = [
        answered("B", "B", fields={"option.A": "red", "option.B": "blue", "answer": "B"}, tags={"task": "one"}),
        answered('{"PATH": 3}', '{"PATH": 3}', fields={"FIELD": "mug"}),
        answered("3", "3", fields={"brand": "Tavi"}),
        answered("blue mug", "blue mug"),
    ]
    named = {f"{name}{word}" for word in re.findall(r"`(\.[\w.]+)`", table()[name][0])}
    assert named <= set(overall(name, rows))


@pytest.fixture
def ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules on the page, as files that can be imported."""
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        name = code.split()[1]
        (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("ones_own")
def test_ones_own_mean_runs_as_the_page_has_it() -> None:
    rows = [answered("As an AI, I can't"), answered("A mug")]
    assert overall(find(["shop_metrics:Disclaimers"])[0], rows) == {"disclaimers": 0.5}


@pytest.mark.usefixtures("ones_own")
def test_ones_own_sums_run_as_the_page_has_it() -> None:
    """Three capitals of four letters, none of two, and a row without letters: 3/6, where the rows' mean is 3/8."""
    rows = [answered("A, Bc D"), answered("ab"), answered("3")]
    assert overall(find(["shop_ratio:Shouting"])[0], rows) == {"shouting": pytest.approx(3 / 6)}
