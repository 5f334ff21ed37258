"""THE JOURNEY of answers to new rows: to a few that a program holds, or to a whole file of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.errors import OutputError, SourceError, VlmError
from vlmtrain.answer_files import Counts, publish, refuse, rejected_file
from vlmtrain.answer_journal import AnswerJournal, Left
from vlmtrain.asking import Asker, new_rows, rows_by_id
from vlmtrain.bulk import Window, windows
from vlmtrain.config import MERGE_FILE, RunConfig, as_data, load_run
from vlmtrain.errors import RunError
from vlmtrain.generation import Answer, Work, share_of_answers
from vlmtrain.locking import alone_in
from vlmtrain.misfit import Asked, explained, without_prompts
from vlmtrain.publishing import stage_of
from vlmtrain.trained import Trained, load_trained, trained_or_base

if TYPE_CHECKING:
    from vlmdata import PromptSource, Rejection, SourcePrompt
    from vlmdata.record import Skip

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRows:
    """Rows of a file, and how they become prompts.

    `recipe` is a recipe's file, by default that of the run's dataset, with paths relative to the input's folder;
    `input` stands in for its source, of the same type. `where` stands in for its condition (empty: all rows), of
    which otherwise everything counts but what it says of the answer's columns; `image_roots` for its image roots;
    `conversation` chooses one of several that it makes of a row. `limit`: only so many rows are read.
    `allow_plugins` says whether the recipe may name code from outside, such as its source.
    """

    input: Path | str | None = None
    recipe: Path | str | None = None
    where: str | None = None
    image_roots: Sequence[Path | str] = ()
    conversation: int | None = None
    limit: int | None = None
    allow_plugins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """What answering a file came to. `refusal` says why more rows were rejected than the recipe bears, or nothing.

    `resumed_after` rows were decided by an earlier run that was interrupted. `left_out` is what the recipe's condition
    says of columns of the answer alone, which was not applied.
    """

    path: Path
    rejected: Path | None
    asked: str
    counts: Counts
    warned: Mapping[str, int]
    refusal: str
    resumed_after: int
    seconds: float
    left_out: str = ""


def generate(
    config: RunConfig | Path | str,
    rows: Iterable[Mapping[str, Any]] = (),
    *,
    ids: Sequence[str] = (),
    base: bool = False,
    on_progress: Progress | None = None,
) -> list[Answer]:
    """Answers to new rows, or to rows of the dataset by their ids; by the adapter where the run has one.

    A new row holds the columns that the recipe's prompt reads, and under `images` a list of files; the dataset's
    manifest says how it is asked. `base` asks the base instead. Raises RunError, ModelError or ConfigError.
    """
    config = config if isinstance(config, RunConfig) else load_run(config)
    asked = [*rows_by_id(config, ids), *new_rows(config, rows)]
    if not asked:
        raise RunError("nothing is asked: name an id, or give images and fields")
    found = trained_or_base(config, base=base)
    asker = Asker.of(load_trained(config, found), config, on_progress)
    return asker.answers(asked, found.kind if found else "base")


def generate_file(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    config: RunConfig | Path | str,
    rows: NewRows,
    out: Path | str,
    *,
    base: bool = False,
    merged: Path | str | None = None,
    replace: bool = False,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> BulkResult:
    """Answers to all rows of a file, in its order, in `out`: JSON Lines of id and text, or CSV with the row's columns.

    The adapter is asked, or the `base`, or the folder of a `merged` model. Every row ends answered, rejected (in
    OUT.rejected.jsonl, with every reason and the row) or left out by the recipe's condition. The output appears whole;
    what was interrupted is kept beside it, and `resume` goes on. Raises RecipeError, RunError, ModelError, OutputError.
    """
    started = time.monotonic()
    config = config if isinstance(config, RunConfig) else load_run(config)
    out = Path(out)
    source = _source(config, rows)
    config, found = _model_of(config, base=base, merged=merged)
    journal = AnswerJournal(folder=stage_of(out))
    with alone_in(out):
        _refuse(out, journal, replace=replace, resume=resume)
        left = journal.begin(_identity(config, found, source, rows, out), resume=resume)
        with journal.kept_where_begun():
            under = _Under(journal, left, out, on_progress)
            read = _answer_all(config, found, _read(source, _asked(config, rows), left.done), rows.limit, under)
        counts = publish(journal, out, read=read, id_column=source.recipe.id)
    return BulkResult(
        path=out,
        rejected=rejected_file(out) if counts.rejected else None,
        asked=_name_of(found, merged),
        counts=counts,
        warned=dict(source.warned),
        refusal=_refusal(source, counts, _asked(config, rows)),
        resumed_after=left.done,
        seconds=time.monotonic() - started,
        left_out=source.left_out,
    )


@dataclass(frozen=True, slots=True)
class _Under:
    """What a file is answered under: where it is put down, what an earlier run left, and who is told."""

    journal: AnswerJournal
    left: Left
    out: Path
    tell: Progress | None

    @property
    def with_values(self) -> bool:
        """Whether the output holds the input's columns."""
        return self.out.suffix.lower() == ".csv"


