"""`schema`: what the documentation says, from the program itself."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from vlmdata.terminal import say


def schema(
    name: Annotated[str | None, typer.Argument(help="such as record.v1; without it, the names are listed")] = None,
) -> None:
    """Print a JSON Schema of the contract."""
    from vlmdata import schema as schema_of
    from vlmdata.contract import SCHEMAS
    from vlmdata.errors import ConfigError
    from vlmdata.settings import nearest

    if name is None:
        say("\n".join(SCHEMAS))
        return
    wanted = name.removesuffix(".json")
    if wanted not in SCHEMAS:
        hint = nearest(wanted, SCHEMAS) or f"known: {', '.join(SCHEMAS)}"
        raise ConfigError(f"there is no schema {name!r}; {hint}")
    say(json.dumps(schema_of(wanted), indent=2, ensure_ascii=False))
