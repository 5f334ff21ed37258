"""What holds for every metric, and how metrics are found: by name, from Python, and from a module outside."""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vlmtrain.metric.answers import SCRIPTS, answered, fitted, overall, score, sums
from vlmdata.errors import ConfigError, PluginError
from vlmtrain.metric import METRICS, Answered, find
from vlmtrain.protocols import Fitted, Metric, Summed, Whole
from vlmtrain.scoring import score_table

OPTIONS = {"option.A": "a red mug", "option.B": "a blue mug", "answer": "B"}
TEXTS = [
    "a blue mug of 300 ml",
    "A red mug.",
    "B",
    '{"brand": "Tavi", "size": 3}',
    "",
    "红色的杯子",
    "mug",
    "3",
    "blue blue",
]

rows = st.lists(
    st.builds(
        Answered,
        id=st.just("row"),
        prediction=st.sampled_from(TEXTS),
        reference=st.sampled_from(TEXTS),
        prompt=st.sampled_from(["[image]\nDescribe it.", "What has 300 ml?"]),
        fields=st.sampled_from([{}, OPTIONS, {"brand": "Tavi", "colour": "blue"}, {"brand": "Nord", "colour": "red"}]),
        tags=st.sampled_from([{}, {"task": "one"}, {"task": "two"}]),
        nll=st.sampled_from([None, 0.5, 4.0]),
        learned_tokens=st.integers(0, 9),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_loads_bears_its_name_and_says_what_it_is(name: str) -> None:
    metric = find([name])[0]
    assert metric.name == name
    assert metric.about
    assert metric.higher_is_better in {True, False, None}


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=40, deadline=None)
@given(rows=rows)
def test_every_score_is_finite_and_named_after_its_metric(name: str, rows: list[Answered]) -> None:
    metric = fitted(name, rows)
    for row in rows:
        for found, value in metric.score(row).items():
            assert found == name or found.startswith(f"{name}.")
            assert math.isfinite(value)
    correct = getattr(metric, "correct", None)
    assert correct is None or all(metric.score(row).get(correct, 0.0) in {0.0, 1.0} for row in rows)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=40, deadline=None)
@given(rows=rows)
def test_the_order_of_rows_changes_nothing(name: str, rows: list[Answered]) -> None:
    mixed = random.Random(0).sample(rows, len(rows))
    assert overall(name, mixed) == pytest.approx(overall(name, rows), nan_ok=True)


@pytest.mark.parametrize("name", [name for name in METRICS if isinstance(find([name])[0], Summed)])
@settings(max_examples=40, deadline=None)
@given(rows=rows)
def test_sums_score_one_by_one_as_they_do_stacked(name: str, rows: list[Answered]) -> None:
    metric = fitted(name, rows)
    assert isinstance(metric, Summed)
    for found, total in sums(metric, rows).items():
        stacked = np.array([[total, 2 * total], [0 * total, total]])
        values = metric.value(found, stacked)
        assert values.shape == (2, 2)
        assert values[0] == pytest.approx([float(metric.value(found, each)) for each in stacked[0]], nan_ok=True)
        assert np.isnan(values[1, 0]), "no rows have no score"


@pytest.mark.parametrize("name", [name for name in METRICS if isinstance(find([name])[0], Summed)])
@settings(max_examples=40, deadline=None)
@given(rows=rows)
def test_one_row_alone_scores_what_it_scores_over_all(name: str, rows: list[Answered]) -> None:
    metric = fitted(name, rows)
    assert isinstance(metric, Summed)
    for row in rows:
        single = metric.score(row)
        for found, added in metric.sums(row).items():
            if found in single:
                assert float(metric.value(found, np.array(added))) == pytest.approx(single[found])


@pytest.mark.parametrize("name", [name for name in METRICS if isinstance(find([name])[0], Fitted)])
@settings(max_examples=40, deadline=None)
@given(rows=rows)
def test_what_must_be_known_of_all_rows_is_never_their_answers(name: str, rows: list[Answered]) -> None:
    others = [dataclasses.replace(row, prediction="B 77 Nord", failed=None) for row in rows]
    assert fitted(name, others) == fitted(name, rows), "so that two candidates are scored alike"


