"""`vlmtrain eval` and `vlmtrain compare`: base against adapter on held-out rows, and two evaluations side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmdata.terminal import Format, warn
from vlmtrain.commands.options import FormatOption, Plugins, Run, Set, config_of, pairs, progress, say_json, say_report

if TYPE_CHECKING:
    from vlmtrain.comparing_files import Compared
    from vlmtrain.config import RunConfig
    from vlmtrain.evaluation import EvalResult
    from vlmtrain.judge.access import Judge

MOST_SHOWN = 5

FailUnder = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-under",
        metavar="METRIC=VALUE",
        help="exit 1 where the last candidate's score is worse; of one that is better when lower, VALUE is the most;"
        " repeatable",
    ),
]


def evaluate(
    run: Run,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate",
            metavar="NAME=PLACE",
            help="ask another one too: a run, an adapter, a model, answers.jsonl, or http://host:port/v1#model;"
            " repeatable",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", help="instead of the run file's metrics; repeatable")
    ] = None,
    controls: Annotated[
        str | None,
        typer.Option("--controls", help="what is done to the images in a second look: swap,blank,reorder or none"),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="only the first rows of the split")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="ask anew, though answers were kept")] = False,
    judge: Annotated[
        bool,
        typer.Option("--judge", help="have the model of eval.judge compare answers; it is sent rows and images"),
    ] = False,
    judge_endpoint: Annotated[
        str | None,
        typer.Option(
            "--judge-endpoint",
            metavar="URL",
            help="where the judge is asked; its key is read from VLMTRAIN_JUDGE_KEY, OPENAI_API_KEY or GEMINI_API_KEY",
        ),
    ] = None,
    fail_under: FailUnder = None,
    set_: Set = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Measure base against adapter on the held-out split, with intervals, and write a report."""
    import vlmtrain
    from vlmtrain import processes
    from vlmtrain.judge.judgement import require_judged
    from vlmtrain.thresholds import refuse_unmeasured, require, thresholds

    wanted = thresholds(fail_under or ())
    chosen = None if controls is None else [name.strip() for name in controls.split(",") if name.strip() != "none"]
    with processes.one_voice(), _kept_on_interrupt():
        config = config_of(run, set_, plugins)
        refuse_unmeasured(wanted, metrics or config.eval.metrics)
        asked = _judge(config, judge, judge_endpoint)
        with progress() as tell:
            result = vlmtrain.evaluate(
                config,
                pairs("--candidate", candidate, "NAME=PLACE"),
                metrics=metrics,
                controls=chosen,
                limit=limit,
                cached=not fresh,
                judge=asked,
                allow_plugins=plugins,
                on_progress=tell,
            )
    if not processes.is_first():
        return
    _say(result, form)
    require_judged(result.judgements)
    require(result, wanted)


def compare(
    before: Annotated[
        str, typer.Argument(metavar="A", help="a results.json, its folder, or a run; A#NAME for one candidate of it")
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="another")],
    fail_under: FailUnder = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Compare two evaluations on the rows that both answered. Needs no model."""
    from vlmtrain.comparing_files import compare_files
    from vlmtrain.thresholds import require, thresholds

    wanted = thresholds(fail_under or ())
    compared = compare_files(Path(before) if Path(before).exists() else before, after, allow_plugins=plugins)
    for line in _unlike(compared):
        warn(line)
    _say(compared.result, form)
    require(compared.result, wanted)


def _judge(config: RunConfig, wanted: bool, endpoint: str | None) -> Judge | None:
    """The judge, where one is asked for. Raises ConfigError for what is missing, MissingPackageError for its SDK."""
    from vlmdata.errors import ConfigError
    from vlmtrain.judge.access import judge_of

    if wanted:
        return judge_of(config.eval.judge, os.environ, endpoint=endpoint, tell=warn)
    if endpoint is not None:
        raise ConfigError("--judge-endpoint is of use with --judge only")
    return None


@contextmanager
def _kept_on_interrupt() -> Iterator[None]:
    """Where an evaluation is interrupted, say that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        warn("the answers so far are kept; the same command goes on from there (without --fresh, which forgets them)")
        raise


def _say(result: EvalResult, form: Format) -> None:
    if form is Format.json:
        from vlmtrain.results_file import as_data

        say_json(as_data(result))
    else:
        from vlmtrain.report import eval_report

        say_report(eval_report(result))


def _unlike(compared: Compared) -> list[str]:
    """What keeps the two from being like for like."""
    said = [f"not measured alike: {each}" for each in compared.differences]
    for name, rows in (("A", compared.only_before), ("B", compared.only_after)):
        if rows:
            shown = ", ".join(repr(row) for row in rows[:MOST_SHOWN])
            more = f" and {len(rows) - MOST_SHOWN:,} more" if len(rows) > MOST_SHOWN else ""
            said.append(f"only {name} has {len(rows):,} rows, which are left out: {shown}{more}")
    return said
