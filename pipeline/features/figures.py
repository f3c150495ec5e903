"""A volume's columns in the record: extremes, percentiles, shares and counts, before any step."""

from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt

import numpy as np

from pipeline.features.histogram import Histogram, air_peak, histogram_of, measured_values
from pipeline.features.noise import noise
from pipeline.features.truncation import BODY_HU, truncated_share
from pipeline.volume import Volume, Voxels

METAL_HU = 3000


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
    fov_truncated_share: float | None
    blank_slices: int
    repeated_slices: int


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
        fov_truncated_share=truncated_share(volume),
        blank_slices=_blank_slices(volume),
        repeated_slices=_repeated_slices(volume.voxels),
    )


def _spread(volume: Volume) -> tuple[float, float, float, float] | tuple[None, None, None, None]:
    """Least, greatest, mean and standard deviation, in float64, slice after slice (Chan, Golub and LeVeque 1979)."""
    n, low, high, mean, squares = 0, inf, -inf, 0.0, 0.0
    for values in measured_values(volume):
        joined = n + values.size
        shift = float(values.mean(dtype=np.float64)) - mean
        squares += float(values.var(dtype=np.float64)) * values.size + shift**2 * n * values.size / joined
        mean += shift * values.size / joined
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        n = joined
    return (low, high, mean, sqrt(squares / n)) if n else (None, None, None, None)


def _blank_slices(volume: Volume) -> int:
    """Count the slices that hold one value throughout, or nothing measured."""
    return len(volume.voxels) - sum(bool(values.min() < values.max()) for values in measured_values(volume))


def _repeated_slices(voxels: Voxels) -> int:
    return sum(np.array_equal(before, after) for before, after in pairwise(voxels))
