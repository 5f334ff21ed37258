"""recipe.yaml to frozen dataclasses, with every problem of the file at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vlmdata.check_files import check_data, layered, recipe_layers, rule_plugin_problems, rule_problems
from vlmdata.check_settings import CheckSettings
from vlmdata.contract import CONTRACT
from vlmdata.describe_settings import JOURNAL, DescribeConfig
from vlmdata.errors import ConfigError, RecipeError
from vlmdata.pixels import PIXEL_LIMIT
from vlmdata.plugins import is_plugin
from vlmdata.questions import benchmark_folder, zip_names
from vlmdata.recipe_problems import (
    SPLIT_KEYS,
    conversation_problems,
    deeper_problems,
    first_source,
    listed,
    parts_of,
    shares_of,
    source_plugin_problems,
)
from vlmdata.record import Problem
from vlmdata.settings import Settings, check, nearest, override, read_settings, refuse, to_dataclass

SHIPPED = Path(__file__).parent / "recipes"
"""The recipes that come with vlmdata."""

COMMON_KEYS = frozenset({"type", "path", "where", "limit", "nulls"})
"""What every type of source understands."""

NO_RECIPES = frozenset(
    {
        *(".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow", ".tar", ".zip"),
        *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
    }
)
"""Endings of tables and archives, which people name where a recipe belongs. A recipe may be JSON."""

FOLDER_SOURCES = ("image_folder",)
"""Sources whose path is the folder that their images are in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What the dataset's card says of it."""

    name: str = "dataset"
    license: str = "unknown"
    source: str = ""
    attribution: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Where the rows come from. `nulls` are cell texts, trimmed, that stand for a missing value.

    `type` is the name of one, or `package.module:open_x` for one from outside, which is opened only with leave
    (`allow_plugins`). `options` are the keys that this type of source alone understands; each source declares them as a
    dataclass.
    """

    type: str
    path: Path = Path()
    where: str | None = None
    limit: int | None = None
    nulls: tuple[str, ...] = ("",)
    options: Mapping[str, Any] = field(default_factory=dict)
    allow_plugins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlace:
    """Where a row's images are named: a column (one a cell, or several between separators), a glob, or a folder.

    `glob` and `folder` are templates over the row's values; exactly one of `column`, `glob` and `folder` is given.
    """

    column: str | None = None
    separator: str | None = None
    glob: str | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """The most pixels an image may have, and the quality that a smaller one is encoded with."""

    max_pixels: int
    quality: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert:
    """The format that every image is to have, and the quality that others are encoded with."""

    format: Literal["JPEG", "PNG", "WEBP"]
    quality: int = 90


NameDifference = Literal["case", "extension", "unicode", "backslash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesConfig:
    """Where a row's images are, and what is asked of them. `roots` are folders and zip files, searched in order."""

    roots: tuple[Path, ...] = (Path(),)
    places: tuple[ImagePlace, ...] = ()
    min: int = 1
    max: int | None = None
    over: Literal["reject", "first"] = "reject"
    accept: tuple[NameDifference, ...] = ()
    verify: Literal["full", "header"] = "full"
    pixel_limit: int = PIXEL_LIMIT
    byte_limit: int = 256_000_000
    animated: Literal["first", "reject"] = "first"
    resize: Resize | None = None
    convert: Convert | None = None
    metadata: Literal["keep", "strip_location", "strip"] = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationTemplate:
    """One conversation that each row makes. A part is the word `images` or a Jinja template of text."""

    user: tuple[str, ...]
    assistant: str
    system: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


