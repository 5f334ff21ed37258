"""`export`: a dataset in another format, and what that could not hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vlmdata.commands.options import FormatOption
from vlmdata.terminal import FINDINGS, Format, say, shown_path


def export(
    path: Annotated[Path, typer.Argument(help="a built dataset, or one saved by datasets in the contract")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="trl, trl-prompt-completion, llamafactory, ms-swift, llava, openai, gemini, oumi, imagefolder, "
            "webdataset, parquet or vlmevalkit",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="the new folder")],
    split: Annotated[list[str] | None, typer.Option("--split", help="a split to export; repeatable")] = None,
    image_uri_prefix: Annotated[
        str, typer.Option("--image-uri-prefix", metavar="URI", help="gemini: where the images will lie, gs://…")
    ] = "",
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="exit with 0 where rows could not be exported, too")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="put the new export in the place of an old one")] = False,
    form: FormatOption = Format.text,
) -> None:
    """Write a dataset in the format of a trainer, an API or a benchmark; exit with 1 where a row could not go."""
    import vlmdata
    from vlmdata.exports.result import export_text

    done = vlmdata.export(path, to, out, splits=split or (), image_uri_prefix=image_uri_prefix, replace=replace)
    if form is Format.json:
        say(json.dumps({**done.as_dict(), "path": shown_path(out)}, indent=2, ensure_ascii=False))
    else:
        say(export_text(done, shown_path(out)))
    if done.rows_not_exported and not allow_loss:
        raise typer.Exit(FINDINGS)
