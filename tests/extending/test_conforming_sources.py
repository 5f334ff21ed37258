"""The conformance test of sources: ours pass it, and each way to be wrong is caught in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.extending.outside import ROOT
from vlmdata.errors import PluginError, SourceError, VlmError
from vlmdata.recipe import Recipe, SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.source import BUILT_IN, open_source
from vlmdata.testing import ConformanceError, conforms_source

SAMPLES = [*sorted((ROOT / "samples").glob("*/*/recipe.yaml")), ROOT / "samples/catalog/recipe.yaml"]
BINARY = ("parquet-row-group-damaged", "saved-dataset-damaged")
"""Samples whose damaged parts hold no row that could be kept."""


def readable(file: Path) -> Recipe | None:
    """A sample's recipe, where its source can be read at all."""
    try:
        recipe = vlmdata.load_recipe(file, allow_plugins=False)
        source = open_source(recipe.source)
        assert source.columns is not None
        for shard in source.shards():
            list(shard)
    except VlmError:
        return None
    return recipe


def test_every_source_of_ours_conforms_on_every_sample() -> None:
    seen = set()
    for file in SAMPLES:
        recipe = readable(file)
        if recipe is not None:
            conforms_source(open_source, recipe.source, keeps_rejected=file.parent.name not in BINARY)
            seen.add(recipe.source.type)
    assert seen == set(BUILT_IN)


@dataclass
class Lines:
    """A source of a line a row, right in every way, for mutants to differ from."""

    path: Path
    columns: Sequence[str] = ("text",)

    @property
    def files(self) -> Sequence[Path]:
        return (self.path,)

    def shards(self) -> Sequence[Any]:
        if not self.path.is_file():
            raise SourceError(f"{self.path.name}: there is no such file")
        return [Shard(self.path, half) for half in (0, 1)]


@dataclass
class Shard:
    path: Path
    half: int
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[Any]:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        middle = len(lines) // 2
        start, end = ((0, middle), (middle, len(lines)))[self.half]
        self.lines_read, self.share_read = 0, 0.0
        for number in range(start, end):
            self.lines_read += 1
            self.share_read = (number - start + 1) / (end - start)
            origin = Origin(source=self.path.name, row=number + 1, line=number + 1, last_line=number + 1)
            yield self.entry(origin, lines[number])

    def entry(self, origin: Origin, line: str) -> Any:
        if line == "bad":
            problem = Problem(rule="lines.bad", message="found bad, expected good")
            return Rejection(origin=origin, problems=(problem,), raw=line)
        return RawRecord(origin=origin, values={"text": line}) if line else Skip(origin=origin, reason="empty")


@pytest.fixture
def config(tmp_path: Path) -> SourceConfig:
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\nbad\n\nfive\nsix\n", encoding="utf-8")
    return SourceConfig(type="lines", path=path)


def faults(make: Callable[[SourceConfig], Any], config: SourceConfig, **expected: Any) -> str:
    with pytest.raises(ConformanceError) as caught:
        conforms_source(make, config, **expected)
    return str(caught.value)


def test_a_right_source_conforms(config: SourceConfig) -> None:
    conforms_source(lambda each: Lines(each.path), config, rows=4, rejected=1)


class OtherShard(Shard):
    """A shard whose rows are changed on their way."""

    def __init__(self, path: Path, half: int, change: Callable[[list[Any]], list[Any]]) -> None:
        super().__init__(path, half)
        self.change = change

    def __iter__(self) -> Iterator[Any]:
        yield from self.change(list(super().__iter__()))


def changed(change: Callable[[list[Any]], list[Any]]) -> Callable[[SourceConfig], Any]:
    class Changed(Lines):
        def shards(self) -> Sequence[Any]:
            return [OtherShard(shard.path, shard.half, change) for shard in super().shards()]

    return lambda config: Changed(config.path)


def moved(entry: Any, **places: Any) -> Any:
    return replace(entry, origin=replace(entry.origin, **places))


