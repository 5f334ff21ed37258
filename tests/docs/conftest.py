"""What the tests of the pages share: the folder in which commands run, and how what is generated is written anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs import workshop
from tests.vlmtrain.loopback import no_network

__all__ = ["no_network"]
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-docs",
        action="store_true",
        help="write docs/command-line.md and tests/docs/not-run.txt as they are now; read the diff",
    )


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A prepared folder by what it holds: `shop("dataset")`. Each is made once, from the one before it."""
    made: dict[str, Path] = {}
    steps = {"shop": ("", workshop.make), "dataset": ("shop", workshop.build), "run": ("dataset", workshop.train)}

    def get(stage: str) -> Path:
        if stage not in made:
            before, work = steps[stage]
            folder = tmp_path_factory.mktemp("workshop") / "shop"
            shutil.copytree(get(before), folder) if before else folder.mkdir()
            work(folder)
            made[stage] = folder
        return made[stage]

    return get