Link = Literal["group", "image", "near_duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """The shares of the splits, in order, the seed of the groups' order, and what holds rows together.

    An image in more groups than `max_shared` holds none together. Rows of the dataset `earlier` stay in their splits;
    a new one that joins groups of several goes to the split `bridge`, or is rejected.
    """

    shares: Mapping[str, float] = field(default_factory=lambda: {"train": 1.0})
    seed: int = 0
    together: tuple[Link, ...] = ("group", "image", "near_duplicate")
    max_shared: int = 20
    stratify: str | None = None
    earlier: Path | None = None
    bridge: str = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole recipe. Paths are joined to the recipe's folder; `settings` is the file as it was written."""

    settings: Settings
    folder: Path
    source: SourceConfig
    conversations: tuple[ConversationTemplate, ...] = ()
    dataset: DatasetInfo = field(default_factory=DatasetInfo)
    network: tuple[str, ...] = ()
    id: str | None = None
    group: str | None = None
    images: ImagesConfig = field(default_factory=ImagesConfig)
    clean: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    split: SplitConfig = field(default_factory=SplitConfig)
    duplicates: Literal["keep", "drop", "reject"] = "keep"
    describe: DescribeConfig | None = None
    check: CheckSettings = field(default_factory=CheckSettings)
    max_rejected: str | int | float = 0

    @property
    def plugins(self) -> tuple[str, ...]:
        """The code from outside that a build of it runs, its source and its rules; none where it has no leave."""
        if not self.source.allow_plugins:
            return ()
        source = (self.source.type,) if is_plugin(self.source.type) else ()
        return (*source, *self.check.plugins)


def load_recipe(path: str | Path, set: Mapping[str, Any] | None = None, *, allow_plugins: bool = True) -> Recipe:
    """Read a recipe. `set` puts values over the file's (`{"source.limit": 500}`).

    A bare name such as `llava-instruct-mix-vsft`, where there is no such file, is a recipe that comes with vlmdata; its
    paths are relative to the current folder. `allow_plugins` says whether it may name code from outside, which is
    imported then. Raises RecipeError with all problems in `.problems`: YAML, unknown keys, values, templates.
    """
    path = Path(path)
    if path.suffix.lower() in NO_RECIPES and path.exists():
        raise ConfigError(f"{path}: is no recipe; to make one from it: vlmdata init {path.as_posix()}")
    settings, folder = shipped_recipe(path) or (read_settings(path), path.parent)
    settings = override(settings, set or {})
    problems = [*source_plugin_problems(settings, allowed=allow_plugins), *_first_problems(settings, allow_plugins)]
    refuse(settings.source, sorted(problems, key=lambda problem: (problem.line, problem.field)), RecipeError)
    refuse(settings.source, sorted(deeper_problems(settings), key=lambda problem: problem.line), RecipeError)
    return _recipe(settings, folder, allow_plugins=allow_plugins)


def _first_problems(settings: Settings, allow_plugins: bool) -> list[Problem]:
    """What is wrong with the keys and words of a recipe. Rules that `extends` may bring along are looked at later."""
    found = [
        *check(settings, "recipe.v1"),
        *conversation_problems(settings),
        *rule_plugin_problems(settings, ("check",), allowed=allow_plugins),
    ]
    unknown = list(rule_problems(settings, ("check",)))
    return [*found, *unknown] if found or not _extends(settings) else found


def _extends(settings: Settings) -> bool:
    checks = settings.data.get("check")
    return isinstance(checks, Mapping) and "extends" in checks


def shipped_recipe(name: Path) -> tuple[Settings, Path] | None:
    """The recipe of this name that comes with vlmdata, and the folder of its paths; None for the path of a file.

    Raises ConfigError for a bare name that is neither.
    """
    if name.is_file() or name.suffix or name.parent != Path():
        return None
    shipped = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    if str(name) not in shipped:
        if name.exists():
            return None
        hint = nearest(str(name), shipped) or f"they are {', '.join(shipped)}"
        raise ConfigError(f"{name}: there is no such file, and no recipe of this name comes with vlmdata; {hint}")
    return replace(read_settings(SHIPPED / f"{name}.yaml"), source=f"{name}.yaml"), Path()


def recipe_from(data: Mapping[str, Any], folder: str | Path = ".", *, allow_plugins: bool = False) -> Recipe:
    """A recipe from plain data, as a program or a manifest holds it. Raises RecipeError.

    Without `allow_plugins`, rules from outside are refused, and a source from outside can't be opened.
    """
    settings = Settings(source="recipe", data=dict(data))
    refuse(settings.source, _first_problems(settings, allow_plugins), RecipeError)
    refuse(settings.source, deeper_problems(settings), RecipeError)
    return _recipe(settings, Path(folder), allow_plugins=allow_plugins)


def _recipe(settings: Settings, folder: Path, *, allow_plugins: bool) -> Recipe:
    data = dict(settings.data)
    images = dict(data.get("images", {}))
    images["roots"] = [
        str(folder / root) for root in listed(images.pop("root", _default_roots(data["source"], folder)))
    ]
    images["places"] = [_image_place(entry) for entry in listed(images.pop("from", []))]
    conversations = [{**entry, "user": parts_of(entry["user"])} for entry in data.get("conversations", [])]
    source = {**_source(data["source"], folder), "allow_plugins": allow_plugins}
    plain = {**data, "source": source, "images": images, "conversations": conversations}
    plain["network"] = [] if data.get("network", "none") == "none" else data["network"]
    if "describe" in data:
        plain["describe"] = _describe(data["describe"], folder)
    plain["split"] = _split(data.get("split", {"train": 1.0}), folder)
    layers = recipe_layers(settings, folder, allow_plugins=allow_plugins)
    plain.update(settings=settings, folder=folder, check=layered(layers))
    return to_dataclass(Recipe, plain)


def _describe(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Its files joined to the recipe's folder. A JSON Schema stays as it is."""
    joined = {key: str(folder / data[key]) for key in ("path", "journal") if key in data}
    return {**data, "journal": str(folder / JOURNAL), **joined}


def _split(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The shares by the names of the splits, and beside them what else is said of the splits."""
    said = {key: value for key, value in data.items() if key in SPLIT_KEYS}
    if "earlier" in said:
        said["earlier"] = str(folder / said["earlier"])
    return {**said, "shares": shares_of(data)}


def _source(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The source's keys, those of its type alone gathered under `options`.

    Of rejected rows, `of` is the source that they were first read from, with its keys gathered in the same way; its
    `where` and `nulls` hold for them still.
    """
    common = {key: data[key] for key in COMMON_KEYS & data.keys()}
    options = {key: value for key, value in data.items() if key not in COMMON_KEYS}
    if "path" in data:
        common["path"] = str(folder / data["path"])
    elif "dataset" in data and not is_plugin(data["type"]):
        common["path"] = str(folder / data["dataset"])
    if data["type"] == "rejected" and "of" in data:
        options["of"] = _source(data["of"], folder)
        common = {key: options["of"][key] for key in ("where", "nulls") if key in options["of"]} | common
    return {**common, "options": options}


def as_first_read(recipe: Recipe) -> Recipe:
    """The recipe as the converter needs it: of rejected rows, with the source that they were first read from."""
    source = recipe.source
    first = source.options.get("of") if source.type == "rejected" else None
    if first is None:
        return recipe
    read = to_dataclass(SourceConfig, first)
    return replace(recipe, source=replace(read, where=source.where, limit=source.limit, nulls=source.nulls))


def _default_roots(source: Mapping[str, Any], folder: Path) -> list[str]:
    """Where images are looked for when the recipe does not say: beside it, or in the folder that is the source.

    A benchmark's are in its folder, where somebody unpacked them, and in the zips there.
    """
    source = first_source(source)
    if source["type"] == "mmiu":
        place = benchmark_folder(Path(source["path"]))
        return [str(place), *(str(place / name) for name in zip_names(folder / place))]
    return [str(source["path"]) if source["type"] in FOLDER_SOURCES else "."]


def _image_place(entry: Any) -> dict[str, Any]:
    return {"column": entry} if isinstance(entry, str) else dict(entry)


def portable(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest keeps it: as it was written, so that no machine's paths come in; but for settings of
    the checks that stand in other files, which a reader of the manifest may not have."""
    data = {"contract": CONTRACT, **recipe.settings.data}
    return {**data, "check": check_data(recipe.check)} if "extends" in data.get("check", {}) else data
