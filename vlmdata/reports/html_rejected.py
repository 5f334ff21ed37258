"""Rejected rows to look at: some of each rule, from rejected.jsonl, which may be large and hold anything."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from vlmdata.page import shortened, text
from vlmdata.page.gallery import Card, pairs
from vlmdata.words import plural

LONGEST_LINE, MOST_BYTES = 4_000_000, 400_000_000
ROWS_OF_RULE, MOST_ROWS = 4, 40
RULE = re.compile(rb'"rule": ?"([a-z_]{1,60}\.[a-z_]{1,60})"')


def rejected_rows(path: Path, rules: Collection[str] = ()) -> list[dict[str, Any]]:
    """A few rejected rows of each rule, in the file's order. Reading ends once all `rules` have their rows.

    A line that is no rejection is passed over.
    """
    if not path.is_file():
        return []
    shown: Counter[str] = Counter()
    found: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for line in _lines(file):
            hinted = RULE.search(line)
            if hinted and shown[hinted[1].decode()] >= ROWS_OF_RULE:
                continue
            rejection = _rejection(line)
            if rejection is None:
                continue
            named = [str(problem["rule"]) for problem in rejection["problems"]]
            if len(found) < MOST_ROWS:
                found.append(rejection)
            shown.update(set(named))
            if len(found) >= MOST_ROWS or (rules and all(shown[rule] >= ROWS_OF_RULE for rule in rules)):
                break
    return found


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines of a file up to a size; a line that is too long is passed over."""
    read, inside = 0, False
    while read < MOST_BYTES and (line := file.readline(LONGEST_LINE)):
        read += len(line)
        ended = line.endswith(b"\n")
        if not inside and (ended or len(line) < LONGEST_LINE):
            yield line
        inside = not ended


def _rejection(line: bytes) -> dict[str, Any] | None:
    """A rejection as plain data whose outer shape is right; None for anything else."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("origin"), dict):
        return None
    problems = found.get("problems")
    if not isinstance(problems, list) or not all(isinstance(one, dict) and "rule" in one for one in problems):
        return None
    return found


def rejected_card(rejection: Mapping[str, Any]) -> Card:
    """A rejected row: what is wrong with it, and its values as the source has them."""
    origin, problems = rejection["origin"], rejection["problems"]
    lines = "".join(f"<li>{problem_html(problem)}</li>" for problem in problems[:8])
    if len(problems) > 8:
        lines += f'<li class="more">… {plural(len(problems) - 8, "more problem")}</li>'
    row = rejection.get("row")
    if isinstance(row, dict):
        values = pairs("The row", {name: _plain(value) for name, value in row.items()})
    else:
        raw = rejection.get("raw", rejection.get("raw_base64", ""))
        values = pairs("The row, which could not be read", {"text": _plain(raw)}) if raw else ""
    title = str(rejection.get("id") or f"row {origin.get('row', '?')}")
    place = f"{origin.get('source', '')}:{origin.get('line', '')}".strip(":")
    if rejection.get("conversation") is not None:
        place += f", conversation {rejection['conversation']}"
    rules = tuple(dict.fromkeys(str(problem["rule"]) for problem in problems))
    return Card(
        title=title, where=place, kinds=("rejected",), rules=rules, body=f'<ul class="problems">{lines}</ul>{values}'
    )


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def problem_html(problem: Mapping[str, Any]) -> str:
    """One problem: the rule, where, what was found, what to do."""
    where = shortened(str(problem.get("field", "")), 80)
    place = f'<span class="where">{text(where)}</span> ' if where else ""
    hint = str(problem.get("hint", ""))
    said = f' <span class="hint">{text(shortened(hint, 300))}</span>' if hint else ""
    kind = "warning" if problem.get("severity") == "warning" else "error"
    return (
        f'<code class="rule {kind}">{text(problem.get("rule", ""))}</code> {place}'
        f'<span dir="auto">{text(shortened(str(problem.get("message", "")), 400))}</span>{said}'
    )
