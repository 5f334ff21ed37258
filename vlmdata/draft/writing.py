"""A recipe as commented YAML, from what was found in a catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlmdata.draft.photos import PhotoColumn, Photos
from vlmdata.draft.roles import Answer, Roles
from vlmdata.draft.table import Column
from vlmdata.draft.words import LANGUAGES
from vlmdata.draft.yaml_text import (
    commented,
    flow_list,
    label,
    literal,
    name_in_template,
    printable,
    printed,
    quoted,
    scalar,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that a draft says. Paths are relative to the recipe, with forward slashes; reasons are a few words each."""

    name: str
    path: str
    encoding: tuple[str, str]
    delimiter: tuple[str, str]
    quote: str
    rows: str
    nulls: tuple[str, ...]
    roles: Roles
    photos: Photos | None
    root: str
    without_photos: str
    min_images: int
    where: bool
    max_rejected: tuple[str, str]


def recipe_text(found: Found) -> str:
    """The whole recipe. The same findings give the same text."""
    lines = [
        *_head(found),
        "",
        *_source(found),
        "",
        *_identity(found.roles),
        *_images(found),
        *_kept(found.roles),
        "",
        *_conversations(found),
        "",
        commented(
            "split: {train: 0.8, validation: 0.1, test: 0.1, seed: 1}", "by whole groups; the seed decides which"
        ),
        commented(f"max_rejected: {found.max_rejected[0]}", found.max_rejected[1]),
    ]
    return "\n".join(lines) + "\n"


def _head(found: Found) -> Iterator[str]:
    yield f"# Drafted from {printable(found.path)} ({found.rows}). It builds as it is; change what you know better."
    yield "contract: record.v1"
    yield "dataset:"
    yield commented(f"  name: {scalar(found.name)}", "for the dataset's card, as `license:` and `source:` are")
    yield commented("network: none", "nothing is downloaded")


def _source(found: Found) -> Iterator[str]:
    yield "source:"
    yield "  type: csv"
    yield commented(f"  path: {scalar(found.path)}", "relative to this file, as every path here")
    yield commented(f"  encoding: {scalar(found.encoding[0])}", found.encoding[1])
    yield commented(f"  delimiter: {quoted(found.delimiter[0])}", found.delimiter[1])
    if found.quote == "'":
        yield commented('  quote: "\'"', "cells stand in single quotes")
    elif not found.quote:
        yield commented('  quote: ""', "no cell stands in quotes: they are part of the text")
    if found.nulls:
        yield commented(f"  nulls: {flow_list(['', *found.nulls])}", "cells that stand for a missing value")
    yield from _where(found)


def _where(found: Found) -> Iterator[str]:
    roles = found.roles
    answer = roles.answers[0].column
    if found.where:
        condition = f"{name_in_template(answer.name)} is not none"
        comment = f"{_percent(1 - answer.filled)} of the rows have no text to learn: they are skipped, and counted"
        yield commented(f"  where: {quoted(condition)}", comment)
    flag = roles.flag
    if flag is not None:
        values = " and ".join(f"{value!r} in {count:,} rows" for value, count in flag.most_common)
        also = f"{name_in_template(answer.name)} is not none and " if found.where else ""
        condition = f"{also}{name_in_template(flag.name)} == {literal(flag.most_common[0][0])}"
        yield f"  # The column {printable(flag.name)!r} holds {printable(values)}. To use the first alone:"
        yield f"  # where: {quoted(condition)}"


def _identity(roles: Roles) -> Iterator[str]:
    if roles.id is not None:
        repeated = roles.id.count - roles.id.distinct
        comment = f"names a row; repeats are rejected: {repeated:,}" if repeated else "names a row: no two are alike"
        yield commented(f"id: {scalar(roles.id.name)}", comment)
    else:
        yield "# No column names each row, so a hash of the row does; `id: <column>` would."
    if roles.group is not None:
        comment = f"{roles.group.distinct:,} groups of rows that belong together: never split apart"
        yield commented(f"group: {scalar(roles.group.name)}", comment)


def _images(found: Found) -> Iterator[str]:
    photos = found.photos
    if photos is None:
        yield f"# {printable(found.without_photos)}"
        return
    yield "images:"
    comment = f"{photos.found:,} of {photos.total:,} references name a file below it"
    yield commented(f"  root: {scalar(found.root)}", comment)
    if len(photos.columns) == 1:
        yield commented(f"  from: {_photo_column(photos.columns[0])}", _photo_comment(photos.columns[0]))
    else:
        yield "  from:"
        for column in photos.columns:
            yield commented(f"    - {_photo_column(column)}", _photo_comment(column))
    if not found.min_images:
        yield commented("  min: 0", "many rows have no photo, and are kept; 1 would reject them")
    for name, reason in photos.left_out:
        yield f"  # left out: {printable(name)!r}, {printable(reason)}"


def _photo_column(column: PhotoColumn) -> str:
    name = scalar(column.column.name)
    return f"{{column: {name}, separator: {quoted(column.separator)}}}" if column.separator else name


def _photo_comment(column: PhotoColumn) -> str:
    kind = "several photos a cell" if column.separator else "one photo a cell"
    missing = column.total - column.found
    return f"{kind}; rejected, since not found: {missing:,}" if missing else kind


def _kept(roles: Roles) -> Iterator[str]:
    fields = [column.name for column in roles.facts]
    if fields:
        yield commented(f"fields: {flow_list(fields)}", "kept with each row, for evaluation")
    if roles.tags:
        comment = "few different values: evaluation is sliced by them"
        yield commented(f"tags: {flow_list([column.name for column in roles.tags])}", comment)


def _conversations(found: Found) -> Iterator[str]:
    roles = found.roles
    if found.photos is not None and roles.question is None and roles.facts:
        yield "# What the photo shows, a colour say, can leave the prompt: without its line the model must look."
    yield "conversations:"
    for answer in roles.answers:
        yield from _conversation(found, answer)


def _conversation(found: Found, answer: Answer) -> Iterator[str]:
    if answer.language:
        yield f"  - tags: {{language: {quoted(answer.language)}}}"
        yield "    user:"
    else:
        yield "  - user:"
    if found.photos is not None:
        yield commented("      - images", "the row's photos stand here")
    yield "      - |"
    for line in _prompt(found.roles, answer):
        yield f"        {line}"
    comment = f"the text to learn, {answer.column.mean_length:,.0f} characters on average"
    yield commented(f"    assistant: {quoted(printed(answer.column.name))}", comment)


def _prompt(roles: Roles, answer: Answer) -> Iterator[str]:
    """The instruction or the row's own question, then a line for each fact; a line without a value is left out."""
    if roles.question is not None:
        yield printed(roles.question.name)
    else:
        yield f"Describe this product in {LANGUAGES[answer.language]}." if answer.language else "Describe this product."
    lines: Sequence[Column] = (answer.title, *roles.facts) if answer.title is not None else roles.facts
    for column in lines:
        yield f"{label(column.name)}: {printed(column.name)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
