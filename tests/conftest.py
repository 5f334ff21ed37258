"""Options of the whole test run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-samples",
        action="store_true",
        help="write what each folder of samples/good and samples/bad prints now into its expected.txt; read the diff",
    )
