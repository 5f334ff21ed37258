"""What is wrong with a recipe and no schema can say.

Templates that don't compile, shares that don't add up, images that nothing names, paths that no file can have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from vlmdata.contract import schema as schema_of
from vlmdata.describe_problems import describe_problems
from vlmdata.plugins import broken, imported_function, is_plugin, refused
from vlmdata.record import Problem
from vlmdata.settings import Place, Settings, nearest
from vlmdata.split_names import odd_names
from vlmdata.templates import TemplateError, compile_expression, compile_template

IMAGES = "images"
"""The word that stands for a row's images in a list of message parts."""

SPLIT_KEYS = frozenset({"seed", "together", "max_shared", "stratify", "earlier", "bridge"})
"""What a recipe's `split` may say beside the shares, so that no split can be called so."""

LONGEST_NAME, LONGEST_PATH = 255, 4_000
"""The most bytes of a file's name, and about those of a path, that operating systems take."""

WITH_OWN_CONVERSATIONS = ("conversations", "multi_image", "mmiu")
"""Sources whose rows are conversations or questions already, so that a recipe has no templates for them."""


def deeper_problems(settings: Settings) -> list[Problem]:
    """What a schema can't say: templates that don't compile, shares that don't add up, images used without a source."""
    data = settings.data
    found = [
        *_rejected_twice(settings),
        *_path_problems(settings),
        *_dialect_problems(settings),
        *_image_place_problems(settings),
        *describe_problems(settings),
    ]
    found += [*_template_problems(settings), *_split_problems(settings)]
    has_images = bool(data.get("images", {}).get("from"))
    for index, conversation in enumerate(data.get("conversations", [])):
        count = parts_of(conversation["user"]).count(IMAGES)
        place: Place = ("conversations", index, "user")
        if has_images and count == 0:
            message = "the row's images are not in this turn"
            found.append(settings.problem(place, message, rule="recipe.images", hint="put `images` into the list"))
        if not has_images and count and isinstance(conversation["user"], list):
            message = "there are no images: the recipe has no images.from"
            found.append(settings.problem(place, message, rule="recipe.images", hint="name the image columns"))
        if count > 1:
            message = f"`images` stands {count} times in one turn"
            found.append(settings.problem(place, message, rule="recipe.images", hint="put it in once"))
    return found


def has_own_conversations(source: Mapping[str, Any]) -> bool:
    """Whether a source's rows are conversations already: by its type, or by the `format` of a Hub dataset."""
    source = first_source(source)
    kind = source.get("type")
    return kind in WITH_OWN_CONVERSATIONS or (kind == "hub" and "format" in source)


def source_plugin_problems(settings: Settings, *, allowed: bool) -> list[Problem]:
    """What is wrong with a source from outside. Its module is imported where that is allowed."""
    source = settings.data.get("source")
    kind = source.get("type") if isinstance(source, Mapping) else None
    if not isinstance(kind, str) or not is_plugin(kind):
        return []
    named: list[tuple[Place, str]] = [(("source", "type"), kind)]
    return list(refused(settings, named, allowed=allowed)) or list(broken(settings, named, imported_function))


def conversation_problems(settings: Settings) -> Iterator[Problem]:
    """Templates where the rows are conversations already, and none where they are needed."""
    data = settings.data
    source = data.get("source")
    if isinstance(source, dict) and has_own_conversations(source):
        kind = first_source(source)["type"]
        for key in ("conversations", "clean", "describe"):
            if key in data:
                message = f"source.type {kind!r} makes its own conversations"
                yield settings.problem((key,), message, rule="recipe.conversations", hint=f"take `{key}` out")
        if isinstance(data.get("images"), dict) and "from" in data["images"]:
            message = f"source.type {kind!r} knows its own images"
            yield settings.problem(("images", "from"), message, rule="recipe.conversations", hint="take it out")
    elif "conversations" not in data:
        hint = schema_of("recipe.v1")["properties"]["conversations"]["description"]
        yield settings.problem((), "'conversations' is missing", rule="settings.missing_key", hint=hint)


def _image_place_problems(settings: Settings) -> Iterator[Problem]:
    """Globs and folders that are no templates."""
    entries = listed(settings.data.get("images", {}).get("from", []))
    for index, entry in enumerate(entries):
        for key in ("glob", "folder"):
            if isinstance(entry, dict) and key in entry:
                yield from _compiled(settings, ("images", "from", index, key), entry[key], compile_template)


def _rejected_twice(settings: Settings) -> Iterator[Problem]:
    """A rejected.jsonl that is said to be of another: in both are rows of the first recipe's source."""
    if first_source(settings.data["source"]).get("type") == "rejected" and "of" in settings.data["source"]:
        message = "'rejected' is not where the rows were read from first"
        hint = "write the source of the recipe that read them first, such as {type: csv, path: products.csv}"
        yield settings.problem(("source", "of", "type"), message, rule="recipe.rejected", hint=hint)


