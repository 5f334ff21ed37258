"""Answers in JSON, compared field by field with the reference.

Source: our own definition, the field-level exact match that structured-extraction work reports. Fields are the leaves
of the reference's object, nested ones by their path (`size.width`); a list is one field. Texts are compared normalised
(`exact_match.normalised`), numbers by value (3 equals 3.0), true and false only with themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vlmtrain.metric import Answered
from vlmtrain.metric.exact_match import normalised

FENCE = re.compile(r"```[a-zA-Z0-9]*\s*\n?(.*?)(?:```|$)", re.DOTALL)
MISSING = object()


class JsonFields:
    """The share of the reference's fields that the answer has right.

    `all`: every field right and none besides; `valid`: the answer is a JSON object; `fenced`: it stands in a code
    fence, which is taken off; `extra`: it has fields that the reference lacks; `field.PATH`: that field. A row has a
    score where its reference is an object.
    """

    name = "json_fields"
    higher_is_better = True
    directions = {"json_fields.fenced": None, "json_fields.extra": False}  # noqa: RUF012
    correct = "json_fields.all"
    about = "share of right fields; all: rows with every field right and no other; valid: answers that are JSON"

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's scores; all 0 but `fenced` for an answer that is no object."""
        wanted, _ = read_object(row.reference)
        if not wanted:
            return {}
        given, fenced = read_object(row.prediction)
        right = {path: float(same(leaf, (given or {}).get(path, MISSING))) for path, leaf in wanted.items()}
        extra = bool((given or {}).keys() - wanted.keys())
        return {
            self.name: sum(right.values()) / len(right),
            f"{self.name}.all": float(all(right.values()) and not extra),
            f"{self.name}.valid": float(given is not None),
            f"{self.name}.fenced": float(fenced),
            f"{self.name}.extra": float(extra),
            **{f"{self.name}.field.{path}": value for path, value in right.items()},
        }


def read_object(text: str) -> tuple[dict[str, Any] | None, bool]:
    """The leaves of a text's JSON object by path, and whether a code fence was taken off; None where it is none."""
    fence = None if text.lstrip().startswith("{") else FENCE.search(text)
    try:
        value = json.loads(fence[1] if fence else text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None, fence is not None
    return (dict(_leaves(value)) if isinstance(value, dict) else None), fence is not None


def same(wanted: Any, given: Any) -> bool:
    """Whether two values are equal as a reader would say."""
    if isinstance(wanted, str) and isinstance(given, str):
        return normalised(wanted) == normalised(given)
    if isinstance(wanted, list) and isinstance(given, list):
        return len(wanted) == len(given) and all(same(*pair) for pair in zip(wanted, given, strict=True))
    if isinstance(wanted, dict) and isinstance(given, dict):
        return wanted.keys() == given.keys() and all(same(wanted[key], given[key]) for key in wanted)
    return isinstance(wanted, bool) == isinstance(given, bool) and bool(wanted == given)


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, f"{path}{key}.")
        else:
            yield f"{path}{key}", inner


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
