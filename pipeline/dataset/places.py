"""Map points along a chain of changes and back: indices of the source, indices of the store, millimetres."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.dataset.chain import Chain
from pipeline.geometry import Geometry
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange, Shear, Warp

Points = NDArray[np.float64]
"""Points [..., 3]: indices in the order of the array's axes, or (x, y, z) in LPS millimetres."""


@dataclass(frozen=True, eq=False)
class Places:
    """Maps points between source, store and patient: every index is fractional, and counts voxel centres from 0."""

    chain: Chain
    stored: Geometry

    def to_world(self, index: Points) -> Points:
        """Return where indices of the store lie in the patient."""
        return _moved(self.stored.affine_lps, index)

    def to_index(self, world: Points) -> Points:
        """Return the store's indices of points in the patient."""
        return _moved(np.linalg.inv(self.stored.affine_lps), world)

    def from_source(self, pixel: Points) -> Points:
        """Return the store's indices of (slice, row, column) of the source."""
        for change in self.chain.changes:
            pixel = _forward(change, pixel)
        return pixel

    def to_source(self, index: Points) -> Points:
        """Return (slice, row, column) of the source of the store's indices."""
        for change in reversed(self.chain.changes):
            index = _backward(change, index)
        return index


def corners_of(low: ArrayLike, high: ArrayLike) -> Points:
    """Return the eight corners of a box."""
    return np.array(list(product(*zip(np.asarray(low, float), np.asarray(high, float), strict=True))))


def box_around(points: Points) -> tuple[Points, Points]:
    """Return the lowest and highest corner of the box that holds some points."""
    return points.min(axis=0), points.max(axis=0)


def _forward(change: GridChange | Shear | Warp, points: Points) -> Points:
    """Return where a change puts what lies at indices of its source."""
    match change:
        case GridChange():
            turned = points[..., list(change.order)]
            return np.stack([_target(axis, turned[..., i]) for i, axis in enumerate(change.axes)], axis=-1)
        case Shear():
            return points - _starts(change, points[..., 0])
        case Warp():
            return _moved(np.linalg.solve(change.geometry.affine_lps, change.source.affine_lps), points)


def _backward(change: GridChange | Shear | Warp, points: Points) -> Points:
    """Return which indices of its source a change puts at indices of its result."""
    match change:
        case GridChange():
            turned = [_source(axis, points[..., i]) for i, axis in enumerate(change.axes)]
            return np.stack([turned[change.order.index(axis)] for axis in range(3)], axis=-1)
        case Shear():
            return points + _starts(change, points[..., 0])
        case Warp():
            return _moved(np.linalg.solve(change.source.affine_lps, change.geometry.affine_lps), points)


def _target(axis: AxisMap, index: Points) -> Points:
    """Return the output index at which a source sample comes to lie."""
    samples = axis.sampled_at
    where = index if axis.samples is None else _interpolated(index, np.arange(len(samples), dtype=float), samples)
    return (where - axis.start) / axis.step


def _source(axis: AxisMap, index: Points) -> Points:
    """Return the source index that lies at an output index."""
    where, samples = axis.start + axis.step * index, axis.sampled_at
    return where if axis.samples is None else _interpolated(where, samples, np.arange(len(samples), dtype=float))


def _starts(change: Shear, z: Points) -> Points:
    """Return how far each slice is moved, [..., (0, y, x)] in pixels; between slices, in between."""
    slices = np.arange(len(change.slices), dtype=float)
    y, x = (_interpolated(z, slices, np.array([maps[i].start for maps in change.slices], np.float64)) for i in range(2))
    return np.stack([np.zeros_like(y), y, x], axis=-1)


def _interpolated(x: Points, at: Points, values: Points) -> Points:
    """Interpolate linearly between ``at``, and beyond them go on as the last two do."""
    if len(at) == 1:
        return np.asarray(values[0] + (x - at[0]), np.float64)
    after = np.clip(np.searchsorted(at, x), 1, len(at) - 1)
    slope = (values[after] - values[after - 1]) / (at[after] - at[after - 1])
    return np.asarray(values[after - 1] + slope * (x - at[after - 1]), np.float64)


def _moved(affine: NDArray[np.floating[Any]], points: Points) -> Points:
    """Return points through a 4 x 4 affine."""
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3], np.float64)
