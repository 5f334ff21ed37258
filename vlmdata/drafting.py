"""A recipe drafted from a catalog, a folder of images, or conversations: what was found, with reasons."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vlmdata.convert.cleaning import STEPS
from vlmdata.draft.addresses import find_addresses
from vlmdata.draft.kinds import TABLES, Kind, kinds_of
from vlmdata.draft.language import IMAGE, LABEL, PRODUCT, instruction
from vlmdata.draft.photos import Photos
from vlmdata.draft.roles import Roles, assign
from vlmdata.draft.table import Column
from vlmdata.draft.tidying import proposed
from vlmdata.draft.unfound import unfound_photos
from vlmdata.draft.writing import Found, recipe_text
from vlmdata.drafting_options import options_of
from vlmdata.drafting_plain import (
    Draft,
    counted,
    dataset_name,
    notes_of,
    outside_notes,
    plain_draft,
    question_draft,
    refuse_useless,
    relative,
    shown_name,
    tried,
)
from vlmdata.drafting_tables import LOOKUP, LookedAt, is_of_conversations, look_at
from vlmdata.errors import ConfigError, SourceError
from vlmdata.recipe import SourceConfig
from vlmdata.record import InlineImage
from vlmdata.settings import near_file
from vlmdata.source import FOLDERS, open_source
from vlmdata.trial import Trial, allowed
from vlmdata.words import plural

MAX_FILES = 20
MAX_LABELS = 1_000
FOLDER_TAGS = ("label", "split")
NO_TEXT = "add such a column, or write a recipe by hand"


def draft_recipe(source: str | Path, *, recipe_folder: Path | None = None) -> Draft:
    """Draft a recipe for a table, a folder of images, conversations, or a folder with one of these; it builds as it is.

    The recipe's paths are relative to `recipe_folder`, by default `source` itself, or the folder of a file. Raises
    SourceError for a file that can't be read, has no rows or no text to learn, ConfigError for a folder in which
    nothing, or no one thing, is found to draft from.
    """
    source = Path(source)
    if not source.exists():
        raise SourceError(f"{source}: there is no such file or folder{_meant(source)}")
    home = recipe_folder or (source if source.is_dir() else source.parent)
    chosen, notes = _chosen(source)
    if isinstance(chosen, LookedAt):
        return _table_draft(chosen, home, notes)
    return plain_draft(chosen, home, notes, [source] if source.is_dir() else [])


def _meant(source: Path) -> str:
    """What a path that is not there may have been meant for."""
    near = near_file(source)
    if near or source.is_absolute() or len(source.parts) != 2 or source.suffix in TABLES:
        return near
    return "; for a dataset of the Hugging Face Hub, add --hub"


def _chosen(source: Path) -> tuple[LookedAt | Kind, list[str]]:
    """What a path means, looked at where it is a table, and a note where it had to be chosen."""
    kinds = kinds_of(source)
    if not kinds:
        endings = ", ".join(TABLES)
        raise ConfigError(
            f"{source}: no table ({endings}), no conversations and no images with captions or in folders by label "
            "were found in this folder; name the file"
        )
    if len(kinds) == 1:
        return _one(kinds[0], source), []
    listed = ", ".join(repr(relative(kind.path, source)) for kind in kinds[:MAX_FILES])
    conversations = [kind for kind in kinds if is_of_conversations(kind)]
    if len(conversations) == len(kinds):
        return Kind(type="conversations", path=source), []
    if conversations:
        raise ConfigError(
            f"{source}: tables and conversations stand side by side: {listed}; name the one to draft from"
        )
    if _are_shards(kinds):
        folder = Path(os.path.commonpath([kind.path.parent for kind in kinds]))
        of_all = look_at(Kind(type=kinds[0].type, path=folder), [folder, source])
        words = f"the {len(kinds)} tables in it have the same columns, and are read as one"
        return of_all, [f"{shown_name(folder, source)!r}: {words}: {listed}; name one to draft from it alone"]
    with_photos = [looked for kind in kinds[:MAX_FILES] if (looked := _look_for_photos(kind, source)) is not None]
    if len(with_photos) != 1:
        which = "none of them names photos" if not with_photos else f"{len(with_photos)} of them name photos"
        raise ConfigError(f"{source}: {len(kinds)} tables, and {which}: {listed}; name the one to draft from")
    note = f"{relative(with_photos[0].path, source)!r} was taken, the only one of {len(kinds)} tables that names photos"
    return with_photos[0], [note]


def _are_shards(kinds: Sequence[Kind]) -> bool:
    """Whether these are all the tables of a folder, written in one way and with the same columns."""
    types = {kind.type for kind in kinds}
    if len(types) > 1 or not types <= {"parquet", *FOLDERS}:
        return False
    folder = Path(os.path.commonpath([kind.path.parent for kind in kinds]))
    try:
        options = [options_of(kind)[0] for kind in kinds]
        if any(each != options[0] for each in options):
            return False
        source = open_source(SourceConfig(type=kinds[0].type, path=folder, options=options[0]))
        if set(source.files) != {kind.path for kind in kinds}:
            return False
        each = (open_source(SourceConfig(type=kind.type, path=kind.path, options=options[0])) for kind in kinds)
        return len({tuple(one.columns) for one in each}) == 1
    except SourceError:
        return False


def _one(kind: Kind, source: Path) -> LookedAt | Kind:
    if kind.type in {"conversations", "mmiu"}:
        return kind
    if is_of_conversations(kind):
        return Kind(type="conversations", path=kind.path)
    return look_at(kind, [kind.path.parent, source] if source.is_dir() else [kind.path.parent])


def _look_for_photos(kind: Kind, folder: Path) -> LookedAt | None:
    """The table where it can be read and names photos."""
    try:
        looked = look_at(kind, [kind.path.parent, folder])
    except SourceError:
        return None
    return looked if looked.photos is not None else None


def _table_draft(looked: LookedAt, home: Path, notes: list[str]) -> Draft:
    """The draft of rows that need templates, or of a benchmark's questions."""
    of_questions = question_draft(looked, home, notes)
    if of_questions is not None:
        return of_questions
    roles = _roles(looked)
    photos, folder_split = looked.photos, looked.type == "image_folder" and "split" in looked.table.columns
    used = photos.named if photos is not None else set()
    texts = [answer.column for answer in roles.answers]
    asked, language = instruction(_subject(looked, roles), () if len(texts) > 1 else texts[0].values)
    found = Found(
        name=dataset_name(looked.path),
        path=shown_name(looked.path, home),
        rows="",
        source=looked.source_lines(relative(looked.path, home)),
        nulls=looked.nulls,
        roles=roles,
        photos=photos,
        roots=_roots(looked, home),
        instruction=asked,
        language=language,
        min_images=int(photos is not None and _no_photo_share(photos) <= 0.1),
        where=max((1 - text.filled for text in texts), default=0.0) > 0.03,
        tidying=proposed([each for each in (*texts, *_others(roles)) if len(each.path) == 1], STEPS),
        folder_split=folder_split,
        addresses=find_addresses(looked.named_columns, used, LOOKUP),
    )
    trial = tried(recipe_text(found), home)
    if not trial.used and photos is not None:
        notes += [f"the photos are left out, since not one row could be used with them: {counted(trial.by_rule)}"]
        return _table_draft(replace(looked, photos=None), home, notes)
    refuse_useless(looked.path, trial)
    rows = f"{plural(looked.rows, 'row')}{'' if trial.whole else ' looked at'}, {len(looked.table.columns)} columns"
    notes += _notes(looked, found, trial)
    text = recipe_text(replace(found, rows=rows, max_rejected=allowed(trial)))
    return Draft(text=text, notes=(*notes, *notes_of(trial)))


