"""`generate`: answers to one row, or to a whole file of new ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmdata.errors import ConfigError, VlmError
from vlmdata.terminal import FINDINGS, Format, say, shown_path, warn
from vlmtrain import processes
from vlmtrain.commands.options import FormatOption, Plugins, Run, Set, config_of, pairs, progress, say_json

if TYPE_CHECKING:
    from vlmtrain.config import RunConfig
    from vlmtrain.generating import BulkResult


def generate(
    run: Run,
    ids: Annotated[list[str] | None, typer.Option("--id", help="a row of the dataset; repeatable")] = None,
    images: Annotated[list[Path] | None, typer.Option("--image", help="a photo of a new row; repeatable")] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="KEY=VALUE", help="a column of a new row; repeatable")
    ] = None,
    input_: Annotated[Path | None, typer.Option("--input", help="a file of new rows, as the recipe's source")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="with --input: the answers, .jsonl or .csv")] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="how rows are asked; by default the recipe of the run's dataset")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", help="with --input: a condition in the place of the recipe's; '' for none")
    ] = None,
    image_roots: Annotated[
        list[Path] | None, typer.Option("--image-root", help="with --input: where photos are; repeatable")
    ] = None,
    conversation: Annotated[
        int | None, typer.Option("--conversation", min=0, help="which of several that the recipe makes of a row")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="with --input: only the first rows")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="rows at a time; by default eval.batch_size")
    ] = None,
    merged: Annotated[Path | None, typer.Option("--merged", help="ask the model that `vlmtrain merge` made")] = None,
    base: Annotated[bool, typer.Option("--base", help="ask the base model, without the adapter")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="go on with a file that was interrupted")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="put the new file in the place of an old one")] = False,
    set_: Set = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Answer a row (--id, or --image and --field), or a whole file of new rows (--input and --out)."""
    from vlmtrain.generating import NewRows

    processes.refuse_several("generate")
    of_row = {"--id": ids, "--image": images, "--field": fields}
    of_file = {"--out": out, "--recipe": recipe, "--where": where, "--image-root": image_roots, "--limit": limit}
    of_file |= {"--conversation": conversation, "--merged": merged, "--resume": resume, "--replace": replace}
    bulk = _is_bulk(input_ or recipe, of_row, of_file)
    config = _with_batch_size(config_of(run, set_, plugins), batch_size)
    if not bulk:
        row = {**pairs("--field", fields), **({"images": images} if images else {})}
        _answer_row(config, row, ids or [], base=base, form=form)
        return
    assert out is not None
    asked = NewRows(
        input=input_,
        recipe=recipe,
        where=where,
        image_roots=tuple(image_roots or ()),
        conversation=conversation,
        limit=limit,
        allow_plugins=plugins,
    )
    _answer_file(config, asked, out, base=base, merged=merged, replace=replace, resume=resume, form=form)


def _is_bulk(named: Path | None, of_row: Mapping[str, Any], of_file: Mapping[str, Any]) -> bool:
    """Whether a file is asked for. Raises ConfigError where options of both ways stand together."""
    given_row = [name for name, value in of_row.items() if value]
    given_file = [name for name, value in of_file.items() if value is not None and value is not False]
    if named is None and not given_file:
        return False
    if named is None:
        raise ConfigError(f"{given_file[0]} is for a file of rows; name it with --input")
    if given_row:
        raise ConfigError(f"{given_row[0]} asks one row, and --input a file; leave one of them out")
    if of_file["--out"] is None:
        raise ConfigError("--input needs --out: a .jsonl or .csv file for the answers")
    return True


def _with_batch_size(config: RunConfig, batch_size: int | None) -> RunConfig:
    if batch_size is None:
        return config
    return dataclasses.replace(config, eval=dataclasses.replace(config.eval, batch_size=batch_size))


def _answer_row(config: RunConfig, row: Mapping[str, Any], ids: list[str], *, base: bool, form: Format) -> None:
    import vlmtrain

    with progress() as tell:
        answers = vlmtrain.generate(config, [row] if row else [], ids=ids, base=base, on_progress=tell)
    if form is Format.json:
        say_json([dataclasses.asdict(answer) for answer in answers])
    elif len(answers) == 1 and not answers[0].failed:
        say(answers[0].text)
    else:
        said = (f"could not be asked: {answer.failed}" if answer.failed else answer.text for answer in answers)
        say("\n".join(f"{answer.id}: {text}" for answer, text in zip(answers, said, strict=True)))
    if any(answer.failed for answer in answers):
        raise typer.Exit(FINDINGS)


def _answer_file(config: RunConfig, rows: Any, out: Path, *, form: Format, **options: Any) -> None:
    import vlmtrain

    with _kept_on_interrupt(out), progress() as tell:
        result = vlmtrain.generate_file(config, rows, out, on_progress=tell, **options)
    if form is Format.json:
        say_json(as_data(result))
    else:
        say("\n".join(bulk_lines(result)))
    if result.refusal:
        warn(f"generate: {result.refusal}; the answers to the others stand in {shown_path(out)}")
        raise typer.Exit(FINDINGS)


@contextmanager
def _kept_on_interrupt(out: Path) -> Iterator[None]:
    """Where answering ends early with answers kept, say how to go on."""
    from vlmtrain.answer_journal import AnswerJournal
    from vlmtrain.publishing import stage_of

    journal = AnswerJournal(folder=stage_of(out.absolute()))
    try:
        yield
    except (KeyboardInterrupt, VlmError):
        if journal.exists():
            warn("the answers so far are kept; the same command with --resume goes on")
        raise


def bulk_lines(result: BulkResult) -> Iterator[str]:
    """What answering a file came to, in lines that a person reads."""
    counts = result.counts
    skipped = counts.skipped.total()
    ended = f"{counts.answered:,} answered + {counts.rejected:,} rejected + {skipped:,} skipped"
    yield f"rows        {counts.read:,} read = {ended}"
    yield f"answers     by the {result.asked}, {counts.tokens:,} tokens, {result.seconds:,.1f} s"
    if result.resumed_after:
        yield f"resumed     after {result.resumed_after:,} rows of an interrupted run"
    if counts.cut:
        yield f"cut         {counts.cut:,} answers were longer than eval.generate.max_new_tokens and end there"
    for name, found in (("rejected", counts.rejected_by_rule), ("skipped", counts.skipped), ("warned", result.warned)):
        if found:
            yield f"{name:12}" + ", ".join(f"{rule} {number:,}" for rule, number in sorted(found.items()))
    if result.left_out:
        yield f"condition   the recipe's, without `{result.left_out}`, which is of the answer (--where puts it back)"
    if result.rejected is not None:
        yield f"-> {shown_path(result.rejected)}"
    yield f"-> {shown_path(result.path)}"


def as_data(result: BulkResult) -> dict[str, Any]:
    """The same for a program."""
    return {
        "out": shown_path(result.path),
        "rejected_file": None if result.rejected is None else shown_path(result.rejected),
        "asked": result.asked,
        **result.counts.as_dict(),
        "warned": dict(result.warned),
        "condition_left_out": result.left_out,
        "refusal": result.refusal,
        "resumed_after": result.resumed_after,
        "seconds": result.seconds,
    }
