"""Options that several commands have, and words of the form KEY=VALUE as mappings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vlmdata.terminal import Format

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="put a value over the file's, with paths relative to the file; repeatable"
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="text for a person, json for a program")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="threads; the machine's cores by default")]
Plugins = Annotated[
    bool, typer.Option("--allow-plugins", help="run the code from outside that the recipe or the settings name")
]
Replace = Annotated[bool, typer.Option("--replace", help="put the new dataset in the place of an old one")]


def parsed_changes(changes: list[str] | None) -> dict[str, Any]:
    """`--set a.b=1` as a mapping. Raises ConfigError for one without `=`."""
    from vlmdata.errors import ConfigError

    pairs = [change.partition("=") for change in changes or []]
    wrong = [key for key, sign, _ in pairs if not sign or not key]
    if wrong:
        raise ConfigError(f"--set {wrong[0]}: KEY=VALUE was expected, such as --set source.limit=100")
    return {key.strip(): value for key, _, value in pairs}


def parsed_pairs(option: str, pairs: list[str] | None) -> dict[str, str]:
    """`--map a=b` as a mapping. Raises ConfigError for one without `=`."""
    from vlmdata.errors import ConfigError

    parted = [pair.partition("=") for pair in pairs or []]
    for pair, (key, sign, _) in zip(pairs or [], parted, strict=True):
        if not key or not sign:
            raise ConfigError(f"{option} {pair}: a word, = and another were expected")
    return {key: value for key, _, value in parted}
