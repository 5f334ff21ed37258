"""VLMDATA_OFFLINE, which forbids the network altogether, told to the Hub's libraries, which know their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

OFFLINE = "VLMDATA_OFFLINE"
OF_THE_HUB = "HF_HUB_OFFLINE"
SAYS_YES = frozenset({"1", "ON", "YES", "TRUE"})
READ_ONCE = ("huggingface_hub.constants", "datasets.config")
"""Modules that read the variable when they are imported, and then look at what they keep under its name."""


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Whether a variable says yes."""
    return environ.get(name, "").upper() in SAYS_YES


def is_offline(environ: Mapping[str, str]) -> bool:
    """Whether the environment forbids the network."""
    return is_set(environ, OFFLINE)


@contextmanager
def offline_heeded() -> Iterator[None]:
    """Where VLMDATA_OFFLINE is set, have the Hub's libraries read nothing but their cache, imported already or not."""
    if not is_offline(os.environ):
        yield
        return
    before = os.environ.get(OF_THE_HUB)
    kept = {name: getattr(sys.modules[name], OF_THE_HUB) for name in READ_ONCE if name in sys.modules}
    os.environ[OF_THE_HUB] = "1"
    for name in kept:
        setattr(sys.modules[name], OF_THE_HUB, True)
    try:
        yield
    finally:
        _restore(before, kept)


def _restore(before: str | None, kept: Mapping[str, bool]) -> None:
    """What was imported meanwhile read the variable as it was set then."""
    del os.environ[OF_THE_HUB]
    if before is not None:
        os.environ[OF_THE_HUB] = before
    for name in READ_ONCE:
        if name in sys.modules:
            setattr(sys.modules[name], OF_THE_HUB, kept.get(name, is_set(os.environ, OF_THE_HUB)))


def forbidding() -> str:
    """The variable that keeps the Hub from being asked, to be named in a message."""
    return OFFLINE if is_offline(os.environ) else OF_THE_HUB
