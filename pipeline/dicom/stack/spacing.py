"""Intervals between slices to an even step: where the planes of a gap belong, and the step of an uneven stack."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALIKE_SHARE = 0.01
"""Intervals that differ by less than this share are one interval, written with rounding."""
OFTEN, OFTEN_SHARE = 3, 0.1
"""An interval is a habit of the scanner if it occurs so many times, and in this share of the stack."""
STEP_DECIMALS = 6
"""A step is told to the nanometre: more is noise of the positions' decimals."""


def usual_step_mm(positions: Floats) -> float:
    """Return the smallest interval that occurs often, the median where none does."""
    gaps = np.sort(np.diff(positions))
    alike = np.searchsorted(gaps, gaps * (1 + ALIKE_SHARE), side="right") - np.arange(len(gaps))
    often = np.flatnonzero(alike >= max(OFTEN, OFTEN_SHARE * len(gaps)))
    if not len(often):
        return round(float(np.median(gaps)), STEP_DECIMALS)
    first = often[0]
    return round(float(np.median(gaps[first : first + alike[first]])), STEP_DECIMALS)


def planes_among(positions: Floats, step_mm: float) -> NDArray[np.intp]:
    """Return each slice's plane in an even stack, counted from the first: a wide interval skips the missing ones."""
    steps = [max(1, round((after - before) / step_mm)) for before, after in pairwise(positions.tolist())]
    return np.concatenate([[0], np.cumsum(steps, dtype=np.intp)])


def even_step(positions: Floats, planes: NDArray[np.intp]) -> tuple[float, float]:
    """Fit an even stack by least squares: its step, and the largest residual."""
    slope, start = np.polyfit(planes, positions, 1)
    residuals = positions - (start + slope * planes)
    return round(float(slope), STEP_DECIMALS), float(np.max(np.abs(residuals)))


def deviation_mm(positions: Floats, planes: NDArray[np.intp], step_mm: float) -> float:
    """Return how far the worst slice lies from its plane, where an even stack of this step fits best."""
    residuals = positions - planes * step_mm
    return float(np.max(np.abs(residuals - residuals.mean())))
