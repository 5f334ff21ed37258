"""`split`: leak-proof splits for a dataset that has none, or bad ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmdata.commands.options import FormatOption, Replace, Workers
from vlmdata.terminal import Format, say, shown_path

if TYPE_CHECKING:
    from vlmdata.splitting import SplitResult


def split(
    path: Annotated[Path, typer.Argument(help="a built dataset, or one saved by datasets in the contract")],
    out: Annotated[Path | None, typer.Option("--out", help="the new dataset's folder")] = None,
    shares: Annotated[
        str, typer.Option("--shares", help="the splits and their shares")
    ] = "train=0.9,validation=0.05,test=0.05",
    seed: Annotated[int, typer.Option("--seed", help="another number, another choice of groups")] = 0,
    stratify: Annotated[
        str | None, typer.Option("--stratify", metavar="TAG", help="each value of this tag gets its share")
    ] = None,
    together: Annotated[
        str, typer.Option("--together", help="what holds rows together")
    ] = "group,image,near_duplicate",
    max_shared: Annotated[
        int, typer.Option("--max-shared", min=1, help="an image in more groups than this holds none together")
    ] = 20,
    earlier: Annotated[
        Path | None,
        typer.Option("--earlier", help="a dataset, or a CSV of id and split, whose rows stay where they were"),
    ] = None,
    bridge: Annotated[
        str | None, typer.Option("--bridge", metavar="SPLIT", help="where a row goes that joins several earlier splits")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="write nothing, only say how it would be")] = False,
    replace: Replace = False,
    workers: Workers = None,
    form: FormatOption = Format.text,
) -> None:
    """Divide a dataset anew so that no group, image or near-duplicate image stands in two splits."""
    import vlmdata
    from vlmdata.errors import ConfigError

    if out is None and not dry_run:
        raise ConfigError("--out DIR is missing: where the new dataset goes; or --dry-run, to write nothing")
    done = vlmdata.split(
        path,
        None if dry_run else out,
        parsed_shares(shares),
        seed=seed,
        stratify=stratify,
        together=[word.strip() for word in together.split(",") if word.strip()],
        max_shared=max_shared,
        earlier=earlier,
        bridge=bridge,
        replace=replace,
        workers=workers,
    )
    if form is Format.json:
        said = asdict(done) | {"path": shown_path(out) if done.path is not None and out is not None else None}
        say(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        say(split_text(done, shown_path(out) if out is not None else "", looked="near_duplicate" in together))


def parsed_shares(text: str) -> dict[str, float]:
    """`train=0.9,test=0.1` as a mapping. Raises ConfigError."""
    from vlmdata.errors import ConfigError

    shares: dict[str, float] = {}
    for word in text.split(","):
        name, sign, share = (part.strip() for part in word.partition("="))
        try:
            value = float(share)
        except ValueError:
            value = 0.0
        if not sign or not name or name in shares or not 0 < value <= 1:
            expected = "each split once, with a share above 0 and at most 1, such as train=0.9"
            raise ConfigError(f"--shares {text}: found {word.strip()!r}, expected {expected}")
        shares[name] = value
    return shares


def split_text(done: SplitResult, out: str, *, looked: bool = True) -> str:
    """How a dataset was divided, as lines for a terminal. `looked`: whether near-duplicates were to be looked for."""
    total = sum(done.splits.values())
    splits = "  ".join(f"{name} {rows:,} ({rows / max(total, 1):.1%})" for name, rows in done.splits.items())
    lines = [
        f"rows            {total:,}, all of them kept; {done.moved:,} stand in another split than before",
        f"splits          {splits}",
        f"kept together   {done.groups:,} groups of related rows, the largest of {_counted(done.largest, 'row')}",
        f"near-duplicates {_counted(done.near_duplicates, 'image')} that look like another one"
        if looked
        else "near-duplicates not looked for, since --together leaves near_duplicate out",
    ]
    lines += [f"  {problem}" for problem in done.problems]
    written = f'-> {out}    open it with datasets.load_from_disk("{out}")'
    lines.append(written if done.path else "nothing was written, as --dry-run asks")
    return "\n".join(lines)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' if count != 1 else ''}"
