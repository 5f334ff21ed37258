"""Recipes for rows that need no templates, since they are conversations or questions; and what every draft needs."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import yaml

from vlmdata.conversation_options import DATASET_INFO, ELSEWHERE, holds_dataset_info
from vlmdata.convert import converter_for
from vlmdata.draft.kinds import Kind
from vlmdata.draft.photos import folders_below, spread
from vlmdata.draft.questions import find_questions
from vlmdata.draft.writing import Line, head, source_lines, tail
from vlmdata.draft.yaml_text import commented, flow_list, quoted, scalar
from vlmdata.drafting_tables import LOOKUP, LookedAt, entries_of, format_of, photo_folders_beside, with_lists_read
from vlmdata.errors import ConfigError, SourceError
from vlmdata.photo_lookup import zips_of_photos
from vlmdata.protocols import Tools
from vlmdata.recipe import Recipe, recipe_from
from vlmdata.record import Conversation, RawRecord
from vlmdata.source import open_source
from vlmdata.trial import Trial, allowed, try_out
from vlmdata.words import plural

MAX_ROWS = 300
MAX_REFERENCES = 300
QUICK = 24
MOST_REJECTED = 0.5
NO_PROMPT = "import.no_prompt"
PROMPT = "Describe the image."


@dataclass(frozen=True, slots=True)
class Draft:
    """A recipe's text, and what a person should know of how it came about."""

    text: str
    notes: tuple[str, ...]


def question_draft(looked: LookedAt, home: Path, notes: list[str]) -> Draft | None:
    """The draft of a table of questions with options over images; None where it is none, or would not build so."""
    looked = with_lists_read(looked)
    photos = looked.photos
    found = find_questions(looked.whole_columns, photos) if photos is not None else None
    if found is None or photos is None:
        return None
    if not looked.is_plain:
        notes.append(
            "these seem to be questions with options over images, which the source multi_image reads from Parquet, "
            f"JSON, JSON Lines, and CSV in UTF-8 with commas, and not from {looked.path.name!r} as it is: save it so, "
            "and draft again; this draft leaves the options out"
        )
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


def plain_draft(kind: Kind, home: Path, notes: list[str], folders: Sequence[Path] = ()) -> Draft:
    """The draft of rows that are conversations, or questions, already; images are looked for below `folders` too.

    Raises SourceError where none can be used, ConfigError where a dataset_info.json has several entries that can.
    """
    kind = _with_entry(kind, home)
    lines = _source_lines(kind, home)
    more: list[str] = []
    if kind.type == "conversations":
        root = _root(kind, _recipe(_text(kind, home, lines, more, None), home), folders)
        more = ["images:", commented(f"  root: {scalar(relative(root[0], home))}", root[1])] if root else []
        notes += outside_notes([root[0]] if root else [], kind.path, folders)
    trial = tried(_text(kind, home, lines, more, None), home)
    if 2 * trial.by_rule[NO_PROMPT] > trial.rows:
        lines.append((f"prompt: {quoted(PROMPT)}", "the samples hold captions and no question: each is asked this"))
        trial = tried(_text(kind, home, lines, more, None), home)
    refuse_useless(kind.path, trial)
    return Draft(text=_text(kind, home, lines, more, trial), notes=(*notes, *notes_of(trial)))


def _with_entry(kind: Kind, home: Path) -> Kind:
    """A source with the entry of its dataset_info.json that can be used. Raises ConfigError where several can."""
    if kind.type != "conversations" or not holds_dataset_info(kind.path):
        return kind
    entries = info_entries(kind.path)
    if not entries:
        raise ConfigError(
            f"{kind.path}: no entry of its dataset_info.json has its file here; download one and set its file_name, or "
            "name the file of conversations itself"
        )
    if len(entries) == 1:
        return kind
    each = {name: replace(kind, options={"dataset": name}) for name in entries}
    able = [name for name, of_one in each.items() if _can_be_used(of_one, home)]
    if len(able) == 1:
        return each[able[0]]
    found = f"{len(able)} entries that can be used" if able else "no entry that can be used, of those with a file here"
    names = ", ".join(map(repr, (able or entries)[:20]))
    raise ConfigError(
        f"{kind.path}: its dataset_info.json has {found}: {names}; write a recipe that names one, "
        f"source: {{type: conversations, path: {scalar(relative(kind.path, home))}, dataset: {(able or entries)[0]}}}, "
        "or draft from the file of one"
    )


def info_entries(path: Path) -> list[str]:
    """The names of a dataset_info.json's entries whose file is there."""
    file = path / DATASET_INFO if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return []
    found = data.items() if isinstance(data, dict) else ()
    entries = [(name, entry) for name, entry in found if isinstance(entry, dict) and not set(ELSEWHERE) & set(entry)]
    named = [(name, entry.get("file_name")) for name, entry in entries]
    return [name for name, place in named if isinstance(place, str) and (file.parent / place).exists()]


