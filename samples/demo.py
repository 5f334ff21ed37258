"""The whole way on the sample catalog: build, validate, train, compare, merge, ask. `make demo` runs it.

Each step prints the command that does the same, so that every one can be run by itself afterwards.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
SAMPLES = Path(__file__).resolve().parent
CATALOG = SAMPLES / "catalog"


def shown(path: Path) -> str:
    """A path as one types it from here."""
    return Path(os.path.relpath(path)).as_posix()


def step(title: str, command: str, work: Callable[[], T]) -> T:
    """Do one step of the way, with its command before it and its time behind it."""
    print(f"\n== {title}\n   $ {command}", flush=True)
    started = time.monotonic()
    result = work()
    print(f"   {time.monotonic() - started:.0f} s", flush=True)
    return result


def main(out: Path) -> int:
    """Run every step into a folder, and print the summary."""
    from vlmtrain.quiet import quiet_environment

    quiet_environment()
    import vlmdata
    import vlmtrain
    from vlmdata.reports.build_report import terminal_text
    from vlmtrain.cli import sft_lines
    from vlmtrain.report import as_text, eval_report, merge_report

    dataset, run, merged = out / "dataset", out / "run", out / "merged"
    recipe, run_file = CATALOG / "recipe.yaml", CATALOG / "run.yaml"

    built = step(
        "build the dataset",
        f"vlmdata build {shown(recipe)} --out {shown(dataset)} --replace",
        lambda: vlmdata.build(vlmdata.load_recipe(recipe), dataset, replace=True),
    )
    print(indented(terminal_text(built.report, shown(dataset), problems=problems(built.report))))
    found = step("validate it", f"vlmdata validate {shown(dataset)}", lambda: vlmdata.validate(dataset))
    print(f"   {found.records} records, {found.images} images: {found.by_rule() or 'nothing wrong was found'}")

    config = vlmtrain.load_run(run_file, {"output": str(run), "data.path": str(dataset)})
    tuned = step(
        "train an adapter: 4-bit base, LoRA",
        f"vlmtrain sft {shown(run_file)} --replace",
        lambda: vlmtrain.sft(config, replace=True, on_progress=say),
    )
    print(indented("\n".join(sft_lines(tuned))))
    result = step(
        "compare base and adapter on rows held out, then with the photos swapped",
        f"vlmtrain eval {shown(run_file)}",
        lambda: vlmtrain.evaluate(config),
    )
    print(indented(as_text(eval_report(result))))
    whole = step(
        "merge the adapter into the model",
        f"vlmtrain merge {shown(run_file)} --out {shown(merged)} --replace",
        lambda: vlmtrain.merge(config, merged, replace=True),
    )
    print(indented(as_text(merge_report(whole))))
    say_summary(built.ledger.as_dict()["rows"], result)
    page = tuned.output / "eval" / "report.html"
    places = {"dataset": dataset, "run": tuned.output, "look at this": page, "merged model": merged}
    print("\n".join(f"   {name:<13} {shown(place)}" for name, place in places.items()))
    ask = f"vlmtrain generate {shown(tuned.output)} --id {next(iter(result.candidates['adapter'].answered)).id}"
    print(f"   try it        {ask}")
    return 0


def problems(report: Mapping[str, Any]) -> list[Any]:
    """The report's problems as values."""
    import vlmdata

    return [vlmdata.Problem(**problem) for problem in report["problems"]]


def indented(text: str) -> str:
    """Text under its step."""
    return "\n".join(f"   {line}" for line in text.rstrip().splitlines())


def say(line: str) -> None:
    """One line of progress."""
    print(f"   {line}", flush=True)


def say_summary(rows: Mapping[str, Any], result: Any) -> None:
    """What a newcomer wants to know: what went in, whether it helped, whether it looks."""
    print("\n== summary")
    say(
        f"{rows['read']} rows read: {rows['used']} used, {sum(rows['skipped'].values())} skipped,"
        f" {rows['rejected']} rejected"
    )
    base, adapter = (result.candidates[name].metrics for name in ("base", "adapter"))
    say(f"{'on rows held out':<44}{'base':>8}{'adapter':>10}")
    wanted = {
        "colour, pattern, kind, brand, material all right": "attribute_recall.all",
        "closeness to the shop's text (ROUGE-L)": "rouge_l",
        "closeness to the shop's text (chrF)": "chrf",
    }
    for words, name in wanted.items():
        say(f"{words:<50}{base[name]:>6.2f}{adapter[name]:>8.2f}")
    (swapped,) = result.controls
    for name in ("colour", "pattern"):
        change = swapped.comparison.changes[f"attribute_recall.{name}"]
        say(f"with the photos swapped, {name} right falls from {change.before:.2f} to {change.after:.2f}")
    first = result.candidates["adapter"].answered[0]
    say(f"{first.id}, base:    {result.candidates['base'].answered[0].prediction}")
    say(f"{first.id}, adapter: {first.prediction}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")))
