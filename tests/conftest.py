"""Options of the whole test run: how threads wait, what runs last, and how samples are written anew."""

from __future__ import annotations

import os

import pytest

# Before torch is imported: threads that spin while they wait take the processor from everything else.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Before huggingface_hub is imported, which reads this once: no test may wait for a network that is not there.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests last, so that a mistake shows early."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-samples",
        action="store_true",
        help="write what each folder of samples/good and samples/bad prints now into its expected.txt; read the diff",
    )
    parser.addoption(
        "--rewrite-rules",
        action="store_true",
        help="write the pages of docs/rules from the rulebook and the samples; read the diff",
    )
