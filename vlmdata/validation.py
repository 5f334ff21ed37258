"""The journey of a validation: what the paths are, each looked at, every problem collected, nothing mended.

Each kind of target is a function of its own: a built dataset here, what a recipe or conversations would become in
recipe_validation.py.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, Unpack

from vlmdata.baseline import Baseline, Key, target_name, write_baseline
from vlmdata.boundaries import boundary_of
from vlmdata.built_validation import look_at_dataset
from vlmdata.check_files import Layer, command_layer, file_layers, layered, layers_of_file, recipe_layers
from vlmdata.check_settings import CheckSettings
from vlmdata.collecting import KEPT, Collector
from vlmdata.conversation_options import AUTO
from vlmdata.errors import ConfigError, ContractError, NoDatasetError, RecipeError, SourceError, VlmError
from vlmdata.looking import Look, Looked
from vlmdata.progress import Watch, nobody
from vlmdata.recipe_validation import look_at_conversations, look_at_recipe
from vlmdata.record import Severity
from vlmdata.settings import read_settings
from vlmdata.targets import RECIPES, Asked, asked_for
from vlmdata.validation_result import Target, ValidationResult

OF_THE_TARGET = (RecipeError, SourceError, ContractError)
"""What is wrong with a target itself, and no mistake in what was asked for."""


class ValidateOptions(TypedDict, total=False):
    """What a validation may be told.

    `settings` stand for all others; without them they come from files (`config`, or the nearest), from a recipe's
    `check`, and from `select`, `ignore`, `preview` and `fail_on`. `format` and `image_root` are as in an import.
    `against` are datasets that must stay unseen; `recipes` those that a table or photo may belong to; `roots` folders
    that a recipe may read beside its own. `baseline` is a file of known findings, `write_baseline` where to put down
    what is found. `images` off looks at text and structure only; `all` keeps every problem. `allow_plugins` lets
    recipes and settings files name code from outside, which is run then; without it such a file is refused, since one
    that is merely found would run code.
    """

    format: str
    image_root: str | Path | None
    settings: CheckSettings | None
    config: str | Path | None
    select: Sequence[str] | None
    ignore: Sequence[str] | None
    preview: bool | None
    fail_on: Severity | None
    against: Sequence[str | Path]
    recipes: Sequence[str | Path]
    roots: Sequence[str | Path]
    baseline: str | Path | None
    write_baseline: str | Path | None
    images: bool
    allow_network: bool
    allow_plugins: bool
    all: bool
    workers: int | None
    on_progress: Watch | None


@dataclass(slots=True, kw_only=True)
class _Run:
    """One validation under way."""

    options: ValidateOptions
    layers: list[Layer]
    baseline: Baseline | None
    written: Path | None
    keys: Counter[Key] = field(default_factory=Counter)
    failures: list[VlmError] = field(default_factory=list)

    def look(self, asked: Asked) -> Target:
        """Look at one target. What it fails on is part of the answer."""
        if asked.error:
            error = NoDatasetError(asked.error)
            self.failures.append(error)
            return Target(path=asked.path.as_posix(), kind=asked.kind, error=asked.error, error_code=error.exit_code)
        looked = Looked()
        try:
            collector = self._collector(asked)
        except VlmError as error:  # settings that can't be: nothing of the target is looked at
            self.failures.append(error)
            return Target(path=asked.path.as_posix(), kind=asked.kind, error=str(error), error_code=error.exit_code)
        message, code = "", 0
        try:
            self._look(asked, collector, looked)
        except VlmError as error:
            self.failures.append(error)
            collector.add_all(error.problems)
            message = error.message
            code = 1 if isinstance(error, OF_THE_TARGET) and not isinstance(error, NoDatasetError) else error.exit_code
        return _target(asked, collector, looked, error=message, error_code=code)

    def _look(self, asked: Asked, collector: Collector, looked: Looked) -> None:
        options = self.options
        look = Look(
            path=asked.path,
            collector=collector,
            looked=looked,
            against=tuple(Path(path) for path in options.get("against", ())),
            roots=tuple(Path(path) for path in options.get("roots", ())),
            images=options.get("images", True),
            network=options.get("allow_network", False),
            plugins=options.get("allow_plugins", False),
            workers=options.get("workers") or os.cpu_count() or 1,
            watch=options.get("on_progress") or nobody,
            layers=tuple(self._layers_of(asked.path)),
            settled=options.get("settings") is not None,
        )
        if asked.kind == "dataset":
            look_at_dataset(look)
        elif asked.kind == "recipe":
            look_at_recipe(look)
        else:
            look_at_conversations(look, options.get("format", AUTO), options.get("image_root"))

    def _collector(self, asked: Asked) -> Collector:
        given = self.options.get("settings")
        names = self.baseline.path if self.baseline is not None else self.written
        return Collector(
            settings=given if given is not None else layered(self._layers_of(asked.path)),
            target=target_name(asked.path, names) if names is not None else "",
            baseline=self.baseline,
            bound=None if self.options.get("all") else KEPT,
            all_keys=self.keys if self.written is not None else None,
        )

    def _layers_of(self, path: Path) -> list[Layer]:
        """The layers that hold for a path, but for a recipe's own: those of files first, those of the command last."""
        return [*layers_of_files(path, self.options), *self.layers]


