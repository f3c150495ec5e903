"""Changes done to whole volumes: those that need all planes at once, and labels, which are never mixed."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.axes import Zyx
from pipeline.steps.changes import LineChange, Shear, Warp
from pipeline.steps.grid import AxisMap, GridChange
from pipeline.steps.planes import Planes, planes_of
from pipeline.steps.separable import MEASURED_SHARE, NO_SHARE
from pipeline.steps.stream import Padding, known, overlap, streamed
from pipeline.steps.weights import axis_weights
from pipeline.volume import Mask, Volume, VolumeSpec, Voxels

Labels = NDArray[np.integer[Any]]


def apply(change: LineChange | GridChange | Shear | Warp, volume: Volume, before: VolumeSpec) -> Planes:
    """Return the planes of a changed volume; ``before`` describes it as it was."""
    if isinstance(change, Warp):
        return planes_of(_warped(change, volume, before.padding))
    if isinstance(change, GridChange):
        return streamed(replace(change, order=Zyx(0, 1, 2)), planes_of(volume, change.order), before)
    return streamed(change, planes_of(volume), before)


def _warped(change: Warp, volume: Volume, padding: Padding) -> Volume:
    """Return the volume on a grid turned against its own; renormalised over measured voxels, as `Blend` does."""
    if volume.usable is not None:  # invented voxels speak; the mask travels as one more channel beside them
        layers = np.concatenate([volume.by_channel, volume.measured[None]], dtype=np.float32)
        result = _warped(change, Volume(layers, volume.usable, volume.geometry), (*padding, 0.0))
        measured = result.measured & (result.voxels[-1] >= MEASURED_SHARE)
        return Volume(_with_axes_of(volume, result.voxels[:-1]), measured, result.geometry, result.measured)
    share = _sampled(volume.measured.astype(np.float32), change, 0.0)
    voxels = np.empty((len(volume.by_channel), *change.geometry.shape), np.float32)
    for channel, (source, outside) in enumerate(zip(volume.by_channel, padding, strict=True)):
        plain = _sampled(source, change, known(outside))
        sums = _sampled(source * volume.measured, change, 0.0)
        voxels[channel] = np.divide(sums, share, out=plain, where=share > NO_SHARE)
    measured_enough: Mask = share >= MEASURED_SHARE
    return Volume(_with_axes_of(volume, voxels), measured_enough, change.geometry)


def carry_labels(labels: Labels, change: GridChange | Shear | Warp) -> Labels:
    """Return integer labels [z, y, x] on the new grid: the nearest one, unfiltered; 0 where nothing was."""
    if isinstance(change, Shear):
        return np.stack([_moved(plane, *axes) for plane, axes in zip(labels, change.slices, strict=True)])
    if isinstance(change, Warp):
        return _sampled(labels, change, 0, order=0)
    turned = labels.transpose(change.order)
    if change.exact:
        return _pasted(turned, change.axes, np.zeros(change.geometry.shape, labels.dtype))
    return turned[np.ix_(*(_nearest(axis) for axis in change.axes))]


def _moved(plane: Labels, y: AxisMap, x: AxisMap) -> Labels:
    """Return one slice of labels moved in its plane."""
    return np.where(y.within[:, None] & x.within, plane[np.ix_(_nearest(y), _nearest(x))], plane.dtype.type(0))


def _nearest(axis: AxisMap) -> NDArray[np.intp]:
    """Return the index of the source sample nearest to each output sample."""
    return axis_weights(replace(axis, method="nearest"))[0]


def _pasted(labels: Labels, axes: Zyx[AxisMap], target: Labels) -> Labels:
    """Write the labels that exist into a target that is filled already, and return it."""
    written, taken = zip(*(overlap(axis) for axis in axes), strict=True)
    target[written] = labels[taken]
    return target


def _with_axes_of(volume: Volume, voxels: Voxels) -> Voxels:
    """Return [c, z, y, x] without its c axis where the volume has none."""
    return voxels if volume.voxels.ndim == 4 else voxels[0]


def _sampled(array: NDArray[Any], change: Warp, outside: float, order: Literal[0, 1] = 1) -> NDArray[Any]:
    """Return an array [z, y, x] sampled on the turned grid: the nearest samples, or trilinear."""
    from scipy import ndimage  # noqa: PLC0415  half a second that only a turned grid is worth

    affine = np.linalg.solve(change.source.affine_lps, change.geometry.affine_lps)
    target = np.empty(change.geometry.shape, array.dtype)
    ndimage.affine_transform(array, affine, output=target, order=order, mode="constant", cval=outside)
    return target
