"""What a person reads after an evaluation or a merge."""

from __future__ import annotations

from pathlib import Path

from vlmtrain.evaluation import Candidate, Control, EvalResult, MetricInfo
from vlmtrain.merging import Agreement, MergeResult
from vlmtrain.metric import Answered
from vlmtrain.report import as_text, control_sentence, eval_report, merge_report

FIELDS = ("colour", "brand")


def shares(colour: float, brand: float, every: float) -> dict[str, float]:
    whole = {"attribute_recall": (colour + brand) / 2, "attribute_recall.all": every}
    return whole | {"attribute_recall.colour": colour, "attribute_recall.brand": brand}


def control(colour: float, brand: float) -> Control:
    return Control(
        name="swap", candidate="adapter", rows=24, left_out=1, metrics=shares(colour, brand, 0.0),
        untouched=shares(0.95, 1.0, 0.95),
    )  # fmt: skip


def a_result(name: str = "adapter") -> EvalResult:
    asked = tuple(Answered(id=str(n), prediction="", reference="") for n in range(24))
    base = {"answer_loss": 4.21, "chrf": 12.34, **shares(0.3, 0.0, 0.0)}
    tuned = {"answer_loss": 0.31, "chrf": 97.0, **shares(0.95, 1.0, 0.95)}
    return EvalResult(
        rows=[{}] * 24,
        metrics=(
            MetricInfo(name="answer_loss", higher_is_better=False),
            MetricInfo(name="chrf", higher_is_better=True),
            MetricInfo(name="attribute_recall", higher_is_better=True),
        ),
        candidates={
            "base": Candidate(name="base", answered=asked, scores=(), metrics=base, cut=3),
            name: Candidate(name=name, answered=asked, scores=(), metrics=tuned),
        },
        reference={"chrf": 100.0, **shares(1.0, 1.0, 1.0)},
        controls=(control(0.14, 0.98),),
        setup={
            "dataset": {"split": "test"},
            "settings": {"generate": {"max_new_tokens": 64, "temperature": 0.0}},
        },
        path=Path("runs/shop/eval"),
    )


EXPECTED = """\
split test: 24 rows, greedy, at most 64 new tokens
score                     base  adapter  reference  change
answer_loss              4.210    0.310          -  -3.900 better
chrf                      12.3     97.0      100.0  +84.7 better
attribute_recall         0.150    0.975      1.000  +0.825 better
attribute_recall.all     0.000    0.950      1.000  +0.950 better
attribute_recall.colour  0.300    0.950      1.000  +0.650 better
attribute_recall.brand   0.000    1.000      1.000  +1.000 better
Answers that name colour and brand all right: base 0%, adapter 95%.
With the images swapped between rows (24 rows, 1 left out) colour falls from 0.95 to 0.14: the model reads the images.
3 of 24 answers of base were cut at max_new_tokens.
-> runs/shop/eval
"""


def test_an_evaluation_is_read_at_a_glance() -> None:
    assert as_text(eval_report(a_result()), width=140) == EXPECTED


def test_data_is_not_read_as_markup() -> None:
    assert "[bold]" in as_text(eval_report(a_result("[bold]")))


def test_a_model_that_does_not_look_is_called_out() -> None:
    said = control_sentence(control(0.9, 1.0))
    assert said.endswith("no field falls by 0.2 or more: adapter does not show that it reads the images.")


def test_a_control_without_fields_passes_no_verdict() -> None:
    bare = Control(
        name="swap", candidate="base", rows=3, left_out=0, metrics={"rouge_l": 0.2}, untouched={"rouge_l": 0.5}
    )
    assert control_sentence(bare).endswith("(3 rows) rouge_l goes from 0.500 to 0.200.")


def test_one_candidate_alone_has_no_change() -> None:
    full = a_result()
    alone = EvalResult(rows=full.rows, metrics=full.metrics, candidates={"base": full.candidates["base"]})
    assert "better" not in as_text(eval_report(alone))


def test_a_merge_says_how_far_it_agrees() -> None:
    found = Agreement(
        rows=32,
        equal=31,
        differing=("p[7]",),
        logit_tokens=640,
        largest_logit_difference=0.0625,
        logit_deviation=1.96,
        same_likeliest=1.0,
    )
    merged = MergeResult(
        path=Path("merged"),
        base="tiny",
        onto="dequantised nf4",
        dtype="bfloat16",
        parameters=800_000,
        size_bytes=1_600_000,
        agreement=found,
    )
    assert as_text(merge_report(merged)) == (
        "merged          tiny, dequantised nf4\n"
        "saved as        bfloat16, 800,000 parameters, 1.6 MB\n"
        "same answers    31 of 32 held-out rows: the adapter, and the merged folder loaded\n"
        "different       'p[7]'\n"
        "logits          differ by 0.062 at most (standard deviation 1.96), over 640 answer tokens\n"
        "likeliest token the same for 100% of these tokens\n"
        "-> merged\n"
    )