def layers_of_files(path: Path, options: ValidateOptions) -> list[Layer]:
    """The layers of the settings files that hold for a path. Raises ConfigError."""
    plugins = options.get("allow_plugins", False)
    config = options.get("config")
    if config is not None:
        return layers_of_file(Path(config), allow_plugins=plugins)
    roots = [Path(root) for root in options.get("roots", ())]
    return file_layers(path, boundary_of(path, roots).holds, allow_plugins=plugins)


def bring_rules(paths: Sequence[Path], options: ValidateOptions) -> None:
    """Import the rules from outside that settings of the paths name, so that a command may select or ignore them.

    What is wrong with settings is said where the target is looked at.
    """
    for path in paths if options.get("allow_plugins", False) else ():
        with suppress(VlmError):
            layers_of_files(path, options)
        if path.suffix.lower() in RECIPES and path.is_file():
            with suppress(VlmError):
                boundary = boundary_of(path, [Path(root) for root in options.get("roots", ())])
                recipe_layers(read_settings(path), path.parent, boundary.holds, allow_plugins=True)


def validate(paths: str | Path | Sequence[str | Path], **options: Unpack[ValidateOptions]) -> ValidationResult:
    """Look at built datasets, recipes, or conversations in a known format; nothing is mended, and nothing written.

    Of several paths, one that can't be looked at is part of the result (`target.error`). A single path that can't be
    raises: NoDatasetError, ContractError, ConfigError; what is wrong with a recipe or its source is part of the result.
    """
    started = time.monotonic()
    single = isinstance(paths, str | Path)
    named = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    bring_rules(named, options)
    known, written = options.get("baseline"), options.get("write_baseline")
    run = _Run(
        options=options,
        layers=[command_layer({key: options.get(key) for key in ("select", "ignore", "preview", "fail_on")})],
        baseline=Baseline.load(Path(known)) if known is not None else None,
        written=Path(written) if written is not None else None,
    )
    _refuse_wrong_against([Path(path) for path in options.get("against", ())])
    recipes = [Path(path) for path in options.get("recipes", ())]
    targets = [run.look(asked) for asked in asked_for(named, recipes=recipes, form=options.get("format", AUTO))]
    if single and run.failures and not isinstance(run.failures[0], RecipeError | SourceError):
        raise run.failures[0]
    seconds = time.monotonic() - started
    return replace(_finished(run, targets), seconds=seconds, show_all=options.get("all", False))


def _refuse_wrong_against(paths: Sequence[Path]) -> None:
    """Raise ConfigError for a path that is neither a dataset nor a recipe, before anything is looked at."""
    for path in paths:
        if not (path / "dataset_dict.json").is_file() and not (path.suffix.lower() in RECIPES and path.is_file()):
            raise ConfigError(f"--against {path.as_posix()}: is neither a built dataset nor a recipe")


def _finished(run: _Run, targets: Sequence[Target]) -> ValidationResult:
    baseline, whole = run.baseline, [target for target in targets if not target.error]
    if run.written is not None:
        names = {target_name(Path(target.path), run.written) for target in whole}
        write_baseline(run.written, {key: count for key, count in run.keys.items() if key[0] in names}, names)
    gone = baseline.gone({baseline.target(Path(target.path)) for target in whole}) if baseline is not None else ()
    shown = baseline.path.as_posix() if baseline is not None else ""
    return ValidationResult(targets=tuple(targets), baseline=shown, gone=gone)


def _target(asked: Asked, collector: Collector, looked: Looked, *, error: str, error_code: int) -> Target:
    return Target(
        path=asked.path.as_posix(),
        kind=asked.kind,
        named_by=tuple(asked.named_by),
        records=sum(looked.splits.values()),
        images=looked.images,
        rows=looked.rows,
        splits=dict(looked.splits),
        problems=collector.problems(),
        counts=dict(sorted(collector.counts.items())),
        known=dict(sorted(collector.known.items())),
        sources=dict(looked.sources),
        not_checked=tuple(looked.not_checked),
        error=error,
        error_code=error_code,
        settings=collector.settings,
    )


__all__ = ["ConfigError", "ValidateOptions", "ValidationResult", "validate"]
