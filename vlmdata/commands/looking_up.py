"""`schema` and `rule`: what the documentation says, from the program itself."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from vlmdata.commands.options import FormatOption
from vlmdata.terminal import Format, say


def schema(
    name: Annotated[str | None, typer.Argument(help="such as record.v1; without it, the names are listed")] = None,
) -> None:
    """Print a JSON Schema of the contract."""
    from vlmdata import schema as schema_of
    from vlmdata.contract import SCHEMAS
    from vlmdata.editor_schema import for_an_editor
    from vlmdata.errors import ConfigError
    from vlmdata.settings import nearest

    if name is None:
        say("\n".join(SCHEMAS))
        return
    wanted = name.removesuffix(".json")
    if wanted not in SCHEMAS:
        hint = nearest(wanted, SCHEMAS) or f"known: {', '.join(SCHEMAS)}"
        raise ConfigError(f"there is no schema {name!r}; {hint}")
    say(json.dumps(for_an_editor(schema_of(wanted)), indent=2, ensure_ascii=False))


def rule(
    name: Annotated[
        str | None, typer.Argument(metavar="[ID|FAMILY]", help="such as csv.ragged, or csv; without it, all are listed")
    ] = None,
    plugin: Annotated[
        list[str] | None,
        typer.Option("--plugin", metavar="MODULE:NAME", help="run this code from outside, for its rules; repeatable"),
    ] = None,
    format_: FormatOption = Format.text,
) -> None:
    """Explain a rule: what it finds, why that matters, how to fix it, how to ignore it."""
    from vlmdata.errors import ConfigError
    from vlmdata.rule_pages import as_data, table, text_page
    from vlmdata.rule_plugins import rule_plugin
    from vlmdata.rules import matching_rules, rulebook
    from vlmdata.settings import nearest

    for each in plugin or ():
        rule_plugin(each)
    known = rulebook()
    found = [known[each] for each in sorted(matching_rules(name or "all"))]
    if not found:
        families = {each.family for each in known.values()}
        hint = nearest(str(name), [*known, *sorted(families)]) or "`vlmdata rule` lists them all"
        raise ConfigError(f"there is no rule {name!r}; {hint}")
    is_one = name in known
    if format_ is Format.json:
        data = [as_data(each) for each in found]
        say(json.dumps(data[0] if is_one else data, indent=2, ensure_ascii=False))
    else:
        say(text_page(found[0]) if is_one else table(found))
