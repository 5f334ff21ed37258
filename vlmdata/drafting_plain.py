"""Recipes for rows that need no templates, since they are conversations or questions; and what every draft needs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import yaml

from vlmdata.convert import converter_for
from vlmdata.draft.kinds import Kind
from vlmdata.draft.photos import folders_below, spread
from vlmdata.draft.questions import find_questions
from vlmdata.draft.writing import Line, head, source_lines, tail
from vlmdata.draft.yaml_text import commented, flow_list, quoted, scalar
from vlmdata.drafting_tables import LOOKUP, LookedAt, entries_of, format_of
from vlmdata.errors import SourceError
from vlmdata.photo_lookup import zips_of_photos
from vlmdata.protocols import Tools
from vlmdata.recipe import Recipe, recipe_from
from vlmdata.record import Conversation, RawRecord
from vlmdata.source import open_source
from vlmdata.trial import Trial, allowed, try_out

MAX_ROWS = 300
MAX_REFERENCES = 300
QUICK = 24


@dataclass(frozen=True, slots=True)
class Draft:
    """A recipe's text, and what a person should know of how it came about."""

    text: str
    notes: tuple[str, ...]


def question_draft(looked: LookedAt, home: Path, notes: list[str]) -> Draft | None:
    """The draft of a table of questions with options over images; None where it is none, or would not build so."""
    photos = looked.photos
    found = find_questions(looked.whole_columns, photos) if photos is not None else None
    if found is None or photos is None or not looked.is_plain or looked.table.json:
        return None
    kind = Kind(type="multi_image", path=looked.path)
    columns = ", ".join(f"{part}: {scalar(name)}" for part, name in found.parts.items())
    lines: list[Line] = [*_named_lines(kind, home), (f"columns: {{{columns}}}", "")]
    lines += [(f"separator: {quoted(found.separator)}", "between two images")] if found.separator else []
    lines += [(f"marker: {quoted(found.marker)}", "stands where an image belongs")] if found.marker else []
    more = [f"id: {scalar(found.id)}"] if found.id else []
    more += [commented(f"tags: {flow_list(list(found.tags))}", "evaluation is sliced by them")] if found.tags else []
    roots = [scalar(relative(root, home)) for root in photos.roots]
    if roots:
        comment = f"{photos.found:,} of {photos.total:,} references name a file below it"
        root = roots[0] if len(roots) == 1 else f"[{', '.join(roots)}]"
        more += ["images:", commented(f"  root: {root}", comment)]
        more += [f"  accept: {flow_list(sorted(photos.accepted))}"] if photos.accepted else []
    trial = tried(_text(kind, home, lines, more, None), home)
    if trial.used * 2 < trial.rows:
        return None
    return Draft(text=_text(kind, home, lines, more, trial), notes=(*notes, *notes_of(trial)))


def plain_draft(kind: Kind, home: Path, notes: list[str]) -> Draft:
    """The draft of rows that are conversations, or questions, already. Raises SourceError where none can be used."""
    lines = _source_lines(kind, home)
    more: list[str] = []
    if kind.type == "conversations":
        root = _root(kind, _recipe(_text(kind, home, lines, more, None), home))
        more = ["images:", commented(f"  root: {scalar(relative(root[0], home))}", root[1])] if root else []
    trial = tried(_text(kind, home, lines, more, None), home)
    refuse_useless(kind.path, trial)
    return Draft(text=_text(kind, home, lines, more, trial), notes=(*notes, *notes_of(trial)))


def _named_lines(kind: Kind, home: Path) -> list[Line]:
    path = scalar(relative(kind.path, home))
    return [(f"type: {kind.type}", ""), (f"path: {path}", "relative to this file, as every path here")]


def _source_lines(kind: Kind, home: Path) -> list[Line]:
    lines = _named_lines(kind, home)
    if kind.type == "mmiu":
        lines[-1] = (lines[-1][0], "the folder with the Parquet file and the zips")
    if kind.type == "conversations":
        name = format_of(kind)
        lines.append((f"format: {name or 'auto'}", "as the first rows have it" if name else "each row's own"))
    return lines