def _source(config: RunConfig, rows: NewRows) -> PromptSource:
    import vlmdata

    try:
        return vlmdata.render_source(
            config.data.path if rows.recipe is None else rows.recipe,
            input=rows.input,
            where=rows.where,
            image_roots=tuple(rows.image_roots),
            conversation=rows.conversation,
            allow_plugins=rows.allow_plugins,
        )
    except VlmError as error:
        raise explained(error, _asked(config, rows)) from None


def _asked(config: RunConfig, rows: NewRows) -> Asked:
    return Asked(
        input=None if rows.input is None else Path(rows.input),
        recipe=None if rows.recipe is None else Path(rows.recipe),
        dataset=config.data.path,
    )


def _refusal(source: PromptSource, counts: Counts, asked: Asked) -> str:
    """Why more rows were rejected than the recipe bears; of rows that are nothing that it could ask about, that too."""
    refusal = source.too_many(rejected=counts.rejected, read=counts.read)
    if refusal and not counts.answered and asked.recipe is None and not source.recipe.conversations:
        return f"{refusal}; {without_prompts(asked.dataset, asked.input)}"
    return refusal


def _read(source: PromptSource, asked: Asked, after: int) -> Iterator[SourcePrompt | Rejection | Skip]:
    """The source's rows. Raises as `explained` where reading fails on the way."""
    try:
        yield from source.rows(after=after)
    except SourceError as error:
        raise explained(error, asked) from None


def _model_of(config: RunConfig, *, base: bool, merged: Path | str | None) -> tuple[RunConfig, Trained | None]:
    """The run as its model is loaded, and what is put on its base or stands in for it."""
    if merged is None:
        return config, trained_or_base(config, base=base)
    folder = Path(merged)
    if base:
        raise RunError("a merged model holds its adapter; leave out --merged to ask the base")
    if not (folder / MERGE_FILE).is_file():
        raise RunError(f"{folder}: holds no merged model (no {MERGE_FILE}); `vlmtrain merge` makes one")
    model = dataclasses.replace(config.model, load="fp32" if config.model.load == "fp32" else "bf16")
    return dataclasses.replace(config, model=model), Trained(kind="model", path=folder)


def _name_of(found: Trained | None, merged: Path | str | None) -> str:
    if merged is not None:
        return "merged model"
    return "base" if found is None else found.kind


def _refuse(out: Path, journal: AnswerJournal, *, replace: bool, resume: bool) -> None:
    """Raise OutputError or ConfigError where nothing may be written, before a model is loaded."""
    refuse(out, replace=replace, resume=resume)
    if resume and not journal.exists():
        raise OutputError(f"{out}: there is nothing to go on with; leave out --resume")
    if journal.exists() and not resume and not replace:
        raise OutputError(
            f"{out}: was interrupted, and its answers are kept in {journal.folder.name}; --resume goes on, --replace "
            "begins again"
        )


def _identity(
    config: RunConfig, found: Trained | None, source: PromptSource, rows: NewRows, out: Path
) -> dict[str, Any]:
    """All that an answer file depends on, as plain data: going on is right only where it is the same."""
    data = as_data(config)
    return {
        "input or recipe": source.key,
        "limit": rows.limit,
        "model": {**data["model"], "trained": found.sha256() if found else None},
        "budget": data["budget"],
        "generation settings": {**dataclasses.asdict(config.eval.generate), "batch_size": config.eval.batch_size},
        "format": out.suffix.lower(),
    }


def _answer_all(
    config: RunConfig, found: Trained | None, prompts: Iterable[Any], limit: int | None, under: _Under
) -> int:
    """Answer window by window; how many rows are decided in the end. The model is loaded once there is one to ask."""
    asker: Asker | None = None
    decided = under.left.done
    rest = None if limit is None else max(limit - decided, 0)
    for window in windows(islice(prompts, rest), first=decided):
        if window.prompts:
            asker = asker or Asker.of(load_trained(config, found), config, under.tell)
            _answer_window(asker, window, under)
        under.journal.close_window(window.end, window.decided)
        decided = window.end
    return decided


def _answer_window(asker: Asker, window: Window, under: _Under) -> None:
    """Answer a window's rows, each batch put down as it is made; what is there from before is not asked again."""
    places, done = window.places, window.end - len(window.prompts) - len(window.decided)
    known = {
        index: Answer(**under.left.answers[place]["answer"])
        for index, place in enumerate(places)
        if place in under.left.answers
    }

    def keep(made: Mapping[int, Answer]) -> None:
        lines = (window.line(places[index], answer, with_values=under.with_values) for index, answer in made.items())
        under.journal.append(lines)

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if under.tell:
            under.tell(f"{done:,} rows done")

    work = Work(known=known, keep=keep, progress=progress)
    share_of_answers(asker.loaded, asker.collator, window.rows(), asker.settings, work)