def _can_be_used(kind: Kind, home: Path) -> bool:
    """Whether a conversation can be made of the first rows; their images are not looked for yet."""
    try:
        lines = _source_lines(kind, home)
        recipe = _recipe(_text(kind, home, lines, (), None), home)
        return next(_conversations(recipe), None) is not None
    except (SourceError, ConfigError):
        return False


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
        if "dataset" in kind.options:
            lines.append((f"dataset: {scalar(kind.options['dataset'])}", "the entry of dataset_info.json that is read"))
    return lines


def _text(kind: Kind, home: Path, lines: Sequence[Line], more: Sequence[str], trial: Trial | None) -> str:
    """The recipe, with `more` lines behind its source; a first one, without counts, where there was no trial yet."""
    rows = f"{plural(trial.rows, 'row')}{'' if trial.whole else ' looked at'}" if trial is not None else ""
    made = [*head(dataset_name(kind.path), shown_name(kind.path, home), rows), "", *source_lines(lines), ""]
    made += [*more, ""] if more else []
    return "\n".join([*made, *tail(allowed(trial) if trial is not None else ("10%", ""))]) + "\n"


def _root(kind: Kind, recipe: Recipe, folders: Sequence[Path]) -> tuple[Path, str] | None:
    """The folder or zip file below which most of the rows' images are, and how many; None where they name none."""
    names = [name for name in spread(list(_references(recipe)), MAX_REFERENCES) if "://" not in name]
    if not names:
        return None
    start = (kind.path if kind.path.is_dir() else kind.path.parent).resolve()
    starts = dict.fromkeys((start, *(folder.resolve() for folder in folders)))
    near = dict.fromkeys(below for each in starts for below in folders_below(each))
    near |= dict.fromkeys(photo_folders_beside(start))
    best, found = start, 0
    for root in (*near, *zips_of_photos(list(near))):
        lookup = LOOKUP.exactly(root)
        if any(lookup(name) is not None for name in spread(names, QUICK)):
            hits = sum(lookup(name) is not None for name in names)
            best, found = (root, hits) if hits > found else (best, found)
    return best, f"{found:,} of {len(names):,} references name a file below it"


def outside_notes(roots: Sequence[Path], path: Path, named: Sequence[Path]) -> list[str]:
    """A note for each root of images that is neither below the folder of the rows nor below one that was named."""
    near = (path if path.is_dir() else path.parent).resolve()
    inside = [near, *(folder.resolve() for folder in named)]
    outside = [root for root in map(Path.resolve, roots) if not any(map(root.is_relative_to, inside))]
    return [
        f"LOOK: the photos are outside the table's folder, in {relative(root, near)!r} as seen from it: {root}; "
        "make sure that they belong to it, or take `images.root` out"
        for root in outside
    ]


def _references(recipe: Recipe) -> Iterator[str]:
    """The paths and addresses that the first rows name."""
    for made in _conversations(recipe):
        yield from (name for name in made.images if isinstance(name, str) and name[:5].lower() != "data:")


def _conversations(recipe: Recipe) -> Iterator[Conversation]:
    """The conversations of the first rows."""
    tools = Tools(warn=_nothing, changed=_nothing, matching=lambda _: ())
    convert = converter_for(recipe, tools)
    with entries_of(open_source(recipe.source)) as entries:
        for entry in islice(entries, MAX_ROWS):
            for made in convert(entry) if isinstance(entry, RawRecord) else ():
                if isinstance(made, Conversation):
                    yield made


def _nothing(_: object) -> None:
    """Warnings and changes of a look are nobody's."""


def tried(text: str, home: Path) -> Trial:
    """A drafted recipe tried out."""
    recipe = _recipe(text, home)
    return try_out(recipe, open_source(recipe.source))


def _recipe(text: str, home: Path) -> Recipe:
    """A drafted recipe. Where its folder is still to be made, no path leads through it."""
    recipe = recipe_from(yaml.safe_load(text), home)
    if home.is_dir():
        return recipe
    source = replace(recipe.source, path=_without_steps_up(recipe.source.path))
    roots = tuple(map(_without_steps_up, recipe.images.roots))
    return replace(recipe, source=source, images=replace(recipe.images, roots=roots))


def _without_steps_up(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


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
    if trial.share > MOST_REJECTED:
        rules = counted(trial.by_rule + trial.unreadable)
        return [
            f"LOOK: MOST ROWS WILL BE REJECTED, about {100 * trial.share:.0f}% ({rules}): mend the source first; "
            f"max_rejected is {max_rejected}, so that it builds at all"
        ]
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