def _roots(looked: LookedAt, home: Path) -> tuple[str, ...]:
    """The image roots that a recipe must name: a folder of images is its own."""
    if looked.photos is None or (looked.type == "image_folder" and looked.photos.roots == (looked.path,)):
        return ()
    return tuple(relative(root, home) for root in looked.photos.roots)


def _subject(looked: LookedAt, roles: Roles) -> str:
    """What a row is about, for the prompt."""
    if looked.type != "image_folder":
        return PRODUCT
    return LABEL if roles.answers[0].column.name == "label" else IMAGE


def _others(roles: Roles) -> list[Column]:
    titles = [answer.title for answer in roles.answers]
    return list({each.name: each for each in (*titles, roles.question, *roles.facts) if each is not None}.values())


def _no_photo_share(photos: Photos) -> float:
    return sum(not entries for entries in photos.rows) / len(photos.rows) if photos.rows else 0.0


def _roles(looked: LookedAt) -> Roles:
    """What the columns are for. Raises SourceError where none holds text to learn."""
    taken = looked.photos.named if looked.photos is not None else set()
    taken |= {"split"} if looked.type == "image_folder" else set()
    rest = [column for column in looked.columns if column.name not in taken and column.nested < 0.5]
    roles = assign(rest, has_photos=looked.photos is not None)
    if roles.id is None and looked.type == "image_folder":
        roles = replace(roles, id=next((c for c in looked.columns if c.name == "file_name" and c.unique == 1), None))
    if looked.type == "image_folder":
        few = [c for c in looked.columns if c.name in FOLDER_TAGS and 2 <= c.distinct <= MAX_LABELS and c.filled > 0.5]
        roles = replace(roles, tags=tuple(dict.fromkeys((*few, *roles.tags))))
    if not roles.answers:
        names = ", ".join(repr(column.name) for column in looked.whole_columns[:12])
        message = f"{looked.path.name}: no column holds texts to learn, such as a description"
        raise SourceError(f"{message}; found {names}; {NO_TEXT}")
    return roles


def _notes(looked: LookedAt, found: Found, trial: Trial) -> list[str]:
    """What a person should know and the recipe's comments do not say."""
    photos = looked.photos
    used = photos.named if photos is not None else set()
    notes = list(unfound_photos(looked.named_columns, used))
    if photos is None:
        notes.append("no image column was found: the draft is of text alone")
    notes += outside_notes(photos.roots, looked.path, looked.folders) if photos is not None else []
    if trial.damaged:
        notes.append(f"photos that are damaged, of those tried, and whose rows are rejected: {trial.damaged:,}")
    if trial.unreadable:
        notes.append(f"rows that can't be read and will be rejected: {counted(trial.unreadable)}")
    notes += [
        f"the texts of {answer.column.name!r} hold HTML tags, which the model would learn: see `clean` in the recipe"
        for answer in found.roles.answers
        if answer.column.html > 0.1
    ]
    notes += [
        f"the texts of {each.column!r} hold garbled letters ({each.counts['mojibake']:,} of {each.texts:,}), which the "
        "model would learn: see `clean` in the recipe"
        for each in found.tidying
        if "mojibake" in each.counts
    ]
    if photos is not None and found.roles.group is None and (shared := _shared_photos(photos)):
        notes.append(f"photos that stand in several rows, which no column groups, and may reach two splits: {shared:,}")
    return notes


def _shared_photos(photos: Photos) -> int:
    """Photos of several rows: of one name, or of the same bytes where the rows hold them."""
    counted = Counter(
        name
        for entries in photos.rows
        for name in dict.fromkeys(each.data if isinstance(each, InlineImage) else each for each in entries)
    )
    return sum(count > 1 for count in counted.values())
