"""What a volume's Hounsfield units say of it before any step: the histogram, and the figures that follow from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Mask, Volume, Voxels

BIN_LIMIT_HU = 1 << 17
"""Values beyond this count in the outermost bin, so that a hostile rescale slope cannot ask for endless bins."""

AIR_HU = (-1100, -900)
"""Where the peak of the air around the patient is looked for."""

AIR_LEAST_SHARE = 0.001
"""Fewer of the measured voxels than this in the air's range are no peak."""

AIR_LEAST_RISE = 1.5
"""A peak stands this many times above the mean of its range; Gaussian noise of 50 HU still gives 1.7, a plain 1."""

SOFT_TISSUE_HU = (-150.0, 150.0)
"""Fat to muscle: where noise is estimated."""

NOISE_SLICES = 16
"""Noise is estimated on at most so many slices, spread over the volume: enough voxels, bounded time."""

NOISE_LEAST_VOXELS = 1000
"""Fewer soft-tissue voxels than this give no estimate."""

MEDIAN_TO_SIGMA = 1.4826
"""From the median of absolute values to the standard deviation of a Gaussian."""

BODY_HU = -300
METAL_HU = 3000


@dataclass(frozen=True, eq=False)
class Histogram:
    """Measured voxels in bins of 1 HU: ``counts[i]`` of them round to ``first_bin_hu + i``.

    Law: merging is commutative and associative, and the empty histogram changes nothing.
    """

    first_bin_hu: int
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> "Histogram":
        """Return the histogram of no voxel at all."""
        return cls(0, np.zeros(0, np.int64))

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
        """The mean, every voxel taken at its bin's centre."""
        return float(self.bins_hu @ self.counts / self.total) if self.total else None

    @property
    def std_hu(self) -> float | None:
        """The standard deviation, every voxel taken at its bin's centre."""
        if self.mean_hu is None:
            return None
        return sqrt(float((self.bins_hu - self.mean_hu) ** 2 @ self.counts) / self.total)

    def percentile(self, percent: float) -> float | None:
        """Return the lowest bin that has at least ``percent`` of the voxels in it or below it."""
        if not self.total:
            return None
        rank = max(self.total * percent / 100, 1)
        return float(self.bins_hu[np.searchsorted(self.counts.cumsum(), rank)])

    def count_between(self, low_hu: int, high_hu: int) -> NDArray[np.int64]:
        """Return the counts of the bins from ``low_hu`` up to, not with, ``high_hu``; zero where there is no bin."""
        counts = np.zeros(high_hu - low_hu, np.int64)
        first = max(self.first_bin_hu, low_hu)
        last = min(self.first_bin_hu + self.counts.size, high_hu)
        if first < last:
            counts[first - low_hu : last - low_hu] = self.counts[first - self.first_bin_hu : last - self.first_bin_hu]
        return counts

    def share_above(self, hu: int) -> float | None:
        """Return the share of the voxels in bins above ``hu``."""
        return float(self.counts[self.bins_hu > hu].sum() / self.total) if self.total else None

    def merge(self, other: "Histogram") -> "Histogram":
        """Return the histogram of both sets of voxels together."""
        if not self.total or not other.total:
            return self if self.total else other
        low = min(self.first_bin_hu, other.first_bin_hu)
        high = max(self.first_bin_hu + self.counts.size, other.first_bin_hu + other.counts.size)
        return Histogram(low, self.count_between(low, high) + other.count_between(low, high))


@dataclass(frozen=True, kw_only=True)
class Features:
    """The HU columns of a series' record, under the record's own names.

    ``hu_min`` to ``hu_std`` are exact; percentiles, the air peak and the shares of body and metal are those of bins of
    1 HU.  What cannot be said (no measured voxel, no air, no soft tissue) is None.
    """

    hu_min: float | None
    hu_max: float | None
    hu_mean: float | None
    hu_std: float | None
    hu_p01: float | None
    hu_p05: float | None
    hu_p50: float | None
    hu_p95: float | None
    hu_p99: float | None
    hu_air_peak: float | None
    noise_hu: float | None
    body_share: float | None
    metal_share: float | None
    padding_share: float
    blank_slices: int
    repeated_slices: int


def histogram_of(volume: Volume) -> Histogram:
    """Count the measured voxels of a volume in HU."""
    counts = np.zeros(2 * BIN_LIMIT_HU + 1, np.int64)
    for values in _measured_values(volume):
        bins = np.clip(np.rint(values), -BIN_LIMIT_HU, BIN_LIMIT_HU).astype(np.int64) + BIN_LIMIT_HU
        low = int(bins.min())
        found = np.bincount(bins - low)
        counts[low : low + found.size] += found
    filled = np.flatnonzero(counts)
    if not filled.size:
        return Histogram.empty()
    return Histogram(int(filled[0]) - BIN_LIMIT_HU, counts[filled[0] : filled[-1] + 1].copy())


