"""Conformance tests for code from outside: call them in tests of your own, with or without pytest.

Each takes a plug-in and examples, holds it to what its Protocol in `vlmdata.protocols` says, and raises one
ConformanceError, an AssertionError, with everything that does not hold.
"""

from __future__ import annotations

from vlmdata.testing.checks import conforms_check, conforms_dataset_check
from vlmdata.testing.conformance import ConformanceError
from vlmdata.testing.records import batch_of, record
from vlmdata.testing.reporters import conforms_reporter
from vlmdata.testing.rules import conforms_rules
from vlmdata.testing.sources import conforms_source

__all__ = [
    "ConformanceError",
    "batch_of",
    "conforms_check",
    "conforms_dataset_check",
    "conforms_reporter",
    "conforms_rules",
    "conforms_source",
    "record",
]
