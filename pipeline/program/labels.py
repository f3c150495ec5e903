"""Label maps on the grid of a changed volume: labels are never mixed, and never filtered."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Zyx
from pipeline.program.axis import AxisMap, axis_weights
from pipeline.program.blend import Blend, InPlane, shear_planes
from pipeline.program.changes import GridChange, Shear, Warp
from pipeline.program.execute import find_overlap, warp_array
from pipeline.volume import Plane, Planes

Labels = NDArray[np.integer[Any]]
Extents = dict[int, tuple[int, int]]

MOST_LABELS = 256
"""An array with more distinct values is no label map: it is resampled by the nearest sample."""

EQUAL = 1e-5
"""Shares that differ by less are equal: weights in single precision do not sum to one half exactly."""

OUTSIDE = np.zeros(1, np.float32)
"""Beyond a slice every label has a share of 0."""


def carry_labels(labels: Labels, change: GridChange | Shear | Warp) -> Labels:
    """Return integer labels [z, y, x] on the new grid; 0 outside the old one.

    Each label is interpolated linearly by itself, and the one with the largest share is taken, of equal shares the
    lowest.  The background has the share that is left, and loses to a label with as much: a voxel that lies half in a
    label belongs to it.  On a rotated grid the nearest sample is taken.
    """
    if isinstance(change, Warp):
        return warp_array(labels, change, 0, order=0)
    if isinstance(change, GridChange) and change.exact:
        empty = np.zeros(change.geometry.shape, labels.dtype)
        return _paste(labels.transpose(change.order), change.axes, empty)
    extents = _find_extents(labels.transpose(change.order) if isinstance(change, GridChange) else labels)
    return (
        _take_nearest(labels, change) if len(extents) > MOST_LABELS else _choose_largest_share(labels, change, extents)
    )


def carry_label_layers(labels: Labels, change: GridChange | Shear | Warp) -> Labels:
    """Return labels [z, y, x], or [region, z, y, x] layer by layer, on the new grid."""
    if labels.ndim == 3:
        return carry_labels(labels, change)
    layers = np.zeros((len(labels), *change.geometry.shape), labels.dtype)
    for target, layer in zip(layers, labels, strict=True):
        target[...] = carry_labels(layer, change)
    return layers


def _choose_largest_share(labels: Labels, change: GridChange | Shear, extents: Extents) -> Labels:
    """Return the label with the largest share of each voxel, plane by plane."""
    target = np.zeros(change.geometry.shape, labels.dtype)
    shares = [(label, _LabelShare(labels, label, extent, change)) for label, extent in extents.items() if label > 0]
    for z, plane in enumerate(target):
        largest, total = np.zeros(plane.shape, np.float32), np.zeros(plane.shape, np.float32)
        for label, share in shares:
            if not share.reaches(z):
                continue
            part = share.planes(z).voxels[0]
            wins = part > largest + EQUAL
            plane[wins], largest[wins] = label, part[wins]
            total += part
        plane[largest < 1 - total - EQUAL] = 0
    return target


def _find_extents(labels: Labels) -> Extents:
    """Return the first and the last plane of each value, in the order of values."""
    extents: Extents = {}
    for z, plane in enumerate(labels):
        for value in np.unique(plane).tolist():
            first, _ = extents.get(value, (z, z))
            extents[value] = first, z
    return dict(sorted(extents.items()))


class _LabelShare:
    """The share of one label in each voxel of a changed grid: linear, without anti-aliasing."""

    def __init__(self, labels: Labels, label: int, extent: tuple[int, int], change: GridChange | Shear) -> None:
        self._first, self._last = extent
        if isinstance(change, Shear):
            planes = _cut_label_planes(labels, label)
            self.planes: Planes = shear_planes(planes, lambda z: InPlane(*change.slices[z]), OUTSIDE)
            self._starts, self._taps = np.arange(len(labels)), 1
        else:
            axes = Zyx(*(replace(axis, method="linear", antialias=False) for axis in change.axes))
            self.planes = Blend(_cut_label_planes(labels.transpose(change.order), label), axes, 1)
            self._starts, weights = axis_weights(axes.z)
            self._taps = weights.shape[1]

    def reaches(self, z: int) -> bool:
        """Tell whether the source planes of an output plane may hold the label."""
        start = int(self._starts[z])
        return start <= self._last and start + self._taps > self._first


def _cut_label_planes(labels: Labels, label: int) -> Planes:
    """Return planes that are 1 inside the label, else 0."""
    return lambda z: Plane((labels[z] == label)[None].astype(np.float32))


def _take_nearest(labels: Labels, change: GridChange | Shear) -> Labels:
    """Return the values of the nearest samples; 0 beyond a slice that was moved."""
    if isinstance(change, Shear):
        return np.stack([_move_slice(plane, *axes) for plane, axes in zip(labels, change.slices, strict=True)])
    return labels.transpose(change.order)[np.ix_(*map(_find_nearest, change.axes))]


def _move_slice(plane: Labels, y: AxisMap, x: AxisMap) -> Labels:
    """Return one slice moved in its plane."""
    inside = y.within[:, None] & x.within
    return np.where(inside, plane[np.ix_(_find_nearest(y), _find_nearest(x))], plane.dtype.type(0))


def _find_nearest(axis: AxisMap) -> NDArray[np.intp]:
    """Return the index of the source sample nearest to each output sample."""
    return axis_weights(replace(axis, method="nearest"))[0]


def _paste(labels: Labels, axes: Zyx[AxisMap], target: Labels) -> Labels:
    """Write labels into the part of a target that they cover, and return the target."""
    written, taken = zip(*(find_overlap(axis) for axis in axes), strict=True)
    target[written] = labels[taken]
    return target
