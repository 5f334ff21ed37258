"""Modules of outsiders, written for a test, and forgotten after it with all that they brought."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vlmdata import plugins, rule_plugins, rules
from vlmdata.check_settings import forget_wanted

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "samples" / "extending"


@contextmanager
def imported_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Python imports from a folder; afterwards what was imported, and its rules, are gone again."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    try:
        yield folder
    finally:
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[name]
        forget()


def forget() -> None:
    """Forget every plug-in and its rules."""
    rules._from_outside.clear()
    rules.rulebook.cache_clear()
    rule_plugins.rule_plugin.cache_clear()
    plugins.identity.cache_clear()
    forget_wanted()