def _text(kind: Kind, home: Path, lines: Sequence[Line], more: Sequence[str], trial: Trial | None) -> str:
    """The recipe, with `more` lines behind its source; a first one, without counts, where there was no trial yet."""
    rows = f"{trial.rows:,} rows{'' if trial.whole else ' looked at'}" if trial is not None else ""
    made = [*head(dataset_name(kind.path), shown_name(kind.path, home), rows), "", *source_lines(lines), ""]
    made += [*more, ""] if more else []
    return "\n".join([*made, *tail(allowed(trial) if trial is not None else ("10%", ""))]) + "\n"


def _root(kind: Kind, recipe: Recipe) -> tuple[Path, str] | None:
    """The folder or zip file below which most of the rows' images are, and how many; None where they name none."""
    names = [name for name in spread(list(_references(recipe)), MAX_REFERENCES) if "://" not in name]
    if not names:
        return None
    start = (kind.path if kind.path.is_dir() else kind.path.parent).resolve()
    near = dict.fromkeys((*folders_below(start), *folders_below(start.parent, depth=3, most=500)))
    best, found = start, 0
    for root in (*near, *zips_of_photos(list(near))):
        lookup = LOOKUP.exactly(root)
        if any(lookup(name) is not None for name in spread(names, QUICK)):
            hits = sum(lookup(name) is not None for name in names)
            best, found = (root, hits) if hits > found else (best, found)
    return best, f"{found:,} of {len(names):,} references name a file below it"


def _references(recipe: Recipe) -> Iterator[str]:
    """The paths and addresses that the first rows name."""
    tools = Tools(warn=_nothing, changed=_nothing, matching=lambda _: ())
    convert = converter_for(recipe, tools)
    with entries_of(open_source(recipe.source)) as entries:
        for entry in islice(entries, MAX_ROWS):
            for made in convert(entry) if isinstance(entry, RawRecord) else ():
                if isinstance(made, Conversation):
                    yield from (name for name in made.images if isinstance(name, str) and name[:5].lower() != "data:")


def _nothing(_: object) -> None:
    """Warnings and changes of a look are nobody's."""


def tried(text: str, home: Path) -> Trial:
    """A drafted recipe tried out."""
    recipe = _recipe(text, home)
    return try_out(recipe, open_source(recipe.source))


def _recipe(text: str, home: Path) -> Recipe:
    return recipe_from(yaml.safe_load(text), home)


def refuse_useless(path: Path, trial: Trial) -> None:
    """Raise SourceError where not one row could be used, so that no recipe would build."""
    if not trial.used:
        rules = counted(trial.by_rule + trial.unreadable)
        raise SourceError(f"{path.name}: not one of {trial.rows:,} rows could be used ({rules}); mend them first")


def counted(rules: Counter[str]) -> str:
    """`images.missing 7, text.empty 3`."""
    return ", ".join(f"{rule} {count:,}" for rule, count in sorted(rules.items()))


def notes_of(trial: Trial) -> list[str]:
    """What a trial shows that a person should know."""
    max_rejected, why = allowed(trial)
    return [f"max_rejected is {max_rejected}: {why}"] if max_rejected != "10%" else []


def dataset_name(path: Path) -> str:
    """A dataset's name from its file's, or its folder's."""
    stem = path.resolve().name if path.is_dir() else path.stem
    return re.sub(r"[^\w]+", "-", stem).strip("-_").lower() or "dataset"


def shown_name(path: Path, home: Path) -> str:
    """A path as a draft names it: relative to the recipe, or a folder's own name where the recipe stands in it."""
    name = relative(path, home)
    return path.resolve().name if name == "." else name


def relative(path: Path, home: Path) -> str:
    """A path from a folder, with forward slashes. Only the folder's links are followed, not the file's own."""
    whole = Path(os.path.realpath(path.parent)) / path.name if path.is_file() else Path(os.path.realpath(path))
    return Path(os.path.relpath(whole, os.path.realpath(home))).as_posix()
