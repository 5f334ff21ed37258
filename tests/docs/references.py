"""What is made from the code: the command line's own help, the keys of the schemas, the places of the comparison."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import vlmdata

COMMAND_LINE = """# Command line

Every command, with the words of its own `--help`. This page is made from the programs by typer's own `utils docs`; a
test holds it to them.

Exit codes: 0 fine, 1 findings, 2 a mistake in usage or configuration, 3 our bug, 130 interrupted.

"""
SETTINGS = """# Settings: every key of a recipe, of a run file and of vlmdata.toml

The keys as the schemas have them; `vlmdata schema recipe.v1`, `vlmdata schema run.v1` and `vlmdata schema settings.v1`
print these for an editor, which then completes and checks while you type: put
`# yaml-language-server: $schema=recipe.v1.json` on top of the file. A key that is not here is an error that names the
nearest one. A run file with `extends` is asked for no key that the other one may have. This page is made from the
schemas; tests hold it to them, and the schemas' defaults to the code.

The default is what counts where a key is left out. "needed" means that it can't be; "not set" that nothing stands there
then: the words beside it say what that means. A mapping has a table of its own, whose defaults count once somebody
writes it; where "those of its keys" stands, they count without that too.

The other schemas are `record.v1` ([the contract](contract.md)), `manifest.v1` and `report.v1` (what a build writes),
`problem.v1` and `findings.v1` (what is found), `settings.v1` (`vlmdata.toml`), `preflight.v1` and `results.v1` (what
vlmtrain writes).
"""
WHERE_IT_WAS_READ = """## Where it was read

Files and lines of the packages, as `make comparison` looks them up; the list is made from `benchmarks/comparison.yaml`.
In brackets stands how often a word is there, where that is what is claimed. A `*` stands for any part of a path.

"""
LONGEST_DEFAULT = 100
"""Characters of a default that the page shows; `vlmdata schema` prints all."""


def command_line() -> str:
    """Both programs, as typer documents them."""
    import typer
    import typer.cli
    import typer.core

    import vlmdata.cli
    import vlmtrain.cli

    made = []
    for name, app in (("vlmdata", vlmdata.cli.app), ("vlmtrain", vlmtrain.cli.app)):
        command = typer.main.get_command(app)
        assert isinstance(command, typer.core.TyperGroup)
        for each in command.commands.values():
            # else it is cut after 45 letters
            each.short_help = " ".join((each.help or "").partition("\n\n")[0].split())
        context = typer.Context(command, info_name=name)
        text = typer.cli.get_docs_for_click(obj=command, ctx=context, name=name)
        made.append(text.strip().replace("\n# ", "\n## "))
    body = "\n\n".join(text.replace("\n## ", "\n### ").replace("# `", "## `", 1) for text in made)
    return f"{COMMAND_LINE}{body}\n"


def where_it_was_read() -> str:
    """The end of the comparison: each project's package, its claims, and the places that show them."""
    from benchmarks import comparison

    listed = []
    for project, pinned in comparison.packages().items():
        told = [
            each.told.replace(each.place, f"`{each.place}`") for each in comparison.claims() if each.project == project
        ]
        text = f"- **{project}** `{pinned}`. {'; '.join(dict.fromkeys(told))}."
        listed.append(textwrap.fill(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    return WHERE_IT_WAS_READ + "\n".join(listed) + "\n"


def settings() -> str:
    """The keys of a recipe, a run file and vlmdata.toml, a table for each mapping."""
    lines = [SETTINGS]
    for name, title in (("recipe.v1", "A recipe"), ("run.v1", "A run file"), ("settings.v1", "vlmdata.toml")):
        schema = vlmdata.schema(name)
        lines += [f"## {title}", "", schema["description"], ""]
        lines += _table(schema, schema)
        for key, node in schema["properties"].items():
            lines += _section(key, node, schema)
        for kind, node in schema.get("$defs", {}).items():
            if "properties" in node and "type" in node["properties"]:
                lines += [f"### source: type {kind}", "", node.get("description", ""), "", *_table(node, schema)]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _section(path: str, node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """A heading and a table for a mapping or a list of mappings, then those inside it."""
    inner = _mapping(node, schema)
    if inner is None or path == "source":
        return
    yield from (f"### {path}", "", node.get("description", ""), "")
    yield from _table(inner, schema)
    for key, value in inner["properties"].items():
        yield from _section(f"{path}.{key}", value, schema)


def _mapping(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The mapping with named keys that a node is, or is a list of; None for any other."""
    node = _resolved(node, schema)
    if "properties" in node:
        return node
    if "items" in node:
        return _mapping(node["items"], schema)
    found = [_mapping(choice, schema) for choice in node.get("oneOf", node.get("anyOf", []))]
    return next((each for each in found if each is not None), None)


def _resolved(node: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(node, Mapping):
        return {}
    if "$ref" not in node:
        return node
    found: Any = schema
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return _resolved(found, schema)


def _table(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    required = set(node.get("required", ()))
    yield from ("| key | what it is | values | default |", "|---|---|---|---|")
    for key, value in node["properties"].items():
        inner = _resolved(value, schema)
        told = value.get("description") or inner.get("description", "") if isinstance(value, Mapping) else ""
        default = "needed" if key in required else _default(value if isinstance(value, Mapping) else {})
        yield f"| `{key}` | {_cell(told)} | {_cell(_values(inner))} | {_cell(default)} |"
    yield ""


def _default(node: Mapping[str, Any]) -> str:
    """What counts where a key is left out; a mapping with keys of its own has theirs."""
    if "default" not in node:
        return "not set"
    value = node["default"]
    if value == {} and "properties" in node:
        return "those of its keys"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else f"`{text[:LONGEST_DEFAULT].rstrip()} …`"


def _values(node: Mapping[str, Any]) -> str:
    """What a value may be, in few words."""
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{'null' if value is None else value}`" for value in node["enum"])
    choices = node.get("oneOf", node.get("anyOf"))
    if choices:
        return " or ".join(dict.fromkeys(filter(None, (_values(choice) for choice in choices))))
    kinds = node.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = {
        "object": "a mapping",
        "array": "a list",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
    }
    told = " or ".join(words.get(kind, kind) for kind in kinds)
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits = [f"{word} {node[key]:,}" for key, word in bounds.items() if key in node]
    return " ".join([told, *limits]).strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