def features_of(volume: Volume, histogram: Histogram | None = None) -> Features:
    """Return the features of a source volume in HU, [z, y, x] with slices along z.

    ``histogram`` is ``histogram_of(volume)`` where the caller has counted already.
    """
    counted = histogram_of(volume) if histogram is None else histogram
    low, high, mean, std = _spread(volume)
    return Features(
        hu_min=low,
        hu_max=high,
        hu_mean=mean,
        hu_std=std,
        hu_p01=counted.percentile(1),
        hu_p05=counted.percentile(5),
        hu_p50=counted.percentile(50),
        hu_p95=counted.percentile(95),
        hu_p99=counted.percentile(99),
        hu_air_peak=air_peak(counted),
        noise_hu=noise(volume),
        body_share=counted.share_above(BODY_HU),
        metal_share=counted.share_above(METAL_HU),
        padding_share=1 - float(volume.measured.mean()),
        blank_slices=_blank_slices(volume),
        repeated_slices=_repeated_slices(volume.voxels),
    )


def air_peak(histogram: Histogram) -> float | None:
    """Return where the air around the patient peaks, or None where no peak stands out between -1100 and -900 HU.

    Neighbouring bins are joined with triangular weights, because rescale slopes other than 1 leave bins empty.  A
    maximum at the rim of the range is the flank of something else (lung above, padding below), not a peak.
    """
    low, high = AIR_HU
    smooth = np.convolve(histogram.count_between(low - 2, high + 3), (1, 2, 3, 2, 1), mode="valid")
    at = int(smooth.argmax())
    enough = histogram.count_between(low, high + 1).sum() >= AIR_LEAST_SHARE * max(histogram.total, 1)
    stands_out = 0 < at < smooth.size - 1 and smooth[at] >= AIR_LEAST_RISE * smooth.mean()
    return float(low + at) if enough and stands_out else None


def noise(volume: Volume) -> float | None:
    """Estimate the standard deviation of the noise in soft tissue, in HU; correlated noise reads lower than it is.

    The median of the absolute second difference along y and x (Immerkaer, CVIU 1996), where the nine voxels it is made
    of are all measured and their mean is soft tissue.  That mean and the difference are independent for white noise, so
    choosing by the one does not bias the other.
    """
    n_slices = volume.voxels.shape[0]
    chosen = np.unique(np.linspace(0, n_slices - 1, min(n_slices, NOISE_SLICES)).round().astype(int))
    rough = np.concatenate([_roughness(volume.voxels[z], volume.measured[z]) for z in chosen])
    return float(np.median(rough)) * MEDIAN_TO_SIGMA if rough.size >= NOISE_LEAST_VOXELS else None


def _roughness(plane: Voxels, measured: Mask) -> Voxels:
    """Return the absolute second difference, scaled to the noise of one voxel, of each soft-tissue place of a slice."""
    if min(plane.shape) < 3:
        return np.zeros(0, np.float32)
    mean = _sum_of_nine(plane) / 9
    low, high = SOFT_TISSUE_HU
    tissue = (mean >= low) & (mean <= high) & (_sum_of_nine(measured.astype(np.float32)) == 9)
    rough: Voxels = np.abs(np.diff(np.diff(plane, n=2, axis=0), n=2, axis=1)[tissue]) / np.float32(6)
    return rough


def _sum_of_nine(plane: Voxels) -> Voxels:
    rows = plane[:-2] + plane[1:-1] + plane[2:]
    total: Voxels = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total


def _measured_values(volume: Volume) -> Iterator[Voxels]:
    """Yield the measured voxels of each slice that has any: a pass costs one slice's memory, not the volume's."""
    for plane, measured in zip(volume.voxels, volume.measured, strict=True):
        values = plane.ravel() if measured.all() else plane[measured]
        if values.size:
            yield values


def _spread(volume: Volume) -> tuple[float, float, float, float] | tuple[None, None, None, None]:
    """Least, greatest, mean and standard deviation, in float64, slice after slice (Chan, Golub and LeVeque 1979)."""
    n, low, high, mean, squares = 0, inf, -inf, 0.0, 0.0
    for values in _measured_values(volume):
        joined = n + values.size
        shift = float(values.mean(dtype=np.float64)) - mean
        squares += float(values.var(dtype=np.float64)) * values.size + shift**2 * n * values.size / joined
        mean += shift * values.size / joined
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        n = joined
    return (low, high, mean, sqrt(squares / n)) if n else (None, None, None, None)


def _blank_slices(volume: Volume) -> int:
    """Count the slices that hold one value throughout, or nothing measured."""
    return len(volume.voxels) - sum(bool(values.min() < values.max()) for values in _measured_values(volume))


def _repeated_slices(voxels: Voxels) -> int:
    return sum(np.array_equal(before, after) for before, after in pairwise(voxels))