@pytest.mark.parametrize("name", METRICS)
def test_every_sum_of_a_score_has_the_same_length(name: str) -> None:
    rows = [answered(text, wanted, tags={"task": text}, fields=OPTIONS) for text in TEXTS for wanted in ("B", "mug")]
    metric = fitted(name, rows)
    if isinstance(metric, Summed):
        lengths = {(found, len(added)) for row in rows for found, added in metric.sums(row).items()}
        assert len(lengths) == len({found for found, _ in lengths})


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize(
    ("name", "best"),
    [
        *[(name, 1.0) for name in ("rouge_1", "rouge_2", "rouge_l", "exact_match", "label", "length_ratio")],
        *[(name, 100.0) for name in ("bleu", "chrf")],
        *[(name, 0.0) for name in ("repetition", "unsupported_claims")],
    ],
)
def test_identical_texts_get_the_best_score_in_every_script(name: str, best: float, text: str) -> None:
    assert score(name, text, text)[name] == pytest.approx(best)
    assert overall(name, [answered(text, text)] * 3)[name] == pytest.approx(best)


@settings(max_examples=200, deadline=None)
@given(text=st.text(min_size=1, max_size=40))
@example(text=f"1{'0' * 27}1")
def test_any_text_is_its_own_perfect_answer(text: str) -> None:
    for name in ("rouge_1", "rouge_2", "rouge_l", "exact_match"):
        assert score(name, text, text)[name] == pytest.approx(1.0), name
    assert score("unsupported_claims", text, text)["unsupported_claims"] == 0.0
    if not text.isspace() and "".join(text.split()):
        assert score("chrf", text, text)["chrf"] == pytest.approx(100.0)


@pytest.mark.parametrize("name", ["exact_match", "rouge_l", "multiple_choice", "numeric", "label", "json_fields"])
def test_a_row_that_a_candidate_could_not_take_is_wrong_even_where_nothing_is_the_reference(name: str) -> None:
    row = answered("", "B", fields=OPTIONS, failed="the image was refused")
    assert all(not value for found, value in find([name])[0].score(row).items() if not found.endswith("unparsed"))
    nothing = answered("", "", failed="the image was refused")
    assert not any(find([name])[0].score(nothing).values())


def test_an_unknown_metric_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="there is no metric 'rouge-l'; did you mean 'rouge_l'"):
        find(["rouge-l"])


@pytest.fixture
def shouting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with a metric, as someone would write it."""
    (tmp_path / "loud_metrics.py").write_text(
        "class Shouting:\n"
        "    name = 'shouting'\n"
        "    higher_is_better = False\n"
        "    about = 'share of capitals'\n"
        "\n"
        "    def score(self, row):\n"
        "        return {self.name: sum(map(str.isupper, row.prediction)) / max(len(row.prediction), 1)}\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "loud_metrics:Shouting"


def test_a_metric_from_a_module_outside_is_found_by_its_place(shouting: str) -> None:
    metric = find([shouting])[0]
    assert metric.score(answered("ABcd")) == {"shouting": 0.5}
    assert not isinstance(metric, Summed | Whole)


def test_code_from_outside_runs_only_where_it_is_allowed(shouting: str) -> None:
    with pytest.raises(ConfigError, match="--allow-plugins"):
        find([shouting], allow_plugins=False)


def test_a_metric_that_is_not_there_is_said_to_be_missing(shouting: str) -> None:
    with pytest.raises(ConfigError, match="the metric loud_metrics:Whispering: the module 'loud_metrics' has no"):
        find([shouting.replace("Shouting", "Whispering")])
    with pytest.raises(ConfigError, match=r"the metric silent:A: there is no module 'silent'; .*PYTHONPATH"):
        find(["silent:A"])


def test_what_making_a_metric_raises_is_told_as_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "class Broken:\n    def __init__(self): self.words = open('words.txt')\n"
    (tmp_path / "broken_metrics.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"broken_metrics:Broken raised FileNotFoundError: .*broken_metrics\.py:2"):
        find(["broken_metrics:Broken"])


def test_a_metric_made_in_python_passes_through() -> None:
    metric: Metric = find(["chrf"])[0]
    assert find([metric]) == (metric,)


class Wishful:
    """A metric that looks for a field that no row has."""

    name = "wishful"
    higher_is_better = True
    about = "none"

    def score(self, row: Answered) -> dict[str, float]:
        return {self.name: float(row.fields["size"])}


def test_a_metric_from_outside_that_raises_is_named_with_its_line_and_the_row() -> None:
    with pytest.raises(
        PluginError, match=r"the metric wishful raised KeyError: 'size' \(test_metric\.py:\d+\) at the row"
    ):
        score_table([answered("a mug", "a mug")], [Wishful()])
