"""Conformance tests for model families and metrics from outside: call them in tests of your own, pytest or not.

Each takes a plug-in and examples, holds it to what its Protocol in `vlmtrain.protocols` says, and raises one
ConformanceError, an AssertionError, with everything that does not hold.
"""

from __future__ import annotations

from vlmdata.testing.conformance import ConformanceError
from vlmtrain.testing.families import conforms_family
from vlmtrain.testing.metrics import conforms_metric
from vlmtrain.testing.rows import drawn_row

__all__ = ["ConformanceError", "conforms_family", "conforms_metric", "drawn_row"]
