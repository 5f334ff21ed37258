"""What the commands share: their options, the run that they are about, progress, and printing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmdata.terminal import Format, say, warn

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vlmtrain.config import RunConfig

Progress = Callable[[str], None]
PLAIN_SECONDS = 10.0

Run = Annotated[Path, typer.Argument(metavar="RUN", help="a run.yaml, or the folder that sft made of it")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="put a value over the file's, a path as seen from here; repeatable"
    ),
]
Plugins = Annotated[
    bool, typer.Option("--allow-plugins", help="run the code from outside that the run names: a model family, metrics")
]
FormatOption = Annotated[Format, typer.Option("--format", help="text for a person, json for a program")]


def config_of(run: Path, changes: list[str] | None, plugins: bool) -> RunConfig:
    """The run, checked before anything heavy is imported."""
    from vlmtrain.config import load_run

    return load_run(run, set=pairs("--set", changes), allow_plugins=plugins)


def pairs(option: str, given: list[str] | None, form: str = "KEY=VALUE") -> dict[str, Any]:
    """`KEY=VALUE` options as a mapping. Raises ConfigError for one without `=`, and for a key that stands twice."""
    from vlmdata.errors import ConfigError

    parts = [each.partition("=") for each in given or []]
    wrong = [key for key, sign, _ in parts if not sign or not key]
    if wrong:
        raise ConfigError(f"{option} {wrong[0]}: {form} was expected")
    keys = [key.strip() for key, _, _ in parts]
    if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
        raise ConfigError(f"{option} {twice[0]}: stands twice")
    return dict(zip(keys, (value for _, _, value in parts), strict=True))


@contextmanager
def progress() -> Iterator[Progress | None]:
    """What is going on: the last line on a terminal; where there is none, a line on stderr now and then."""
    _require_libraries()
    if not sys.stderr.isatty():
        yield now_and_then(PLAIN_SECONDS)
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text("loading"), spinner="line") as status:
        yield lambda line: status.update(Text(line))


def now_and_then(seconds: float) -> Progress:
    """Progress in plain lines on stderr, of which one is shown at most every so many seconds."""
    shown = time.monotonic()

    def tell(line: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= seconds:
            shown = time.monotonic()
            warn(line)

    return tell


def _require_libraries() -> None:
    """Raise MissingPackageError with the install command where training's libraries are missing."""
    from importlib.util import find_spec

    from vlmdata.errors import MissingPackageError

    needed = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "safetensors")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MissingPackageError(f"{', '.join(missing)} not installed: pip install 'vlmdata[train]'")


def say_json(data: Any) -> None:
    """Print plain values as JSON."""
    say(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def say_report(report: RenderableType) -> None:
    """Print a report as a person reads it."""
    from vlmtrain.report import as_text

    say(as_text(report).rstrip())
