"""Two evaluations that were written, compared: the rows that both answered, scored again from the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.settings import nearest
from vlmtrain.errors import RunError
from vlmtrain.evaluation import Candidate, EvalResult, evaluate_candidate, result_of
from vlmtrain.intervals import Chance
from vlmtrain.metric import METRICS, Answered, find
from vlmtrain.results_file import read_answers, read_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two candidates of written evaluations, and what keeps the comparison from being of like with like."""

    result: EvalResult
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    differences: tuple[str, ...]


def compare_files(before: str | Path, after: str | Path, *, allow_plugins: bool = True) -> Compared:
    """The last candidates of two evaluations, or those named as `PATH#NAME`, on the rows that both answered.

    A row counts where id and reference are the same. Raises RunError where a file is no result, where there is no such
    candidate, and where no row is in both.
    """
    first, second = _Written.of(str(before)), _Written.of(str(after))
    mine, theirs = first.answers(), second.answers()
    shared = [name for name, row in mine.items() if name in theirs and row.reference == theirs[name].reference]
    if not shared:
        raise RunError(f"{before} and {after} answered no row in common (by id and reference)")
    names = first.called(second)
    metrics = find(_metric_names(first, second, allow_plugins), allow_plugins=allow_plugins)
    chance = Chance(**first.data.get("chance", {}))
    candidates = {
        name: _candidate(name, [rows[each] for each in shared], metrics, chance)
        for name, rows in zip(names, (mine, theirs), strict=True)
    }
    return Compared(
        result=result_of(
            [{"id": name} for name in shared],
            candidates,
            metrics,
            setup={**second.setup(), "dataset": second.dataset(len(shared), of=len(theirs))},
            chance=chance,
        ),
        only_before=tuple(name for name in mine if name not in set(shared)),
        only_after=tuple(name for name in theirs if name not in set(shared)),
        differences=tuple(_differences(first.data, second.data)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """One candidate of one evaluation."""

    place: str
    name: str
    data: Mapping[str, Any]
    folder: Path

    @classmethod
    def of(cls, place: str) -> _Written:
        path, sign, name = place.partition("#") if not Path(place).exists() else (place, "", "")
        data, folder = read_data(Path(path))
        known = list(data["candidates"])
        if sign and name not in known:
            hint = nearest(name, known) or f"it has {', '.join(known)}"
            raise RunError(f"{path}: has no candidate {name!r}; {hint}")
        return cls(place=path, name=name or known[-1], data=data, folder=folder)

    def answers(self) -> dict[str, Answered]:
        """By id."""
        return {row.id: row for row in read_answers(self.folder, self.name)}

    def called(self, other: _Written) -> tuple[str, str]:
        """Two names that tell the candidates apart."""
        if self.name != other.name:
            return self.name, other.name
        mine, theirs = _folder_name(self.folder), _folder_name(other.folder)
        return (mine, theirs) if mine != theirs else (f"{mine} before", f"{theirs} after")

    def setup(self) -> dict[str, Any]:
        """What the file says of how it was measured."""
        return {key: self.data[key] for key in ("dataset", "model", "settings", "versions") if key in self.data}

    def dataset(self, shared: int, *, of: int) -> dict[str, Any]:
        """What the file says of its dataset, for so many of its rows.

        Where some of all rows were trained on, nobody knows here how many of these.
        """
        said = self.data.get("dataset", {})
        learned = said.get("trained_on")
        known = {0: 0, of: shared}.get(learned) if shared != of else learned
        return {**said, "rows": shared, "trained_on": known}


def _folder_name(folder: Path) -> str:
    found = folder.resolve()
    return found.parent.name if found.name == "eval" else found.name


def _candidate(name: str, rows: Sequence[Answered], metrics: Sequence[Any], chance: Chance) -> Candidate:
    return evaluate_candidate(name, rows, metrics, chance=chance)


def _metric_names(first: _Written, second: _Written, allow_plugins: bool) -> list[str]:
    """The metrics of either that can be computed here."""
    names = dict.fromkeys(metric["name"] for each in (first, second) for metric in each.data["metrics"])
    return [name for name in names if name in METRICS or (":" in name and allow_plugins)]


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What was not the same in the two evaluations, but should be for scores to say something of the models."""
    places = (
        ("dataset", "fingerprint"),
        ("dataset", "split"),
        ("settings", "generate"),
        ("settings", "budget"),
    )
    found = []
    for part, key in places:
        mine, theirs = before.get(part, {}).get(key), after.get(part, {}).get(key)
        if mine != theirs:
            found.append(f"{part}.{key}: {_short(mine)} before, {_short(theirs)} after")
    return found


def _short(value: Any) -> str:
    said = str(value)
    return said if len(said) <= 80 else f"{said[:77]}..."
