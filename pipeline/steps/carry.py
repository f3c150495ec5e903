"""Labels carried along with a volume: never mixed, and never filtered."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.axes import Zyx
from pipeline.steps.apply import warped
from pipeline.steps.changes import Shear, Warp
from pipeline.steps.grid import AxisMap, GridChange
from pipeline.steps.planes import Plane, Planes
from pipeline.steps.separable import Blend, InPlane, sheared
from pipeline.steps.stream import overlap
from pipeline.steps.weights import axis_weights

Labels = NDArray[np.integer[Any]]

MOST_LABELS = 256
"""A map of more values than these is none of labels: its values are taken from the nearest sample."""


def carry_labels(labels: Labels, change: GridChange | Shear | Warp) -> Labels:
    """Return integer labels [z, y, x] on the new grid; 0 where nothing was.

    Between samples each label is interpolated by itself, linearly, and the one with the largest share wins (of equal
    ones the lowest), which keeps volumes and edges truer than the nearest sample does.  On a turned grid it is the
    nearest sample.
    """
    if isinstance(change, Warp):
        return warped(labels, change, 0, order=0)
    target = np.zeros(change.geometry.shape, labels.dtype)
    if isinstance(change, Shear):
        return _won(labels, lambda planes: sheared(planes, lambda z: InPlane(*change.slices[z]), OUTSIDE), target)
    turned = labels.transpose(change.order)
    if change.exact:
        return _pasted(turned, change.axes, target)
    if len(np.unique(labels)) > MOST_LABELS:
        return turned[np.ix_(*(_nearest(axis) for axis in change.axes))]
    axes = Zyx(*(replace(axis, method="linear", antialias=False) for axis in change.axes))
    return _won(turned, lambda planes: Blend(planes, axes, 1), target)


OUTSIDE = np.zeros(1, np.float32)
"""No label has a share beyond a slice."""


def _won(labels: Labels, blend: Callable[[Planes], Planes], target: Labels) -> Labels:
    """Write into ``target`` the label with the largest share of each voxel."""
    largest = np.zeros(target.shape, np.float32)
    for label in np.unique(labels):
        share_of = blend(_alone(labels, label))
        for z in range(len(target)):
            share = share_of(z).voxels[0]
            wins = share > largest[z]
            target[z][wins], largest[z][wins] = label, share[wins]
    return target


def _alone(labels: Labels, label: Any) -> Planes:
    """Return planes that are 1 where one label is, else 0."""
    return lambda z: Plane((labels[z] == label)[None].astype(np.float32))


def _nearest(axis: AxisMap) -> NDArray[np.intp]:
    """Return the index of the source sample nearest to each output sample."""
    return axis_weights(replace(axis, method="nearest"))[0]


def _pasted(labels: Labels, axes: Zyx[AxisMap], target: Labels) -> Labels:
    """Write the labels that exist into a target that is filled already, and return it."""
    written, taken = zip(*(overlap(axis) for axis in axes), strict=True)
    target[written] = labels[taken]
    return target
