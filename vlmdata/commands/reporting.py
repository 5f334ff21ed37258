"""`report`: a dataset on one page, to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmdata.terminal import say, shown_path


def report(
    path: Annotated[Path, typer.Argument(help="a dataset's folder, or the OUT.rejected of a refused build")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="an .html file; report.html in the folder by default")
    ] = None,
) -> None:
    """Draw a dataset on one page that works offline: its rows' way, splits, findings, shapes, tags, rows to look at."""
    import vlmdata

    say(f"-> {shown_path(vlmdata.write_report(path, out))}    open it in a browser; it needs no network")