MUTANTS: dict[str, tuple[Callable[[list[Any]], list[Any]], str]] = {
    "loses a row": (lambda rows: rows[1:], "lines_read is 3, and its rows have 2 lines"),
    "turns the order": (lambda rows: rows[::-1], "the row 2 comes after the row 3"),
    "gives a row twice": (lambda rows: [rows[0], *rows], "the row 1 comes after the row 1"),
    "lets rows overlap": (
        lambda rows: [moved(rows[0], last_line=rows[0].origin.line + 1), *rows[1:]],
        "row 2 begins on line 2, and the row before ends on 2",
    ),
    "gives plain mappings": (lambda rows: [*rows, {"text": "x"}], "expected a RawRecord, Rejection or Skip"),
    "names a machine's path": (
        lambda rows: [moved(row, source="/home/a.txt") for row in rows],
        "expected the file's name",
    ),
    "has keys that are no text": (
        lambda rows: [replace(row, values={1: 2}) if isinstance(row, RawRecord) else row for row in rows],
        "a value's name is no text: [1]",
    ),
    "rejects without a problem": (
        lambda rows: [replace(row, problems=()) if isinstance(row, Rejection) else row for row in rows],
        "a rejection without a problem",
    ),
    "rejects and forgets": (
        lambda rows: [replace(row, raw=None) if isinstance(row, Rejection) else row for row in rows],
        "keeps nothing of the row",
    ),
    "rejects by no rule": (
        lambda rows: [
            replace(row, problems=(Problem(rule="bad", message="x"),)) if isinstance(row, Rejection) else row
            for row in rows
        ],
        "has no rule such as shop.line",
    ),
    "skips in silence": (
        lambda rows: [replace(row, reason="") if isinstance(row, Skip) else row for row in rows],
        "a skip without a reason",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_source_with_wrong_rows_is_caught(mutant: str, config: SourceConfig) -> None:
    change, words = MUTANTS[mutant]
    assert words in faults(changed(change), config)


def test_a_source_that_raises_for_a_bad_row_is_caught(config: SourceConfig) -> None:
    def fail(_: list[Any]) -> list[Any]:
        raise ValueError("bad row 3")

    assert "raises ValueError while rows are read; a bad row is a Rejection: bad row 3" in faults(changed(fail), config)


def test_a_source_that_gives_other_rows_each_time_is_caught(config: SourceConfig) -> None:
    times = iter(range(1_000))

    def count(rows: list[Any]) -> list[Any]:
        number = next(times)
        return [replace(row, values={"text": str(number)}) if isinstance(row, RawRecord) else row for row in rows]

    said = faults(changed(count), config)
    assert "gives other rows where it is opened again" in said
    assert "a shard gives other rows where it is read again" in said


def test_a_shard_that_can_be_read_once_is_caught(config: SourceConfig) -> None:
    class Once(Shard):
        def __iter__(self) -> Iterator[Any]:
            self.rows = getattr(self, "rows", None) or super().__iter__()
            return self.rows

    class Source(Lines):
        def shards(self) -> Sequence[Any]:
            return [Once(shard.path, shard.half) for shard in super().shards()]

    assert "a shard gives other rows where it is read again" in faults(lambda each: Source(each.path), config)


def test_shards_that_share_a_place_in_the_file_are_caught(config: SourceConfig) -> None:
    class Source(Lines):
        def shards(self) -> Sequence[Any]:
            super().shards()
            rows = iter([*Shard(self.path, 0), *Shard(self.path, 1)])

            class Part(Shard):
                def __iter__(self) -> Iterator[Any]:
                    for _ in range(3):
                        self.lines_read += 1
                        self.share_read = self.lines_read / 3
                        yield next(rows)

            return [Part(self.path, 0), Part(self.path, 1)]

    said = faults(lambda each: Source(each.path), config)
    assert "gives other rows where it is opened again and its shards are read in another order" in said


def test_shards_that_are_mixed_up_when_read_at_once_are_caught(config: SourceConfig) -> None:
    class Source(Lines):
        def shards(self) -> Sequence[Any]:
            super().shards()
            now: list[int] = []

            class Part(Shard):
                def __iter__(self) -> Iterator[Any]:
                    now[:] = [self.half]
                    for row in list(super().__iter__()):
                        yield row if now == [self.half] else moved(row, source="other.txt")

            return [Part(self.path, 0), Part(self.path, 1)]

    said = faults(lambda each: Source(each.path), config)
    assert said.endswith("1 fault\n  - gives other rows where its shards are read at once")


@pytest.mark.parametrize(
    ("columns", "words"),
    [(("a", "a"), "a column stands twice: ('a', 'a')"), ((1,), "a column's name is no text: [1]")],
)
def test_wrong_columns_are_caught(columns: Any, words: str, config: SourceConfig) -> None:
    assert words.replace("(", "[").replace(")", "]") in faults(lambda each: Lines(each.path, columns), config)


def test_columns_that_change_are_caught(config: SourceConfig) -> None:
    class Source(Lines):
        @property
        def columns(self) -> Sequence[str]:  # type: ignore[override]
            self.asked = getattr(self, "asked", 0) + 1
            return (f"text {self.asked}",)

        @columns.setter
        def columns(self, value: Sequence[str]) -> None: ...

    assert "names other columns the second time" in faults(lambda each: Source(each.path), config)


def test_progress_that_runs_backwards_is_caught(config: SourceConfig) -> None:
    class Back(Shard):
        def entry(self, origin: Origin, line: str) -> Any:
            self.share_read = 1 - self.share_read
            return super().entry(origin, line)

    class Source(Lines):
        def shards(self) -> Sequence[Any]:
            return [Back(shard.path, shard.half) for shard in super().shards()]

    assert "share_read goes from" in faults(lambda each: Source(each.path), config)


def test_another_number_of_shards_is_caught(config: SourceConfig) -> None:
    opened: list[int] = []

    class Source(Lines):
        def shards(self) -> Sequence[Any]:
            return super().shards()[: self.most]

    def make(config: SourceConfig) -> Any:
        source = Source(config.path)
        opened.append(1)
        source.most = 2 if len(opened) == 1 else 1
        return source

    assert "has 2 shards the first time and 1 the second" in faults(make, config)


def test_a_fingerprint_that_changes_is_caught(config: SourceConfig) -> None:
    class Source(Lines):
        @property
        def fingerprint(self) -> str:
            return str(id(self))

    kept: list[Any] = []
    make = lambda each: kept.append(Source(each.path)) or kept[-1]  # noqa: E731
    assert "its fingerprint is" in faults(make, config)


def test_a_source_that_writes_into_its_file_is_caught(config: SourceConfig) -> None:
    class Source(Lines):
        def shards(self) -> Sequence[Any]:
            made = super().shards()
            self.path.write_text(self.path.read_text() + " ", encoding="utf-8")
            return made

    assert "changes its files" in faults(lambda each: Source(each.path), config)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError("x"), "raises FileNotFoundError for a file that is not there, expected SourceError"),
        (SourceError("it is gone"), "does not name the file that is missing: it is gone"),
        (PluginError("x"), "raises PluginError for a file that is not there, expected SourceError"),
        (None, "says nothing of a file that is not there"),
    ],
)
def test_a_missing_file_must_be_named_in_a_source_error(
    error: Exception | None, words: str, config: SourceConfig
) -> None:
    class Source(Lines):
        def shards(self) -> Sequence[Any]:
            if not self.path.is_file() and error is not None:
                raise error
            return [Shard(self.path, half) for half in (0, 1)] if self.path.is_file() else []

    assert words in faults(lambda each: Source(each.path), config)


def test_counts_that_are_known_are_held_to(config: SourceConfig) -> None:
    said = faults(lambda each: Lines(each.path), config, rows=5, rejected=0)
    assert "gives 4 rows, expected 5" in said
    assert "rejects 1 rows, expected 0" in said


def test_what_is_no_source_is_caught(config: SourceConfig) -> None:
    assert "the source has no columns, files, shards" in faults(lambda _: object(), config)
    assert "raises ZeroDivisionError when it is opened" in faults(lambda _: 1 / 0, config)


def test_a_file_that_is_not_there_is_caught(config: SourceConfig) -> None:
    class Source(Lines):
        @property
        def files(self) -> Sequence[Path]:
            return (self.path.with_name("other.txt"),)

    assert "names the file other.txt, which is not there" in faults(lambda each: Source(each.path), config)