def _path_problems(settings: Settings) -> Iterator[Problem]:
    """Texts that no file can be called, on which the operating system would give up in words of its own."""
    roots = settings.data.get("images", {}).get("root", [])
    places: list[tuple[Place, str]] = [(("images", "root"), root) for root in listed(roots)]
    source = _known_keys(settings.data["source"])
    places += [(("source", key), source.get(key, "")) for key in ("path", "dataset")]
    places += [(("source", "of", key), source.get("of", {}).get(key, "")) for key in ("path", "dataset")]
    places += [(("describe", key), settings.data.get("describe", {}).get(key, "")) for key in ("journal", "path")]
    places.append((("split", "earlier"), settings.data.get("split", {}).get("earlier", "")))
    for place, path in places:
        if not can_be_a_path(path):
            shown = repr(path) if len(path) < 80 else f"{path[:60]!r} … ({len(path):,} characters)"
            yield settings.problem(place, f"found {shown}, which no file can be called", rule="recipe.path")


def _known_keys(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys of a source that are vlmdata's to look at: of one from outside, its path alone."""
    return {key: source[key] for key in ("path",) if key in source} if is_plugin(source["type"]) else source


def can_be_a_path(path: str) -> bool:
    """Whether a file system could hold a file of this name."""
    try:
        steps = os.fsencode(path).replace(b"\\", b"/").split(b"/")
    except UnicodeEncodeError:
        return False
    return "\0" not in path and len(path) <= LONGEST_PATH and all(len(step) <= LONGEST_NAME for step in steps)


def _dialect_problems(settings: Settings) -> Iterator[Problem]:
    """A delimiter or quote that no row could be read with."""
    source = _known_keys(settings.data["source"])
    for key in ("delimiter", "quote"):
        if source.get(key) in {"\n", "\r", "\0"}:
            yield settings.problem(("source", key), f"found {source[key]!r}, which ends a line or a file")
    if source.get("quote", '"') == source.get("delimiter", ","):
        yield settings.problem(("source", "quote"), "is the delimiter too", hint='"" where cells are not quoted')


def _template_problems(settings: Settings) -> list[Problem]:
    found = []
    where = settings.data["source"].get("where")
    if where is not None:
        found += _compiled(settings, ("source", "where"), where, compile_expression)
    for index, conversation in enumerate(settings.data.get("conversations", [])):
        place: Place = ("conversations", index)
        for key in ("system", "assistant"):
            if key in conversation:
                found += _compiled(settings, (*place, key), conversation[key], compile_template)
        for text in parts_of(conversation["user"]):
            found += _compiled(settings, (*place, "user"), text, compile_template)
        for name, text in conversation.get("tags", {}).items():
            found += _compiled(settings, (*place, "tags", name), text, compile_template)
    return found


def _compiled(settings: Settings, place: Place, text: str, compiler: Any) -> list[Problem]:
    try:
        compiler(text)
    except TemplateError as error:
        return [settings.problem(place, error.message, rule="recipe.template", hint=error.hint)]
    return []


def shares_of(split: Mapping[str, Any]) -> dict[str, float]:
    """The shares of a recipe's splits, without what else stands beside them."""
    return {name: float(share) for name, share in split.items() if name not in SPLIT_KEYS}


def _split_problems(settings: Settings) -> Iterator[Problem]:
    if "split" not in settings.data:
        return
    split = settings.data["split"]
    shares = shares_of(split)
    total = sum(shares.values())
    if not shares:
        yield settings.problem(("split",), "names no split", rule="recipe.split", hint="for example `train: 1.0`")
    elif abs(total - 1) > 1e-6:
        message = f"the shares add up to {total:g}, expected 1"
        yield settings.problem(("split",), message, rule="recipe.split", hint="for example 0.8, 0.1 and 0.1")
    for name, why in odd_names(shares):
        message = f"no split can be called {name!r}: {why}"
        yield settings.problem(("split", name), message, rule="recipe.split", hint="give it another name")
    bridge = split.get("bridge", "reject")
    if bridge != "reject" and bridge not in shares:
        hint = nearest(bridge, ["reject", *shares]) or f"they are {', '.join(shares)}; or `reject`"
        message = f"there is no split {bridge!r} here"
        yield settings.problem(("split", "bridge"), message, rule="recipe.split", hint=hint)
    if "bridge" in split and "earlier" not in split:
        message = "says what becomes of rows between earlier splits, and `earlier` names none"
        yield settings.problem(("split", "bridge"), message, rule="recipe.split", hint="take it out, or add `earlier`")
    yield from _stratify_problems(settings, split)


def _stratify_problems(settings: Settings, split: Mapping[str, Any]) -> Iterator[Problem]:
    """A tag that no row will have, as far as the recipe itself makes the tags."""
    tag, made = split.get("stratify"), settings.data.get("conversations")
    if tag is None or made is None:
        return
    tags = [*settings.data.get("tags", ()), *(name for each in made for name in each.get("tags", {}))]
    if tag not in tags:
        hint = nearest(tag, tags) or (f"the recipe's tags are {', '.join(tags)}" if tags else f"add `tags: [{tag}]`")
        message = f"the recipe makes no tag {tag!r}"
        yield settings.problem(("split", "stratify"), message, rule="recipe.split", hint=hint)


def first_source(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The source that rejected rows were first read from, where the recipe says it; else the source itself."""
    first = source.get("of") if source.get("type") == "rejected" else None
    return first if isinstance(first, dict) else source


def listed(value: Any) -> list[Any]:
    """A list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def parts_of(user: str | list[str]) -> list[str]:
    """A user turn's parts: a plain text has the row's images before it."""
    return [IMAGES, user] if isinstance(user, str) else user
