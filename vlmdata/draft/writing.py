"""A recipe as commented YAML, from what was found in a catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vlmdata.draft.addresses import Addresses
from vlmdata.draft.photos import PhotoColumn, PhotoPattern, Photos
from vlmdata.draft.roles import Answer, Roles
from vlmdata.draft.table import Column
from vlmdata.draft.tidying import Tidying
from vlmdata.draft.words import LANGUAGES
from vlmdata.draft.yaml_text import (
    commented,
    flow_list,
    label,
    path_in_template,
    printable,
    printed,
    quoted,
    scalar,
)

MOST_HOSTS = 20
Line = tuple[str, str]
"""A line of YAML, and the comment behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that a draft says. `source` are the lines below `source:`; `roots` are relative to the recipe, with forward
    slashes, and empty where the recipe need not name them; `language` is what to know of the texts', where there is
    something; reasons are a few words each."""

    name: str
    path: str
    rows: str
    source: Sequence[Line]
    nulls: tuple[str, ...]
    roles: Roles
    photos: Photos | None
    roots: tuple[str, ...]
    instruction: str
    min_images: int
    where: bool
    language: str = ""
    tidying: Sequence[Tidying] = ()
    addresses: Sequence[Addresses] = ()
    folder_split: bool = False
    max_rejected: Line = ("10%", "")


def recipe_text(found: Found) -> str:
    """The whole recipe. The same findings give the same text."""
    lines = [
        *head(found.name, found.path, found.rows, network=not found.addresses),
        *_network(found.addresses),
        "",
        *_source(found),
        "",
        *_identity(found.roles),
        *_tidying(found.tidying),
        *_images(found),
        *_kept(found.roles),
        "",
        *_conversations(found),
        "",
        *_folder_split(found),
        *tail(found.max_rejected),
    ]
    return "\n".join(lines) + "\n"


def _folder_split(found: Found) -> Iterator[str]:
    """That folders such as train and val are not the splits that are made."""
    if found.folder_split:
        yield "# The column `split` holds the split that the folders are called after (train, validation, test). What"
        yield "# follows divides all images anew; to use one folder's alone: where: \"split == 'train'\" below source."


def tail(max_rejected: Line) -> Iterator[str]:
    """The splits, and how many rows may be rejected."""
    yield commented(
        "split: {train: 0.8, validation: 0.1, test: 0.1, seed: 1}", "by whole groups; the seed decides which"
    )
    yield commented(f"max_rejected: {max_rejected[0]}", max_rejected[1])


def source_lines(lines: Iterable[Line]) -> Iterator[str]:
    """The lines below `source:`, with their comments."""
    yield "source:"
    for line, comment in lines:
        yield commented(f"  {line}", comment)


def head(name: str, path: str, rows: str, *, network: bool = True) -> Iterator[str]:
    """What was looked at, and the dataset's name."""
    yield f"# Drafted from {printable(path)} ({rows}). It builds as it is; change what you know better."
    yield "contract: record.v1"
    yield "dataset:"
    yield commented(f"  name: {scalar(name)}", "for the dataset's card, as `license:` and `source:` are")
    if network:
        yield commented("network: none", "nothing is downloaded")


def _network(addresses: Sequence[Addresses]) -> Iterator[str]:
    """`network: none`, and how it would be otherwise, where columns hold addresses."""
    if not addresses:
        return
    hosts = sum((each.hosts for each in addresses), Counter[str]())
    listed = flow_list([host for host, _ in hosts.most_common(MOST_HOSTS)])
    yield commented("network: none", "nothing is downloaded; the photos' addresses are not used")
    yield f"# To download the photos ({hosts.total():,} addresses were seen), put in its place:"
    yield f"# network: {printable(listed)}"
    if len(hosts) > MOST_HOSTS:
        yield f"# and {len(hosts) - MOST_HOSTS:,} hosts more"


def _source(found: Found) -> Iterator[str]:
    yield from source_lines(found.source)
    if found.nulls:
        yield commented(f"  nulls: {flow_list(['', *found.nulls])}", "cells that stand for a missing value")
    yield from _where(found)


def _where(found: Found) -> Iterator[str]:
    roles = found.roles
    answer = roles.answers[0].column
    if found.where:
        condition = f"{path_in_template(answer.path)} is not none"
        comment = f"{_percent(1 - answer.filled)} of the rows have no text to learn: they are skipped, and counted"
        yield commented(f"  where: {quoted(condition)}", comment)
    also = f"{path_in_template(answer.path)} is not none and " if found.where else ""
    for flag in roles.flags:
        first = "the first" if len(flag.used) == 1 else f"the first {len(flag.used)}"
        yield f"  # The column {printable(flag.column.name)!r} holds {printable(flag.counted)}. To use {first} alone:"
        yield f"  # where: {quoted(also + flag.condition)}"


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


