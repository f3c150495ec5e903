"""What the measured voxels of a whole volume say, plane by plane in float64."""

from collections.abc import Iterator

import numpy as np

from pipeline.errors import SeriesRefusedError
from pipeline.program.weights import Floats
from pipeline.vocabulary import Reason
from pipeline.volume import Mask, Voxels


def mean(voxels: Voxels, measured: Mask) -> float:
    """Return the mean; raises SeriesRefusedError where nothing is measured."""
    count = int(measured.sum())
    if count == 0:
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, "no voxel is measured, so there is no statistic of them")
    return sum(float(plane.sum()) for plane in _planes(voxels, measured)) / count


def mean_and_std(voxels: Voxels, measured: Mask) -> tuple[float, float]:
    """Return mean and standard deviation of the whole, in two passes; raises SeriesRefusedError if all are equal."""
    middle = mean(voxels, measured)
    squares = sum(float(np.square(plane - middle).sum()) for plane in _planes(voxels, measured))
    _require_contrast(squares)
    return middle, float(np.sqrt(squares / int(measured.sum())))


def extremes(voxels: Voxels, measured: Mask) -> tuple[float, float]:
    """Return the smallest and the largest value; raises SeriesRefusedError if they are equal."""
    mean(voxels, measured)
    low = min(float(plane.min(initial=np.inf)) for plane in _planes(voxels, measured))
    high = max(float(plane.max(initial=-np.inf)) for plane in _planes(voxels, measured))
    _require_contrast(high - low)
    return low, high


def _planes(voxels: Voxels, measured: Mask) -> Iterator[Floats]:
    """Yield each plane's measured values."""
    return (plane[mask].astype(np.float64) for plane, mask in zip(voxels, measured, strict=True))


def _require_contrast(spread: float) -> None:
    """Refuse a constant volume: nothing can be scaled by its spread."""
    if not spread > 0:
        detail = "every measured voxel has the same value at this step, so it cannot be normalised by the volume"
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, detail)
