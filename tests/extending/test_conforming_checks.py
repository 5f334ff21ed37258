"""The conformance tests of checks and reporters: ours pass them, and each way to be wrong is caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from tests.extending.outside import forget
from vlmdata.check.messages import check_messages
from vlmdata.check.text import TextCheck, text_rules
from vlmdata.check.whole import dataset_checks
from vlmdata.check_settings import CheckSettings
from vlmdata.record import Problem
from vlmdata.reports.findings import FORMATS, rendered
from vlmdata.rule_plugins import RulePlugin
from vlmdata.rules import Rule
from vlmdata.testing import (
    ConformanceError,
    batch_of,
    conforms_check,
    conforms_dataset_check,
    conforms_reporter,
    conforms_rules,
    record,
)

EVERYTHING = CheckSettings(preview=True)
GOOD = (record("Describe the mug.", "A red mug of stoneware that holds 300 ml.", images=1),)
CHEAP = record("Describe the box.", "A box, now only cheap.")


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    forget()


def test_our_check_of_messages_conforms() -> None:
    image = {"type": "image", "text": None}
    swapped = [{"role": role, "content": [{"type": "text", "text": "x"}]} for role in ("assistant", "user")]
    pictured = [{"role": "user", "content": [image]}, {"role": "assistant", "content": [image]}]
    bad = {
        "messages.roles": [record(messages=[]), record(messages=swapped)],
        "messages.images": [record("Look.", "A mug.", image_info=[]) | {"messages": pictured}],
        "text.empty": [record("", "A mug."), record("What?", " \u200b")],
    }
    conforms_check(check_messages, bad=bad, good=GOOD)


def test_our_check_of_texts_conforms() -> None:
    bad = {
        "text.refusal": [record("Describe it.", "I'm sorry, but as an AI language model I can't see images.")],
        "text.html": [record("Describe it.", "A <b>red</b> mug<br>of stoneware.")],
        "text.mojibake": [record("Describe it.", "A cafÃ© mug of stoneware.")],
    }
    conforms_check(TextCheck(text_rules(EVERYTHING)), bad=bad, good=GOOD)


class AllOfOurs:
    """Our dataset checks share what they keep of the rows, so that they are one."""

    def __init__(self) -> None:
        self.checks = dataset_checks(EVERYTHING, ("train", "test"))

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        for check in self.checks:
            check.see(split, batch)

    def findings(self) -> Iterator[Problem]:
        for check in self.checks:
            yield from check.findings()


def test_our_dataset_checks_conform() -> None:
    twice = {"train": [record("What is it?", f"A mug {number}.") for number in range(40)], "test": []}
    twice["train"] += [record("What is it?", "A mug.", id="a"), record("What is it?", "A mug.", id="b")]
    conforms_dataset_check(AllOfOurs, bad={"dataset.duplicate": [twice]})


@pytest.mark.parametrize("name", FORMATS)
def test_our_reporters_conform(name: str) -> None:
    conforms_reporter(lambda result: rendered(result, name))


def cheap(batch: pa.RecordBatch) -> Iterator[Problem]:
    """A right check, for mutants to differ from."""
    for name, turns in zip(batch.column("id").to_pylist(), batch.column("messages").to_pylist(), strict=True):
        if any("cheap" in (part["text"] or "") for turn in turns for part in turn["content"]):
            yield Problem(rule="shop.cheap", message="says cheap", id=name)


def test_a_right_check_conforms() -> None:
    conforms_check(cheap, bad={"shop.cheap": [CHEAP]}, good=GOOD)


def faults(check: Any, good: Sequence[Any] = GOOD) -> str:
    with pytest.raises(ConformanceError) as caught:
        conforms_check(check, bad={"shop.cheap": [CHEAP, CHEAP]}, good=good)
    return str(caught.value)


def blind(_: pa.RecordBatch) -> list[Problem]:
    return []


def alarmed(batch: pa.RecordBatch) -> list[Problem]:
    return [Problem(rule="shop.cheap", message="x", id=name) for name in batch.column("id").to_pylist()]


def backwards(batch: pa.RecordBatch) -> list[Problem]:
    return list(cheap(batch))[::-1]


def remembering() -> Any:
    seen: set[str] = set()

    def check(batch: pa.RecordBatch) -> Iterator[Problem]:
        if batch.num_rows == 1 or not seen:
            yield from cheap(batch)
        seen.update(batch.column("id").to_pylist() if batch.num_rows > 1 else ())

    return check


def unaware_of_offsets(batch: pa.RecordBatch) -> Iterator[Problem]:
    """The usual mistake: offsets into the flattened texts are taken for those of this slice."""
    ids, lists = batch.column("id").to_pylist(), batch.column("messages")
    texts = lists.values.to_pylist()
    for row, name in enumerate(ids):
        start, end = row * 2, row * 2 + 2
        if any("cheap" in (part["text"] or "") for turn in texts[start:end] for part in turn["content"]):
            yield Problem(rule="shop.cheap", message="says cheap", id=name)


def of_the_batch(batch: pa.RecordBatch) -> Iterator[Problem]:
    for problem in cheap(batch):
        yield Problem(rule="shop.cheap", message=f"one of {batch.num_rows}", id=problem.id)


def of_strangers(batch: pa.RecordBatch) -> Iterator[Problem]:
    for _ in cheap(batch):
        yield Problem(rule="shop.cheap", message="x", id="nobody")


def of_ids(batch: pa.RecordBatch) -> Iterator[Problem]:
    for problem in cheap(batch):
        yield Problem(rule="shop.cheap", message=f"in {problem.id}", id=problem.id)


def needs_infos(batch: pa.RecordBatch) -> Iterator[Problem]:
    batch.column("image_info")
    yield from cheap(batch)


def needs_text(batch: pa.RecordBatch) -> Iterator[Problem]:
    for name, turns in zip(batch.column("id").to_pylist(), batch.column("messages").to_pylist(), strict=True):
        if "cheap" in turns[1]["content"][0]["text"]:
            yield Problem(rule="shop.cheap", message="says cheap", id=name)


def needs_rows(batch: pa.RecordBatch) -> Iterator[Problem]:
    batch.column("id")[0].as_py()
    yield from cheap(batch)


def of_words(batch: pa.RecordBatch) -> list[Any]:
    return ["cheap" for _ in cheap(batch)] or list(cheap(batch))


def silent(batch: pa.RecordBatch) -> Iterator[Problem]:
    for problem in cheap(batch):
        yield Problem(rule="shop.cheap", message="", id=problem.id)


def writing(batch: pa.RecordBatch) -> Iterator[Problem]:
    import numpy as np

    buffer = batch.column("id").buffers()[2]
    if buffer is not None and buffer.size:
        text = np.frombuffer(buffer, dtype=np.uint8)
        import ctypes

        ctypes.memset(buffer.address, text[0] ^ 1, 1)
    yield from cheap(batch)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (blind, "finds nothing in a bad record of shop.cheap"),
        (alarmed, "finds shop.cheap in the good record"),
        (backwards, "does not find in the order of the rows"),
        (remembering(), "finds other things in the same batch the second time"),
        (unaware_of_offsets, "than in the whole batch"),
        (of_the_batch, "finds other things in slices of 1 rows than in the whole batch"),
        (of_strangers, "names records that are not in the batch"),
        (of_ids, "where the ids are other words"),
        (needs_infos, "raises KeyError for a batch as a build shows it"),
        (needs_text, "raises IndexError for a batch as a build shows it"),
        (needs_rows, "raises IndexError for a batch without rows"),
        (of_words, "which is no vlmdata.Problem"),
        (silent, "is not one line of words"),
        (writing, "changes the batch that it looks at"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_check_is_caught(check: Any, words: str) -> None:
    assert words in faults(check)


def test_a_rule_without_a_bad_record_is_caught() -> None:
    with pytest.raises(ConformanceError, match=r"no bad record shows shop\.cheap"):
        conforms_check(cheap, bad={"shop.cheap": []})


class Many:
    """A right dataset check: more than two rows say cheap."""

    def __init__(self) -> None:
        self.found = 0

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        self.found += len(list(cheap(batch)))

    def findings(self) -> Iterator[Problem]:
        if self.found > 2:
            yield Problem(rule="shop.many", message=f"{self.found} rows say cheap", severity="warning")


MANY = {"train": [CHEAP, *GOOD, CHEAP], "test": [CHEAP]}


def test_a_right_dataset_check_conforms() -> None:
    conforms_dataset_check(Many, bad={"shop.many": [MANY]}, good=[{"train": [CHEAP, CHEAP]}])


class OfBatches(Many):
    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        self.found = max(self.found, 3 if batch.num_rows > 1 else 0)


class Sharing(Many):
    total: ClassVar[list[int]] = []

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        super().see(split, batch)
        self.total.append(self.found)
        self.found = sum(self.total)


class Blind(Many):
    def see(self, split: str, batch: pa.RecordBatch) -> None: ...


class OnDisk(Many):
    def see(self, split: str, batch: pa.RecordBatch) -> None:
        if "images" not in batch.schema.names:
            super().see(split, batch)


class NeedsRows(Many):
    def see(self, split: str, batch: pa.RecordBatch) -> None:
        super().see(split, batch)
        batch.column("id")[0].as_py()


class Writing(Many):
    def see(self, split: str, batch: pa.RecordBatch) -> None:
        super().see(split, batch)
        list(writing(batch))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (OfBatches, "where the dataset is shown in batches of 1 rows"),
        (Sharing, "fresh checks share something"),
        (Blind, "finds nothing in a bad dataset of shop.many"),
        (OnDisk, "finds other things in a dataset on disk than in what a recipe would build"),
        (NeedsRows, "raises IndexError for a batch"),
        (Writing, "changes the batch that it looks at"),
    ],
)
def test_a_wrong_dataset_check_is_caught(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        conforms_dataset_check(make, bad={"shop.many": [MANY]})
    assert words in str(caught.value)


def test_a_finding_in_a_good_dataset_is_caught() -> None:
    with pytest.raises(ConformanceError, match=r"finds shop\.many in a good dataset"):
        conforms_dataset_check(Many, bad={}, good=[MANY])


RULE = Rule(id="shop.cheap", summary="It says cheap.", why="It is not.", fix="Say something else.")


def test_rules_conform_with_their_checks() -> None:
    plugin = RulePlugin(rules=(RULE,), check=lambda _: cheap)
    conforms_rules(plugin, bad={"shop.cheap": [CHEAP]}, good=GOOD)


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (RulePlugin(rules=()), "it has no rules"),
        (RulePlugin(rules=(Rule(id="Cheap", summary="x", why="x", fix="x"),)), "expected family.name"),
        (RulePlugin(rules=(Rule(id="text.cheap", summary="x", why="x", fix="x"),)), "is vlmdata's own; take another"),
        (RulePlugin(rules=(Rule(id="shop.cheap", summary="", why="x", fix=" "),)), "shop.cheap has no summary, fix"),
        (RulePlugin(rules=(RULE, RULE)), "stands in it twice"),
        (RulePlugin(rules=(Rule(id="shop.a", summary="x", why="x", fix="x", stops=True),)), "is a change, or stops"),
        (
            RulePlugin(rules=(Rule(id="shop.a", summary="x", why="x", fix="x", severity="bad"),)),  # type: ignore[arg-type]
            "found the severity 'bad'",
        ),
        (RulePlugin(rules=("shop.a",)), "expected a vlmdata.rules.Rule"),  # type: ignore[arg-type]
        (RulePlugin(rules=(RULE,)), "has no check, and bad records are given"),
        (RulePlugin(rules=(RULE,), check=lambda _: blind), "check: finds nothing in a bad record of shop.cheap"),
        (RulePlugin(rules=(RULE,), check=lambda _: 1 / 0), "raises ZeroDivisionError while its check is made"),  # type: ignore[arg-type,return-value]
        (
            RulePlugin(rules=(RULE, Rule(id="shop.b", summary="x", why="x", fix="x")), check=lambda _: cheap),
            "nothing shows shop.b",
        ),
    ],
)
def test_wrong_rules_are_caught(plugin: RulePlugin, words: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        conforms_rules(plugin, bad={"shop.cheap": [CHEAP]}, good=GOOD)
    assert words in str(caught.value)


def test_examples_of_rules_that_are_not_there_are_caught() -> None:
    with pytest.raises(ConformanceError) as caught:
        conforms_rules(
            RulePlugin(rules=(RULE,), check=lambda _: cheap),
            bad={"shop.cheap": [CHEAP]},
            bad_datasets={"shop.many": [MANY]},
        )
    assert "shop.many is shown, and is none of its rules" in str(caught.value)
    assert "has no dataset check, and bad datasets are given" in str(caught.value)


@pytest.mark.parametrize(
    ("reporter", "words"),
    [
        (lambda _: None, "gives None, expected text"),
        (
            lambda result: "".join(p.rule for p in result.problems) + str(next(COUNT)),
            "the second time",
        ),
        (
            lambda result: "<html>" + "".join(f"{p.rule} {p.message}" for p in result.problems),
            "a tag of the data into HTML",
        ),
        (lambda _: "", "does not name the rule images.missing"),
        (lambda result: 1 / len(result.targets), "raises ZeroDivisionError for a result"),
    ],
)
def test_a_wrong_reporter_is_caught(reporter: Any, words: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        conforms_reporter(reporter)
    assert words in str(caught.value)


COUNT = iter(range(10_000))


def test_the_batch_of_a_build_has_no_images() -> None:
    columns = {form: set(batch_of(GOOD, form).schema.names) for form in ("build", "corpus", "dataset")}
    assert set.intersection(*columns.values()) == {
        "id", "messages", "origin", "group", "tags", "fields", "provenance",
    }  # fmt: skip
