"""The command line of the fuzzer: one case again, or thousands in several processes, summed up."""

from __future__ import annotations

import argparse
import faulthandler
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.vlmdata.fuzzing.cases import SECONDS, Fuzzer, Result

OUTCOMES = {
    "built": "a dataset that validates",
    "refused": "nothing published: every row rejected by a rule",
    "source": "a file that can't be read, named",
    "config": "a recipe that can't be built, named",
    "failed": "FAILED",
}
SHOWN_EVERY = 500
FATAL = re.compile(r"^(Timeout|Fatal Python error)", re.MULTILINE)
"""What faulthandler says first, where a case hangs inside a library or kills the process."""


def main() -> int:
    """Run the cases asked for; 1 where one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.vlmdata.fuzzing", description=__doc__)
    parser.add_argument("--case", type=int, help="run this one, keep its folder, and say what came of it")
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--step", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        return _one(options.seed, options.case)
    if options.step:
        return _child(options.seed, range(options.first, options.cases, options.step))
    return _all(options.seed, range(options.first, options.first + options.cases), options.processes)


def _one(seed: int, number: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="fuzzing-"))
    result = Fuzzer(folder, seed).run(number)
    print(f"{result}\n{result.message}\nits files are in {folder / 'case'}")
    return result.outcome == "failed"


def _child(seed: int, numbers: range) -> int:
    """Cases one after the other, each announced before it begins, so that a death of the process has a number."""
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as folder:
        fuzzer = Fuzzer(Path(folder), seed)
        for number in numbers:
            print(json.dumps({"begins": number}), flush=True)
            faulthandler.dump_traceback_later(3 * SECONDS, exit=True)
            print(json.dumps(asdict(fuzzer.run(number))), flush=True)
        faulthandler.cancel_dump_traceback_later()
    return 0


def _all(seed: int, numbers: range, processes: int) -> int:
    started, outcomes, failed = time.monotonic(), Counter[str](), []
    with ThreadPoolExecutor(processes) as pool:
        shares = [numbers[place::processes] for place in range(processes)]
        for results in pool.map(lambda share: [_noted(each, outcomes) for each in _results(seed, share)], shares):
            failed += [result for result in results if result.outcome == "failed"]
    failed.sort(key=lambda result: result.number)
    print(f"{outcomes.total():,} damaged inputs in {time.monotonic() - started:.0f} seconds, seed {seed}")
    for outcome, words in OUTCOMES.items():
        print(f"  {outcomes[outcome]:>7,} {outcome:<8} {words}")
    for result in failed:
        print(result)
    if failed:
        print(f"to run one again: python -m tests.vlmdata.fuzzing --seed {seed} --case {failed[0].number}")
    return bool(failed)


def _noted(result: Result, outcomes: Counter[str]) -> Result:
    outcomes[result.outcome] += 1
    if result.outcome == "failed":
        print(result, file=sys.stderr, flush=True)
    if outcomes.total() % SHOWN_EVERY == 0:
        print(f"{outcomes.total():,} …", file=sys.stderr, flush=True)
    return result


def _results(seed: int, numbers: range) -> Iterator[Result]:
    """The results of a share, from a process of its own; from a new one behind a case that killed it."""
    while numbers:
        numbers_left, last = numbers, None
        command = [sys.executable, "-m", "tests.vlmdata.fuzzing", "--seed", str(seed)]
        command += ["--first", str(numbers.start), "--cases", str(numbers.stop), "--step", str(numbers.step)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            with ThreadPoolExecutor(1) as pool:
                said = pool.submit(process.stderr.read)
                for line in process.stdout:
                    found = json.loads(line)
                    last = found.get("begins", last)
                    if "outcome" in found:
                        numbers_left = numbers_left[1:]
                        yield Result(**{**found, "failures": tuple(found["failures"])})
                words = said.result()
        if process.returncode == 1 and not FATAL.search(words):
            raise SystemExit(f"the fuzzer itself failed at case {last}:\n{words[-3_000:]}")
        if numbers_left and process.returncode:
            number = last if last is not None else numbers_left[0]
            failure = f"the process ended with {process.returncode}: {words[-2_000:]}"
            yield Result(number=number, seed="?", file="?", change="?", outcome="failed", failures=(failure,))
            numbers_left = numbers_left[1:]
        numbers = numbers_left


if __name__ == "__main__":
    sys.exit(main())
