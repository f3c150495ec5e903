"""Extremes, mean and standard deviation: of values that come in parts, and of a volume's valid voxels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import Reason
from pipeline.volume import Mask, Voxels


@dataclass(frozen=True)
class Spread:
    """Least, greatest and mean of ``n`` values, and the sum of their squared distances from the mean.

    Law: merging parts gives the spread of all values; the empty spread changes nothing.
    """

    n: int = 0
    low: float = inf
    high: float = -inf
    mean: float = 0.0
    squares: float = 0.0

    @property
    def is_flat(self) -> bool:
        """Whether all values are equal, or there is none."""
        return not self.low < self.high

    @property
    def std(self) -> float:
        """The standard deviation; that of no value is 0."""
        return sqrt(self.squares / self.n) if self.n else 0.0

    def merge(self, other: "Spread") -> "Spread":
        """Return the spread of the values of both (Chan, Golub and LeVeque 1979)."""
        if not self.n or not other.n:
            return self if self.n else other
        n, shift = self.n + other.n, other.mean - self.mean
        squares = self.squares + other.squares + shift**2 * self.n * other.n / n
        mean = self.mean + shift * other.n / n
        return Spread(n, min(self.low, other.low), max(self.high, other.high), mean, squares)


def merge_spreads(parts: list[Spread]) -> Spread:
    """Return the spread of the values of all parts."""
    return reduce(Spread.merge, parts, Spread())


def compute_mean(voxels: Voxels, valid: Mask) -> float:
    """Return the mean of valid voxels; raises SeriesRefusedError where none is valid."""
    count = int(valid.sum())
    if count == 0:
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, "no voxel is valid, so there is no statistic of them")
    return sum(float(plane.sum()) for plane in _valid_values(voxels, valid)) / count


def compute_mean_and_std(voxels: Voxels, valid: Mask) -> tuple[float, float]:
    """Return mean and standard deviation, in two passes; raises SeriesRefusedError if all values are equal."""
    middle = compute_mean(voxels, valid)
    squares = sum(float(np.square(plane - middle).sum()) for plane in _valid_values(voxels, valid))
    _require_contrast(squares)
    return middle, float(np.sqrt(squares / int(valid.sum())))


def compute_extremes(voxels: Voxels, valid: Mask) -> tuple[float, float]:
    """Return the smallest and the largest value; raises SeriesRefusedError if they are equal."""
    compute_mean(voxels, valid)
    low = min(float(plane.min(initial=np.inf)) for plane in _valid_values(voxels, valid))
    high = max(float(plane.max(initial=-np.inf)) for plane in _valid_values(voxels, valid))
    _require_contrast(high - low)
    return low, high


def _valid_values(voxels: Voxels, valid: Mask) -> Iterator[NDArray[np.float64]]:
    """Yield the valid values of each plane."""
    return (plane[mask].astype(np.float64) for plane, mask in zip(voxels, valid, strict=True))


def _require_contrast(spread: float) -> None:
    """Raise SeriesRefusedError for a constant volume, which cannot be scaled by its spread."""
    if not spread > 0:
        detail = "every valid voxel has the same value at this step, so it cannot be normalised by the volume"
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, detail)
