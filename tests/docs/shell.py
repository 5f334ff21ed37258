"""Command lines of the pages: each is parsed by the real command line, and run where it can be."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.pages import ROOT
from vlmdata.terminal import exit_code_of

if TYPE_CHECKING:
    from typer._click import Command

OPERATORS = re.compile(r"[|<>;&`]|\$\(|\$[A-Za-z_]")
INSTALLS = re.compile(
    r"^(?:\S*python\S* -m )?pip install |^make \w|^\S*python\S* -m (?:venv|pytest|build)\b|^\. \S+/activate$"
)
"""What installs, or tests the project itself: it is not run inside a test. Its extras and targets must be there."""
PROGRAMS = ("vlmdata", "vlmtrain")


def lines(text: str) -> list[str]:
    """The commands of a block: lines that go on are joined, here-documents whole, no prompts and comments."""
    found: list[str] = []
    ending = None
    for line in text.splitlines():
        if ending is not None:
            found[-1] += f"\n{line}"
            ending = None if line.strip() == ending else ending
        elif found and found[-1].endswith("\\"):
            found[-1] = f"{found[-1][:-1].rstrip()} {_bare(line)}"
        elif bare := _bare(line):
            found.append(bare)
            here = re.search(r"<<-?\s*'?(\w+)'?", bare)
            ending = here[1] if here else None
    return found


def _bare(line: str) -> str:
    """A line without its prompt, and without the comment behind two spaces or at its beginning."""
    return re.sub(r"(^|\s\s+|\s)#\s.*$", "", line.strip().removeprefix("$ ")).strip()


def our_commands(line: str) -> Iterator[list[str]]:
    """The words of each `vlmdata …` and `vlmtrain …` in a line, without what comes before and behind it."""
    for part in re.split(r"\|\||&&|[|;&\n]|\$\(|(?<!\S)[0-9]?>+\s*\S+", line):
        try:
            words = shlex.split(part)
        except ValueError:  # a quote that another part closes
            words = part.split()
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        for index, word in enumerate(words):
            name = word.rsplit("/", 1)[-1]
            if name in PROGRAMS and (index == 0 or words[index - 1] in {"-m", "-mwrap", "--wrap"}):
                yield [name, *words[index + 1 :]]
                break


def parse(words: list[str]) -> str | None:
    """What the real command line says against these words; None where it takes them. Nothing is run."""
    import typer
    from typer._click.exceptions import UsageError

    found = _command(words)
    if found is None or isinstance(found, str):
        return found
    try:
        found.make_context(words[1], words[2:])
    except UsageError as error:
        return error.format_message()
    except typer.Exit:  # --help
        return None
    return None


def misnamed(words: list[str]) -> str | None:
    """What is wrong with the names in a command that is not whole: `vlmdata build --replace`, `vlmtrain eval`."""
    found = _command(words)
    if isinstance(found, str) or found is None:
        return found
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h"}
    given = [word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)]
    wrong = [name for name in given if name not in known]
    return f"{' '.join(words[:2])} has no option {', '.join(wrong)}" if wrong else None


def _command(words: list[str]) -> Command | Any:
    """The command that words begin with, or what is wrong with its name. None for the program alone."""
    import typer

    import vlmdata.cli
    import vlmtrain.cli

    app: Any = typer.main.get_command({"vlmdata": vlmdata.cli.app, "vlmtrain": vlmtrain.cli.app}[words[0]])
    if len(words) == 1 or words[1].startswith("-"):
        return None if words[1:] in ([], ["--help"], ["--version"]) else f"{words[0]} has no option {words[1]}"
    return app.commands.get(words[1]) or f"{words[0]} has no command {words[1]!r}"


def unknown_names(line: str) -> set[str]:
    """Extras that a `pip install` names, and targets of `make`, that there are not."""
    if line.startswith("make "):
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        return {word for word in line.split()[1:] if "=" not in word} - targets
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {name for group in re.findall(r"(?:vlmdata|\.)\[([\w,-]+)\]", line) for name in group.split(",")}
    return named - extras.keys()


def run(line: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a command where the test stands: its exit code, and all that it prints."""
    words = shlex.split(line) if not OPERATORS.search(line) else []
    if words[:1] == ["export"] or re.fullmatch(r"export \w+=\S+", line):
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value)
        return 0, ""
    if words[:1] == ["cd"]:
        monkeypatch.chdir(words[1])
        return 0, ""
    if words[:1] and words[0] in PROGRAMS:
        return _run_here(words, capfd)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # noqa: PTH120
    environment = {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], capture_output=True, text=True, env=environment, timeout=600
    )
    return done.returncode, done.stdout + done.stderr


def _run_here(words: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """One of our own commands, in this process: importing torch anew for each would take minutes."""
    import vlmdata.cli
    import vlmtrain.cli

    app = {"vlmdata": vlmdata.cli.app, "vlmtrain": vlmtrain.cli.app}[words[0]]
    capfd.readouterr()
    code = exit_code_of(lambda: app(words[1:]), name=words[0])
    said = capfd.readouterr()
    return code, said.out + said.err
