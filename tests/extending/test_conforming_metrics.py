"""The conformance test of metrics: ours pass it, and each way to be wrong is caught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from vlmtrain.metric import METRICS, Answered, find
from vlmtrain.testing import ConformanceError, conforms_metric

OPTIONS = {"option.A": "a red mug", "option.B": "a blue lamp", "answer": "B"}


def rows_for(name: str) -> list[Answered]:
    """Rows whose references have what the metric reads, answered rightly, half rightly and wrongly."""
    references = {
        "multiple_choice": ["B", "A", "B"],
        "label": ["mug", "lamp", "mug"],
        "numeric": ["3", "40", "5.5"],
        "json_fields": ['{"brand": "Tavi"}', '{"brand": "Orn", "size": 3}', '{"size": 4}'],
    }.get(
        name, ["A red mug by Tavi of fine stoneware", "A blue lamp by Orn for the desk", "One red box by Tavi of oak"]
    )
    given = [references[0], f"{references[0]} {references[1]}", references[0]]
    if name == "repetition":
        given[2] = "the mug is red " * 5
    fields: list[dict[str, str]] = [{"brand": "Tavi"}, {"brand": "Orn"}, {"brand": "Tavi"}]
    if name == "multiple_choice":
        fields = [OPTIONS, OPTIONS | {"answer": "A"}, OPTIONS]
    return [
        Answered(
            id=f"r{number}",
            prediction=given[number],
            reference=references[number],
            prompt="[image]\nDescribe it.",
            fields=fields[number],
            tags={"task": "one" if number else "two"},
            nll=0.5 * number + 1,
            learned_tokens=number + 3,
        )
        for number in range(3)
    ]


BOUNDS: dict[str, tuple[float, float]] = {
    "answer_loss": (0, 100),
    "perplexity": (1, 1e9),
    "bleu": (0, 100),
    "chrf": (0, 100),
    "length_ratio": (0, 1e4),
}
SHARES = ("exact_match", "rouge_1", "rouge_2", "rouge_l", "length_ratio", "multiple_choice", "label", "numeric")
PERFECT = {
    **dict.fromkeys(("bleu", "chrf"), 100.0),
    **dict.fromkeys((*SHARES, "json_fields", "attribute_recall"), 1.0),
    **dict.fromkeys(("unsupported_claims", "repetition"), 0.0),
}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_ours_conforms(name: str) -> None:
    conforms_metric(find([name])[0], rows_for(name), bounds=BOUNDS.get(name, (0, 1)), perfect=PERFECT.get(name))


class Named:
    """A right metric, for mutants to differ from: whether the answer names the brand."""

    name: Any = "named"
    higher_is_better: Any = True
    about: Any = "share of answers that name the brand, 0 to 1"

    def score(self, row: Answered) -> Any:
        brand = row.fields.get("brand")
        return {self.name: float(brand in row.prediction)} if brand else {}


class Ratio(Named):
    """A right metric of sums: brands named over words."""

    def score(self, row: Answered) -> Any:
        return {name: named / words for name, (named, words) in self.sums(row).items()}

    def sums(self, row: Answered) -> Any:
        words = row.prediction.split()
        return {self.name: (sum(word == row.fields.get("brand") for word in words), len(words))} if words else {}

    def value(self, name: str, sums: Any) -> Any:  # noqa: ARG002
        return sums[..., 0] / sums[..., 1]


ROWS = rows_for("named")


@pytest.mark.parametrize("metric", [Named, Named(), Ratio])
def test_a_right_metric_conforms(metric: Any) -> None:
    conforms_metric(metric, ROWS, bounds=(0, 1))


class NoName(Named):
    name = "Brand named"


class Taken(Named):
    name = "chrf"


class NoAbout(Named):
    about = ""


class Sideways(Named):
    higher_is_better = "up"


class Strange(Named):
    directions: ClassVar[dict[str, bool]] = {"other.score": True}


class OtherScore(Named):
    def score(self, row: Answered) -> Any:
        return {"brands": 1.0 * len(row.prediction)}


class Lists(Named):
    def score(self, row: Answered) -> Any:
        return [len(row.prediction)]


class Words(Named):
    def score(self, row: Answered) -> Any:
        return {"named": str(len(row.prediction))}


class Nan(Named):
    def score(self, row: Answered) -> Any:
        return {"named": float("nan") if not row.prediction else 1.0}


class Silent(Named):
    def score(self, row: Answered) -> Any:  # noqa: ARG002
        return {}


class Dividing(Named):
    def score(self, row: Answered) -> Any:
        return {"named": len(row.reference) / len(row.prediction)}


class NeedsFields(Named):
    def score(self, row: Answered) -> Any:
        return {"named": float(row.fields["brand"] in row.prediction)}


class Counting(Named):
    def __init__(self) -> None:
        self.seen = 0

    def score(self, row: Answered) -> Any:  # noqa: ARG002
        self.seen += 1
        return {"named": float(self.seen % 7)}


class Writing(Named):
    def score(self, row: Answered) -> Any:
        if isinstance(row.fields, dict):
            row.fields["seen"] = "yes"
        return super().score(row)


class Upside(Named):
    higher_is_better = False


class Constant(Named):
    def score(self, row: Answered) -> Any:  # noqa: ARG002
        return {"named": 0.5}


class HalfCorrect(Named):
    correct = "named"

    def score(self, row: Answered) -> Any:
        return {name: value / 2 for name, value in super().score(row).items()}


class FirstOfAll(Named):
    """A metric of all rows that looks at the first one alone."""

    def score(self, row: Answered) -> Any:  # noqa: ARG002
        return {}

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        return {"named": float(len(rows[0].prediction))}


class Peeking(Named):
    """A metric that learns from the answers which it then scores."""

    def __init__(self, brands: frozenset[str] = frozenset()) -> None:
        self.brands = brands

    def fitted(self, rows: Sequence[Answered]) -> Any:
        return Peeking(frozenset(row.prediction for row in rows))

    def score(self, row: Answered) -> Any:
        return {"named": float(row.prediction in self.brands)}


class Renamed(Named):
    def fitted(self, rows: Sequence[Answered]) -> Any:  # noqa: ARG002
        return Ratio() if False else OtherName()


class OtherName(Named):
    name = "other"


class OtherWidth(Ratio):
    def score(self, row: Answered) -> Any:
        return Ratio().score(row)

    def sums(self, row: Answered) -> Any:
        found = super().sums(row)
        return {name: (*sums, *([0] if len(row.prediction) > 40 else [])) for name, sums in found.items()}


class OtherRow(Ratio):
    def score(self, row: Answered) -> Any:
        return {name: value * 2 for name, value in super().score(row).items()}


class OneByOne(Ratio):
    def value(self, name: str, sums: Any) -> Any:  # noqa: ARG002
        return sums.ravel()[0] / sums.ravel()[1]


class Offset(Ratio):
    def score(self, row: Answered) -> Any:
        return {name: float(self.value(name, __import__("numpy").array(sums))) for name, sums in self.sums(row).items()}

    def value(self, name: str, sums: Any) -> Any:  # noqa: ARG002
        return (sums[..., 0] + 1) / (sums[..., 1] + 9)


class Refusing(Ratio):
    def value(self, name: str, sums: Any) -> Any:
        if not sums.any():
            raise ValueError("no rows")
        return super().value(name, sums)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (object(), "the metric has no name, about, higher_is_better, score"),
        (NoName, "its name is 'Brand named'"),
        (Taken, "its name 'chrf' is one of vlmtrain's own metrics"),
        (NoAbout, "its about is not one line of words"),
        (Sideways, "its higher_is_better is 'up'"),
        (Strange, "directions or correct name 'other.score', which is none of its scores"),
        (OtherScore, "calls a score 'brands', expected 'named', or that with a dot and a word"),
        (Lists, "expected scores by name"),
        (Words, "expected a number"),
        (Nan, "gives named nan"),
        (Silent, "has no score for any of the rows"),
        (Dividing, "raises ZeroDivisionError where a text is ''"),
        (NeedsFields, "raises KeyError where a text is"),
        (Counting, "scores the same rows differently the second time"),
        (Writing, "changes the rows that it scores"),
        (Upside, "though lower is better"),
        (Constant, "scores right answers, nonsense and the rows' own answers alike"),
        (HalfCorrect, "named is to be 1 for a right answer and 0 for a wrong one"),
        (FirstOfAll, "scores the same rows differently in another order"),
        (Peeking, "scores rows differently where it was fitted to other answers"),
        (Renamed, "is another metric once it is fitted"),
        (OtherWidth, "has now 2 sums and now 3"),
        (OtherRow, "by its sums"),
        (OneByOne, "gives other scores of named for several rows at once than one by one"),
        (Offset, "scores all rows differently where each stands twice"),
        (Refusing, "raises ValueError for named of no rows"),
    ],
)
def test_a_wrong_metric_is_caught(metric: Any, words: str) -> None:
    rows = [replace(row, fields=dict(row.fields)) for row in ROWS]
    with pytest.raises(ConformanceError) as caught:
        conforms_metric(metric, rows)
    assert words in str(caught.value)


def test_scores_out_of_bounds_and_a_perfect_score_that_is_none_are_caught() -> None:
    with pytest.raises(ConformanceError) as caught:
        conforms_metric(Ratio, ROWS, bounds={"named": (0.5, 1)}, perfect=1)
    assert "expected 0.5 to 1" in str(caught.value)
    assert "where every answer is its reference, expected 1" in str(caught.value)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ConformanceError, match="give it at least three rows"):
        conforms_metric(Named, ROWS[:2])