def _tidying(tidying: Sequence[Tidying]) -> Iterator[str]:
    if not tidying:
        return
    yield "# Texts can be tidied before they are used, each change counted. To do so, uncomment:"
    yield "# clean:"
    for each in tidying:
        yield commented(f"#   {scalar(each.column)}: {flow_list(list(each.counts))}", each.words)


def _images(found: Found) -> Iterator[str]:
    photos = found.photos
    if photos is None:
        if found.addresses:
            yield "# images:"
            yield from _places("#   ", [_address_place(each) for each in found.addresses])
        else:
            yield "# No column names image files that are there: the conversations are of text alone."
        return
    yield "images:"
    if found.roots:
        comment = f"{photos.found:,} of {photos.total:,} references name a file below it"
        if isinstance(photos.places[0], PhotoPattern):
            comment = f"{photos.places[0].found:,} of {photos.places[0].total:,} rows have photos below it"
        root = scalar(found.roots[0]) if len(found.roots) == 1 else flow_list(list(found.roots))
        yield commented(f"  root: {root}", comment)
    yield from _places("  ", [_place(place) for place in photos.places])
    if photos.accepted:
        counts = ", ".join(f"{way} {count:,}" for way, count in sorted(photos.accepted.items()))
        comment = f"names that differ from their files': {counts}; let through, and counted"
        yield commented(f"  accept: {flow_list(sorted(photos.accepted))}", comment)
    if not found.min_images:
        yield commented("  min: 0", "many rows have no photo, and are kept; 1 would reject them")
    for name, reason in photos.left_out:
        yield f"  # left out: {printable(name)!r}, {printable(reason)}"


def _places(indent: str, places: Sequence[Line]) -> Iterator[str]:
    if len(places) == 1:
        yield commented(f"{indent}from: {places[0][0]}", places[0][1])
        return
    yield f"{indent}from:"
    for line, comment in places:
        yield commented(f"{indent}  - {line}", comment)


def _place(place: PhotoColumn | PhotoPattern) -> Line:
    if isinstance(place, PhotoPattern):
        words = "a folder of photos a row" if place.kind == "folder" else "files whose names begin with the row's value"
        return f"{{{place.kind}: {quoted(place.text)}}}", words
    several = place.separator or any(isinstance(v, list | tuple) and len(v) > 1 for v in place.column.values)
    kind = "several photos a cell" if several else "one photo a cell"
    missing = place.total - place.found
    return _column(place.column, place.separator), (
        f"{kind}; rejected, since not found: {missing:,}" if missing else kind
    )


def _address_place(addresses: Addresses) -> Line:
    return _column(addresses.column, addresses.separator), f"{addresses.hosts.total():,} addresses"


def _column(column: Column, separator: str | None) -> str:
    name = scalar(column.name)
    return f"{{column: {name}, separator: {quoted(separator)}}}" if separator else name


def _kept(roles: Roles) -> Iterator[str]:
    fields = [column.name for column in roles.facts if column.has_name]
    if fields:
        comment = "for evaluation, which looks for them in answers: keep those that the texts say"
        yield commented(f"fields: {flow_list(fields)}", comment)
    if roles.tags:
        comment = "few different values: evaluation is sliced by them"
        yield commented(f"tags: {flow_list([column.name for column in roles.tags])}", comment)


def _conversations(found: Found) -> Iterator[str]:
    roles = found.roles
    if found.photos is not None and roles.question is None and roles.facts:
        yield "# What the photo shows, a colour say, can leave the prompt: without its line the model must look."
    if found.language and roles.question is None:
        yield f"# {found.language}"
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
    elif found.addresses:
        yield commented("      # - images", "uncomment this too, where photos are downloaded")
    yield "      - |"
    for line in _prompt(found, answer):
        yield f"        {line}"
    comment = f"the text to learn, {answer.column.mean_length:,.0f} characters on average"
    yield commented(f"    assistant: {quoted(printed(*answer.column.path))}", comment)


def _prompt(found: Found, answer: Answer) -> Iterator[str]:
    """The instruction or the row's own question, then a line for each fact; a line without a value is left out."""
    roles = found.roles
    if roles.question is not None:
        yield printed(*roles.question.path)
    else:
        instruction = found.instruction
        yield f"{instruction.rstrip('.?')} in {LANGUAGES[answer.language]}." if answer.language else instruction
    lines: Sequence[Column] = (answer.title, *roles.facts) if answer.title is not None else roles.facts
    for column in lines:
        yield f"{label(column.path[-1])}: {printed(*column.path)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
