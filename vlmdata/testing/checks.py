"""Whether a check of batches, or of a whole dataset, does what its Protocol says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import pyarrow as pa

from vlmdata.protocols import Check, DatasetCheck
from vlmdata.record import Problem
from vlmdata.testing.conformance import RaisedError, attempted, refuse, shortened
from vlmdata.testing.records import FORMS, Record, batch_of, odd_records

Dataset = Mapping[str, Sequence[Record]]
"""Records by split."""


def conforms_check(check: Check, *, bad: Mapping[str, Sequence[Record]], good: Sequence[Record] = ()) -> None:
    """Hold a Check to its Protocol. Raises ConformanceError with everything that does not hold.

    `bad` are records by the rule that must find each of them, `good` records in which nothing must be found. They are
    shown whole, sliced in every place, alone, twice, with other ids, as a build and as a validation shows them, and
    among records that other things are wrong with.
    """
    refuse(check, check_faults(check, bad, good))


def check_faults(check: Check, bad: Mapping[str, Sequence[Record]], good: Sequence[Record]) -> Iterator[str]:
    """Everything that does not hold, in words."""
    for rule, records in bad.items():
        yield from _unfound(check, rule, records)
    for each in good:
        for problem in shown(check, batch_of([each]), "for a good record"):
            yield f"finds {problem.rule} in the good record {shortened(each['messages'])}: {problem.message}"
    records = [*(each for found in bad.values() for each in found), *good, *odd_records()]
    for form in FORMS:
        yield from _batch_faults(check, batch_of(records, form), f"as a {form} shows it")


def _unfound(check: Check, rule: str, records: Sequence[Record]) -> Iterator[str]:
    if not records:
        yield f"no bad record shows {rule}"
    for each in records:
        rules = {problem.rule for problem in shown(check, batch_of([each]), f"for a bad record of {rule}")}
        if rule not in rules:
            found = f"only {', '.join(sorted(rules))}" if rules else "nothing"
            yield f"finds {found} in a bad record of {rule}: {shortened(each['messages'])}"


def shown(check: Check, batch: pa.RecordBatch, when: str) -> list[Problem]:
    """What a check finds in a batch. Raises RaisedError for what is no problem."""
    return problems_of(attempted(lambda: list(check(batch)), when))


def problems_of(found: Sequence[object]) -> list[Problem]:
    """What was found. Raises RaisedError for what is no problem."""
    for each in found:
        if not isinstance(each, Problem):
            raise RaisedError(f"gives {shortened(each)}, which is no vlmdata.Problem")
    return [each for each in found if isinstance(each, Problem)]


def _batch_faults(check: Check, batch: pa.RecordBatch, form: str) -> Iterator[str]:
    before = batch.serialize().to_pybytes()
    whole = shown(check, batch, f"for a batch {form}")
    if batch.serialize().to_pybytes() != before:
        yield f"changes the batch that it looks at, {form}"
        return
    yield from problem_faults(whole)
    ids = batch.column("id").to_pylist()
    if strangers := {problem.id for problem in whole} - set(ids):
        yield f"names records that are not in the batch, {form}: {shortened(sorted(strangers))}"
        return
    places = [ids.index(problem.id) for problem in whole]
    if any(later < earlier for earlier, later in pairwise(places)):
        yield f"does not find in the order of the rows, {form}"
    if shown(check, batch, "for the same batch again") != whole:
        yield f"finds other things in the same batch the second time, {form}"
    if found := shown(check, batch.slice(0, 0), "for a batch without rows"):
        yield f"finds {found[0].rule} in a batch without rows, {form}"
    yield from _slice_faults(check, batch, whole, form)
    yield from _name_faults(check, batch, whole, form)


def _slice_faults(check: Check, batch: pa.RecordBatch, whole: Sequence[Problem], form: str) -> Iterator[str]:
    """What it finds about a row must depend on that row alone, wherever the batch was cut."""
    rows = batch.num_rows
    for size in sorted({1, 2, 3, max(rows // 2, 1), max(rows - 1, 1)}):
        parts = [batch.slice(start, size) for start in range(0, rows, size)]
        found = [problem for part in parts for problem in shown(check, part, f"for {size} rows of a batch, {form}")]
        if found != list(whole):
            yield f"finds other things in slices of {size} rows than in the whole batch, {form}"
            return


def _name_faults(check: Check, batch: pa.RecordBatch, whole: Sequence[Problem], form: str) -> Iterator[str]:
    """In a build ids are stand-ins, which must come back as they were given and change nothing."""
    ids = batch.column("id").to_pylist()
    numbers = [str(place) for place in range(len(ids))]
    at = batch.schema.get_field_index("id")
    found = shown(check, batch.set_column(at, "id", pa.array(numbers)), f"for other ids, {form}")
    expected = [(problem.rule, problem.message, numbers[ids.index(problem.id)]) for problem in whole]
    if [(problem.rule, problem.message, problem.id) for problem in found] != expected:
        yield f"finds other things, or in other records, where the ids are other words, {form}"


def problem_faults(problems: Sequence[Problem]) -> Iterator[str]:
    """What is wrong with the form of problems."""
    for problem in problems:
        if not problem.message.strip() or "\n" in problem.message:
            yield f"{problem.rule}: the message {shortened(problem.message)} is not one line of words"


def conforms_dataset_check(
    make: Callable[[], DatasetCheck], *, bad: Mapping[str, Sequence[Dataset]], good: Sequence[Dataset] = ()
) -> None:
    """Hold a DatasetCheck to its Protocol. Raises ConformanceError with everything that does not hold.

    `make` gives a fresh one; `bad` are datasets, records by split, by the rule that must find something in each of
    them; in `good` ones nothing must be found.
    """
    refuse(make, dataset_check_faults(make, bad, good))


def dataset_check_faults(
    make: Callable[[], DatasetCheck], bad: Mapping[str, Sequence[Dataset]], good: Sequence[Dataset]
) -> Iterator[str]:
    """Everything that does not hold, in words."""
    for rule, datasets in bad.items():
        if not datasets:
            yield f"no bad dataset shows {rule}"
        for each in datasets:
            rules = {problem.rule for problem in summed_up(make(), each)}
            if rule not in rules:
                found = f"only {', '.join(sorted(rules))}" if rules else "nothing"
                yield f"finds {found} in a bad dataset of {rule}"
            yield from _cut_faults(make, each)
    for each in (*good, {"train": []}):
        for problem in summed_up(make(), each):
            yield f"finds {problem.rule} in a good dataset: {problem.message}"
    yield from _cut_faults(make, {"train": odd_records(), "test": odd_records()})


def summed_up(check: DatasetCheck, dataset: Dataset, size: int | None = None, form: str = "corpus") -> list[Problem]:
    """What it finds in a dataset, shown in batches of `size` rows, or each split as one."""
    for split, records in dataset.items():
        batch = batch_of(records, form)
        for start in range(0, max(batch.num_rows, 1), size or max(batch.num_rows, 1)):
            part = batch.slice(start, size)
            before = part.serialize().to_pybytes()
            attempted(lambda name=split, part=part: check.see(name, part), "for a batch")  # type: ignore[misc]
            if part.serialize().to_pybytes() != before:
                raise RaisedError("changes the batch that it looks at")
    return problems_of(attempted(lambda: list(check.findings()), "at the end"))


def _cut_faults(make: Callable[[], DatasetCheck], dataset: Dataset) -> Iterator[str]:
    whole = summed_up(make(), dataset)
    yield from problem_faults(whole)
    if summed_up(make(), dataset) != whole:
        yield "finds other things in the same dataset the second time: fresh checks share something"
        return
    for size in (1, 2, 3):
        if summed_up(make(), dataset, size) != whole:
            yield f"finds other things where the dataset is shown in batches of {size} rows"
            return
    if summed_up(make(), dataset, form="dataset") != whole:
        yield "finds other things in a dataset on disk than in what a recipe would build"
