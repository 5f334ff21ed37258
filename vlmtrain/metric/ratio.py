"""Sums over sums, for one row or for thousands of drawn samples at once."""

from __future__ import annotations

import numpy as np


def ratio(over: np.ndarray, under: np.ndarray, nothing: float = np.nan) -> np.ndarray:
    """`over / under`, elementwise; `nothing` where `under` is zero."""
    over, under = np.asarray(over, dtype=float), np.asarray(under, dtype=float)
    out = np.full(np.broadcast_shapes(over.shape, under.shape), nothing)
    np.divide(over, under, out=out, where=under != 0)
    return out
