"""Statistics of Hounsfield units: extremes and moments, the histogram of a volume, and the statistics of a cohort."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from math import inf, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SeriesRefusedError, UsageError
from pipeline.features.tissue import AIR_HU
from pipeline.vocabulary import Reason
from pipeline.volume import Mask, Voxels

BIN_LIMIT_HU = 1 << 17
"""Values beyond this count in the outermost bin, so that a hostile rescale slope cannot request endless bins."""

AIR_LEAST_SHARE = 0.001
"""With a smaller share of valid voxels in the range of air there is no peak."""

AIR_LEAST_RISE = 1.5
"""A peak stands this many times above the mean of its range; Gaussian noise of 50 HU still gives 1.7, a plain 1."""

USUAL_PERCENTILES = (0.5, 1.0, 2.0, 5.0, 25.0, 50.0, 75.0, 95.0, 98.0, 99.0, 99.5)
"""Always written, beside the percentiles that steps need."""


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


@dataclass(frozen=True, eq=False)
class Histogram:
    """Valid voxels in bins of 1 HU: ``counts[i]`` of them round to ``first_bin_hu + i``.

    Law: merging is commutative and associative, and the empty histogram changes nothing.
    """

    first_bin_hu: int
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> "Histogram":
        """Return the histogram of no voxel."""
        return cls(0, np.zeros(0, np.int64))

    @classmethod
    def of_bins(cls, bins: NDArray[np.int64]) -> "Histogram":
        """Return the histogram of bins centred at 0, without empty ones at both ends."""
        filled = np.flatnonzero(bins)
        if not filled.size:
            return cls.empty()
        return cls(int(filled[0]) - bins.size // 2, bins[filled[0] : filled[-1] + 1].copy())

    @cached_property
    def total(self) -> int:
        """The number of voxels counted."""
        return int(self.counts.sum())

    @cached_property
    def bins_hu(self) -> NDArray[np.int64]:
        """The centre of every bin, in HU."""
        return self.first_bin_hu + np.arange(self.counts.size)

    @property
    def mean_hu(self) -> float | None:
        """The mean, each voxel counted at the centre of its bin."""
        return float(self.bins_hu @ self.counts / self.total) if self.total else None

    @property
    def std_hu(self) -> float | None:
        """The standard deviation, each voxel counted at the centre of its bin."""
        if self.mean_hu is None:
            return None
        return sqrt(float((self.bins_hu - self.mean_hu) ** 2 @ self.counts) / self.total)

    def percentile(self, percent: float) -> float | None:
        """Return the lowest bin with at least ``percent`` of the voxels in it or below."""
        if not self.total:
            return None
        rank = max(self.total * percent / 100, 1)
        return float(self.bins_hu[np.searchsorted(self.counts.cumsum(), rank)])

    def count_between(self, low_hu: int, high_hu: int) -> NDArray[np.int64]:
        """Return the counts of the bins from ``low_hu`` up to but excluding ``high_hu``; 0 where there is no bin."""
        counts = np.zeros(high_hu - low_hu, np.int64)
        first = max(self.first_bin_hu, low_hu)
        last = min(self.first_bin_hu + self.counts.size, high_hu)
        if first < last:
            counts[first - low_hu : last - low_hu] = self.counts[first - self.first_bin_hu : last - self.first_bin_hu]
        return counts

    def weigh(self, low_hu: int, high_hu: int, total: int) -> "Histogram":
        """Return the bins from ``low_hu`` to ``high_hu`` with counts in proportion, ``total`` of them together."""
        counts = self.count_between(low_hu, high_hu + 1)
        share = total / max(int(counts.sum()), 1)
        return Histogram(low_hu, np.rint(counts * share).astype(np.int64))

    def share_above(self, hu: int) -> float | None:
        """Return the share of the voxels in bins above ``hu``."""
        return float(self.counts[self.bins_hu > hu].sum() / self.total) if self.total else None

    def merge(self, other: "Histogram") -> "Histogram":
        """Return the histogram of the voxels of both."""
        if not self.total or not other.total:
            return self if self.total else other
        low = min(self.first_bin_hu, other.first_bin_hu)
        high = max(self.first_bin_hu + self.counts.size, other.first_bin_hu + other.counts.size)
        return Histogram(low, self.count_between(low, high) + other.count_between(low, high))


def find_air_peak(histogram: Histogram) -> float | None:
    """Return where the air around the patient peaks, or None where no peak stands out between -1100 and -900 HU.

    Bins are smoothed with triangular weights, because rescale slopes other than 1 leave bins empty.  A maximum at the
    rim of the range is the flank of another peak (lung above, padding below).
    """
    low, high = AIR_HU
    smooth = np.convolve(histogram.count_between(low - 2, high + 3), (1, 2, 3, 2, 1), mode="valid")
    at = int(smooth.argmax())
    enough = histogram.count_between(low, high + 1).sum() >= AIR_LEAST_SHARE * max(histogram.total, 1)
    stands_out = 0 < at < smooth.size - 1 and smooth[at] >= AIR_LEAST_RISE * smooth.mean()
    return float(low + at) if enough and stands_out else None


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Statistics of all valid voxels of the training split, in HU of the source, before any step.

    ``percentiles_hu`` maps a percent, as `format_percent` writes it, to HU.  ``foreground_hu`` are the limits within
    which voxels were counted, both included; None where all were.  ``weighed_by``: every voxel counts alike, or every
    case, however many voxels it has.  ``fitted_on`` are the parts of the configuration that decide which voxels are
    counted, and as what.
    """

    n_voxels: int
    mean_hu: float
    std_hu: float
    min_hu: float
    max_hu: float
    percentiles_hu: Mapping[str, float]
    foreground_hu: tuple[int, int] | None = None
    weighed_by: Literal["voxels", "cases"] = "voxels"
    n_series: int
    n_patients: int
    series_keys: tuple[str, ...]
    fitted_on: Mapping[str, Any]
    fitted_at: str
    code_version: str

    def percentile(self, percent: float) -> float:
        """Return a percentile in HU; raises UsageError for one that was not fitted."""
        found = self.percentiles_hu.get(format_percent(percent))
        if found is None:
            known = ", ".join(self.percentiles_hu)
            msg = (
                f"statistics.json holds no percentile {format_percent(percent)} (only {known}): run `ctprep fit CONFIG`"
            )
            raise UsageError(msg)
        return found


def format_percent(percent: float) -> str:
    """Return a percent as statistics.json calls it: 0.5, 1, 99.5."""
    return f"{percent:.12g}"
