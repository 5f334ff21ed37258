"""A JSON file that holds a list of rows, read a row at a time. A broken row costs itself, and reading goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from vlmdata.errors import SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection
from vlmdata.settings import nearest, to_dataclass
from vlmdata.source.json_cells import with_json_cells
from vlmdata.source.json_lines import KEPT_BYTES, START_BYTES, opened, refuse_other_file
from vlmdata.source.json_stretch import MAX_RECORD, Siblings, Spot, Stretch, Taken
from vlmdata.source.json_text import JsonTextError, as_row, kind_of_json
from vlmdata.source.known_columns import Entry, columns_of, with_columns
from vlmdata.source.physical_lines import original_bytes, undecoded

MOST_KEYS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOptions:
    """`records` is the dotted key under which the list stands; `columns` and `json` are as for JSON Lines."""

    records: str | None = None
    columns: tuple[str, ...] | None = None
    json: tuple[str, ...] = ()


def open_json(config: SourceConfig) -> Source:
    """The JSON file that a recipe names."""
    options = to_dataclass(JsonOptions, config.options)
    return with_json_cells(JsonFileSource(config.path, options), options.json, config.nulls)


class JsonFileSource:
    """One JSON file. Raises SourceError where the file is missing or of another kind, or the list is not in it."""

    def __init__(self, path: Path, options: JsonOptions | None = None) -> None:
        self._path = path
        self._name = path.name
        self._options = options or JsonOptions()

    @property
    def files(self) -> Sequence[Path]:
        """The file."""
        return (self._path,)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The recipe's columns, else the keys of the first rows."""
        if self._options.columns:
            return self._options.columns
        shard = JsonFileShard(self)
        return columns_of(self._name, self.entries(shard), lambda: shard.bytes_read)

    def shards(self) -> Sequence[JsonFileShard]:
        """The file is one shard."""
        return (JsonFileShard(self),)

    def rows(self, shard: JsonFileShard) -> Iterator[Entry]:
        """Every row with all of the columns, in order, and the counts noted in the shard."""
        columns = self.columns
        for entry in self.entries(shard):
            yield with_columns(entry, columns)

    def entries(self, shard: JsonFileShard) -> Iterator[Entry]:
        """Every entry of the list as its row, with the keys that stand in it. Each counts as one line."""
        with opened(self._path) as file:
            refuse_other_file(self._name, file.read(START_BYTES), "a JSON list of rows")
            file.seek(0)
            size, shard.lines_read = self._path.stat().st_size, 0
            stretch = Stretch(file)
            self._go_to_list(stretch)
            for row, taken in enumerate(self._taken(stretch), start=1):
                shard.bytes_read, shard.lines_read = stretch.bytes_read, row
                shard.share_read = stretch.bytes_read / size
                yield self._entry(taken, row)

    def _taken(self, stretch: Stretch) -> Iterator[Taken]:
        """The entries of the list at hand, and as an entry of its own whatever breaks the list itself."""
        stretch.step()
        siblings = Siblings()
        sign = stretch.peek()
        comma = True
        while sign not in {"]", ""}:
            taken = stretch.take(siblings)
            if taken.fault is None:
                siblings.learn(taken.value)
                yield taken if comma else _without_comma(taken)
            else:
                yield taken
            sign = stretch.peek()
            if taken.rest and not sign:
                return
            comma = sign == "," or taken.fault is not None
            if sign == ",":
                stretch.step()
                sign = stretch.peek()
        if not sign:
            fault = JsonTextError("json.truncated", "the file ends inside the list of rows", "get the whole file again")
            yield Taken(start=stretch.spot, text="", fault=fault, found_at=stretch.spot)
            return
        yield from self._behind(stretch)

    def _behind(self, stretch: Stretch) -> Iterator[Taken]:
        """What stands behind a list that is the whole file: nothing, or else text that must not be lost."""
        stretch.step()
        if self._options.records is None and stretch.peek():
            start = stretch.spot
            message = f"there is more text behind the list's end; its first {KEPT_BYTES:,} characters are kept"
            fault = JsonTextError("json.syntax", message, "one list is expected; put its rows into it")
            yield Taken(start=start, text=stretch.rest(KEPT_BYTES), fault=fault, found_at=start)

    def _entry(self, taken: Taken, row: int) -> RawRecord | Rejection:
        line = taken.start.line
        origin = Origin(source=self._name, row=row, line=line, last_line=line)
        fault = taken.fault
        if fault is None:
            try:
                return RawRecord(origin=origin, values=as_row(taken.value))
            except JsonTextError as error:
                fault = error
        spot = taken.found_at or taken.start
        problem = Problem(
            rule=fault.rule, message=_words(fault, spot, taken), source=self._name, line=spot.line, hint=fault.hint
        )
        text = taken.text if len(taken.text) < MAX_RECORD else taken.text[:KEPT_BYTES]
        return Rejection(
            origin=origin, problems=(problem,), raw=original_bytes(text, "utf-8") if undecoded(text) else text
        )

    def _go_to_list(self, stretch: Stretch) -> None:
        """Read on to the list's opening bracket. Raises SourceError where there is none."""
        steps = self._options.records.split(".") if self._options.records else []
        for depth, step in enumerate(steps):
            if stretch.peek() != "{":
                where = f"under {'.'.join(steps[:depth])!r}" if depth else "at the top"
                self._refuse(stretch, f"an object with the key {step!r} was expected {where}")
            self._go_to_key(stretch, step)
        sign = stretch.peek()
        if sign == "[":
            return
        if not steps and sign == "{":
            self._refuse_object(stretch)
        where = f" under {self._options.records!r}" if steps else ""
        self._refuse(stretch, f"a list of rows was expected{where}")

    def _go_to_key(self, stretch: Stretch, wanted: str) -> None:
        keys = []
        for key in self._keys(stretch):
            if key == wanted:
                return
            keys.append(key)
        hint = nearest(wanted, keys) or f"its keys are {', '.join(keys[:MOST_KEYS])}"
        raise SourceError(f"{self._name}: there is no key {wanted!r}, which source.records names; {hint}")

    def _keys(self, stretch: Stretch) -> Iterator[str]:
        """The keys of the object at hand. Each value that is not read in between is passed over."""
        stretch.step()
        while (sign := stretch.peek()) == '"':
            taken = stretch.take(Siblings())
            if taken.fault is not None or stretch.peek() != ":":
                self._refuse(stretch, "a key, a colon and a value were expected")
            stretch.step()
            stretch.peek()
            yield str(taken.value)
            stretch.skip_value()
            if stretch.peek() == ",":
                stretch.step()
        if sign != "}":
            self._refuse(stretch, "a key in double quotes was expected")

    def _refuse_object(self, stretch: Stretch) -> None:
        """Raise SourceError for a file that holds an object, with where in it a list may stand."""
        if stretch.starts_with_rows_a_line():
            raise SourceError(f"{self._name}: the rows stand one a line; set source.type: jsonl")
        lists = [key for key in self._keys(stretch) if stretch.peek() == "["]
        hint = f"set source.records: {lists[0]}" if len(lists) == 1 else "name the list's key in source.records"
        found = f"; lists stand under {', '.join(map(repr, lists[:MOST_KEYS]))}" if lists else ""
        raise SourceError(f"{self._name}: found an object, a list of rows was expected{found}; {hint}")

    def _refuse(self, stretch: Stretch, message: str) -> None:
        found = stretch.peek() or "the end of the file"
        spot = stretch.spot
        raise SourceError(f"{self._name}:{spot.line}: {message}, found {found!r} at column {spot.column}")


@dataclass(slots=True)
class JsonFileShard:
    """The whole file."""

    source: JsonFileSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0
    bytes_read: int = 0

    def __iter__(self) -> Iterator[Entry]:
        return self.source.rows(self)


def _without_comma(taken: Taken) -> Taken:
    fault = JsonTextError("json.syntax", "a comma is missing before this row", "put it behind the row above")
    return replace(taken, fault=fault, found_at=taken.start)


def _words(fault: JsonTextError, spot: Spot, taken: Taken) -> str:
    """What is wrong with an entry, at which column of the problem's line."""
    at = f"column {spot.column:,}"
    message = f"not JSON at {at}: {fault.message}" if fault.rule == "json.syntax" else f"{fault.message} ({at})"
    if fault.rule == "json.not_an_object":
        message = f"found {kind_of_json(taken.value)} in the list ({at}), expected an object"
    lines = taken.text.count("\n") + 1
    if lines > 1 and fault.rule == "json.syntax":
        message += f"; the row was given up with its {lines:,} lines from line {taken.start.line:,} on"
    return message
