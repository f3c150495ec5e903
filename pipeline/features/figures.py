"""The features of a volume in its record: extremes, percentiles, noise, shares and counts, computed slice by slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.features.statistics import BIN_LIMIT_HU, Histogram, Spread, find_air_peak, merge_spreads
from pipeline.features.tissue import BODY_ABOVE_HU, METAL_HU, SOFT_TISSUE_HU
from pipeline.kernels.flood_fill import find_joined_to_border, find_largest_piece
from pipeline.kernels.slices import Counts, count_values, measure_outline, measure_roughness
from pipeline.volume import Mask, Voxels

LEAST_BODY_SHARE = 0.01
"""A slice with less body shows no patient, or little more than a table."""

FRAME = 5
"""Invalid regions narrower than this are voxels of air that look like padding, not an edge of the field."""

IS_PLACE, IS_NO_PLACE = np.array([False, True]), np.array([True, False])

SAMPLED_SLICES = 16
"""Noise and the outline of the body are measured in at most so many slices, spread over the volume: bounded time."""

NOISE_LEAST_VOXELS = 1000
"""Fewer soft-tissue voxels than this give no estimate."""

MEDIAN_TO_SIGMA = 1.4826
"""From the median of absolute values to the standard deviation of a Gaussian."""


Features = Mapping[str, Any]
"""The HU columns of a series' record, by the record's own names.

``hu_min`` to ``hu_std`` are exact; percentiles, the air peak and the shares of body and metal are those of
1 HU bins.
A feature that is undefined (no valid voxel, no air, no soft tissue) is None.
"""


@dataclass(frozen=True)
class BodyOutline:
    """The number of voxels in the outline of a body, and of those at the edge of the field of view."""

    length: int = 0
    cut: int = 0

    @property
    def cut_share(self) -> float | None:
        """The share at the edge of the field of view; None without a body."""
        return self.cut / self.length if self.length else None

    def __add__(self, other: "BodyOutline") -> "BodyOutline":
        return BodyOutline(self.length + other.length, self.cut + other.cut)


def measure_body_outline(plane: Voxels, valid: Mask) -> BodyOutline:
    """Measure the outline of the body in a slice [y, x].

    The body is the largest connected piece above -300 HU, its holes (lungs, bowel) filled; its outline are its voxels
    with a neighbour, up, down, left or right, that is not of it or lies beyond the field.
    """
    return BodyOutline(*measure_outline(_body(plane, valid), _field(valid)))


def _body(plane: Voxels, valid: Mask) -> Mask:
    dense = (plane > BODY_ABOVE_HU) & valid
    largest = find_largest_piece(dense.view(np.uint8), IS_PLACE)
    if largest.sum() < LEAST_BODY_SHARE * largest.size:
        return np.zeros(plane.shape, bool)
    return ~find_joined_to_border(largest.view(np.uint8), IS_NO_PLACE)


def _field(valid: Mask) -> Mask:
    """Return the field of view: valid voxels, and single voxels among them that look like padding."""
    if valid.all():
        return valid
    outside = np.pad(~valid, FRAME - 1, mode="edge")
    return ~_any_of_frame(_all_of_frame(outside))


def _all_of_frame(places: Mask) -> Mask:
    """Return where every place of a frame is one of ``places``; smaller than those by the frame less one."""
    return ~_any_of_frame(~places)


def _any_of_frame(places: Mask) -> Mask:
    rows = np.logical_or.reduce([places[at : len(places) - FRAME + 1 + at] for at in range(FRAME)])
    width = places.shape[1] - FRAME + 1
    found: Mask = np.logical_or.reduce([rows[:, at : at + width] for at in range(FRAME)])
    return found


class RunningFeatures:
    """Accumulates the features of a volume from its slices, each given once, in any order."""

    def __init__(self, n_slices: int) -> None:
        self._bins = np.zeros(2 * BIN_LIMIT_HU + 1, np.int64)
        self._spreads = [Spread()] * n_slices
        self._n_voxels = 0
        self._chosen = set(np.linspace(0, n_slices - 1, min(n_slices, SAMPLED_SLICES)).round().astype(int).tolist())
        self._rough: list[Voxels] = []
        self._outline = BodyOutline()

    def add(self, k: int, hu: Voxels, valid: Mask | None, values_hu: Voxels, counts: Counts) -> None:
        """Add slice ``k`` [y, x]; ``valid`` is None where every voxel is.

        ``counts`` is the number of valid voxels with each of ``values_hu``.
        """
        self._spreads[k] = Spread(*count_values(values_hu, counts, self._bins))
        self._n_voxels += hu.size
        if k in self._chosen:
            field = np.ones(hu.shape, bool) if valid is None else valid
            self._rough.append(measure_soft_tissue_roughness(hu, field))
            self._outline += measure_body_outline(hu, field)

    def histogram(self) -> Histogram:
        """Return the histogram of the slices added."""
        return Histogram.of_bins(self._bins)

    def features(self, repeated_slices: int) -> Features:
        """Return the features of the slices added; the caller counts slices that repeat their neighbour."""
        counted, spread = self.histogram(), merge_spreads(self._spreads)
        low, high, mean, std = (spread.low, spread.high, spread.mean, spread.std) if spread.n else (None,) * 4
        return {
            "hu_min": low,
            "hu_max": high,
            "hu_mean": mean,
            "hu_std": std,
            "hu_p01": counted.percentile(1),
            "hu_p05": counted.percentile(5),
            "hu_p50": counted.percentile(50),
            "hu_p95": counted.percentile(95),
            "hu_p99": counted.percentile(99),
            "hu_air_peak": find_air_peak(counted),
            "noise_hu": estimate_noise(self._rough),
            "body_share": counted.share_above(BODY_ABOVE_HU),
            "metal_share": counted.share_above(METAL_HU),
            "padding_share": 1 - spread.n / self._n_voxels,
            "fov_truncated_share": self._outline.cut_share,
            "blank_slices": sum(part.is_flat for part in self._spreads),
            "repeated_slices": repeated_slices,
        }


def measure_soft_tissue_roughness(plane: Voxels, valid: Mask) -> Voxels:
    """Return the absolute second difference along y and x at soft-tissue pixels, scaled to the noise of a voxel.

    Only pixels are used whose nine voxels are all valid and have the mean of soft tissue.  For white noise that mean
    and the difference are independent, so selecting by one does not bias the other.
    """
    return measure_roughness(plane, valid, *SOFT_TISSUE_HU)


def estimate_noise(rough: Sequence[Voxels]) -> float | None:
    """Estimate the standard deviation of the noise in HU from the roughness of slices, None for too few voxels.

    By the median (Immerkaer, CVIU 1996); correlated noise is underestimated.
    """
    together = np.concatenate([*rough, np.zeros(0, np.float32)])
    return _median(together) * MEDIAN_TO_SIGMA if together.size >= NOISE_LEAST_VOXELS else None


def _median(values: Voxels) -> float:
    """Return the median of floats, ten times faster than numpy, which partitions for two elements at once."""
    middle = values.size // 2
    ordered = np.partition(values, middle)
    lower = ordered[middle] if values.size % 2 else ordered[:middle].max()
    return float((lower + ordered[middle]) / 2)
