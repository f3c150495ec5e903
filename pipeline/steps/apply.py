"""Changes done to voxels: the one place where a description meets an array."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.axes import Zyx
from pipeline.steps.changes import LineChange, Shear, Warp
from pipeline.steps.grid import AxisMap, GridChange
from pipeline.steps.separable import MEASURED_SHARE, NO_SHARE, sheared, weighted
from pipeline.steps.weights import axis_weights
from pipeline.volume import Mask, Volume, Voxels

Labels = NDArray[np.integer[Any]]
Padding = Sequence[float | None]


def apply(change: LineChange | GridChange | Shear | Warp, volume: Volume, padding: Padding) -> Volume:
    """Return the changed volume; ``padding`` holds, a channel, the value that stands where nothing is."""
    match change:
        case LineChange():
            return apply_lines(volume, change)
        case _ if volume.usable is not None:
            return _with_invented(volume, volume.usable, change, padding)
        case GridChange():
            return apply_grid(volume, change, padding)
        case Shear():
            return apply_shear(volume, change, padding)
        case Warp():
            return apply_warp(volume, change, padding)


def _with_invented(volume: Volume, usable: Mask, change: GridChange | Shear | Warp, padding: Padding) -> Volume:
    """Change a volume in which invented voxels speak; the mask travels as one more channel beside them."""
    layers = np.concatenate([volume.by_channel, volume.measured[None]], dtype=np.float32)
    result = apply(change, Volume(layers, usable, volume.geometry), (*padding, 0.0))
    measured = result.measured & (result.voxels[-1] >= MEASURED_SHARE)
    return Volume(_with_axes_of(volume, result.voxels[:-1]), measured, result.geometry, result.measured)


def apply_lines(volume: Volume, change: LineChange) -> Volume:
    """Return the volume with its lines applied; geometry and mask stay."""
    if len(change.lines) == 1 and change.split is None:
        return replace(volume, voxels=change.lines[0](volume.voxels))
    sources = list(volume.by_channel) * (len(change.lines) if change.split else 1)
    voxels = np.stack([line(source) for line, source in zip(change.lines, sources, strict=True)])
    return replace(volume, voxels=voxels)


def apply_grid(volume: Volume, change: GridChange, padding: Padding) -> Volume:
    """Return the volume on its new grid.

    Weights are renormalised over measured voxels; where there are none, those that hold a value all the same speak.
    """
    source, mask = _turned(volume.by_channel, change.order), _turned(volume.measured, change.order)
    voxels, measured = _indexed(source, mask, change, padding) if change.exact else weighted(source, mask, change.axes)
    result = Volume(_with_axes_of(volume, voxels), measured, change.geometry)
    return _without_invented(result, change.axes) if any(axis.invents for axis in change.axes) else result


def _without_invented(volume: Volume, axes: Zyx[AxisMap]) -> Volume:
    """Return the volume with planes that no slice speaks for unmarked: their values stay usable."""
    z, y, x = (axis.spoken_for if axis.invents else np.ones(axis.n, np.bool_) for axis in axes)
    measured = volume.measured & z[:, None, None] & y[:, None] & x
    return replace(volume, measured=measured, usable=volume.measured)


def apply_shear(volume: Volume, change: Shear, padding: Padding) -> Volume:
    """Return the volume with each slice moved in its own plane; renormalised as ``apply_grid`` does."""
    outside = np.array([_known(value) for value in padding], np.float32)
    voxels, measured = sheared(volume.by_channel, volume.measured, change.slices, outside)
    return Volume(_with_axes_of(volume, voxels), measured, change.geometry)


def apply_warp(volume: Volume, change: Warp, padding: Padding) -> Volume:
    """Return the volume on a grid turned against its own; renormalised as ``apply_grid`` does."""
    share = _warped(volume.measured.astype(np.float32), change, 0.0)
    voxels = np.empty((len(volume.by_channel), *change.geometry.shape), np.float32)
    for channel, (source, outside) in enumerate(zip(volume.by_channel, padding, strict=True)):
        plain = _warped(source, change, _known(outside))
        sums = _warped(source * volume.measured, change, 0.0)
        voxels[channel] = np.divide(sums, share, out=plain, where=share > NO_SHARE)
    return Volume(_with_axes_of(volume, voxels), share >= MEASURED_SHARE, change.geometry)


def carry_labels(labels: Labels, change: GridChange | Shear | Warp) -> Labels:
    """Return integer labels [z, y, x] on the new grid: the nearest one, unfiltered; 0 where nothing was."""
    if isinstance(change, Shear):
        return np.stack([_moved(plane, *axes) for plane, axes in zip(labels, change.slices, strict=True)])
    if isinstance(change, Warp):
        return _warped(labels, change, 0, order=0)
    turned = _turned(labels, change.order)
    if change.exact:
        return _pasted(turned, change.axes, np.zeros(change.geometry.shape, labels.dtype))
    return turned[np.ix_(*(_nearest(axis) for axis in change.axes))]


def _moved(plane: Labels, y: AxisMap, x: AxisMap) -> Labels:
    """Return one slice of labels moved in its plane."""
    return np.where(y.within[:, None] & x.within, plane[np.ix_(_nearest(y), _nearest(x))], plane.dtype.type(0))


def _nearest(axis: AxisMap) -> NDArray[np.intp]:
    """Return the index of the source sample nearest to each output sample."""
    return axis_weights(replace(axis, method="nearest"))[0]


def _turned(array: NDArray[Any], order: Zyx[int]) -> NDArray[Any]:
    """Return a view with the spatial axes, the last three, in another order."""
    leading = array.ndim - 3
    return np.transpose(array, (*range(leading), *(leading + axis for axis in order)))


def _with_axes_of(volume: Volume, voxels: Voxels) -> Voxels:
    """Return [c, z, y, x] without its c axis where the volume has none."""
    return voxels if volume.voxels.ndim == 4 else voxels[0]


def _known(padding: float | None) -> float:
    """Return what padding has become; a running program has taken every statistic that came before."""
    if padding is None:
        msg = "padding has no value before the barrier in front of it is resolved"
        raise ValueError(msg)
    return padding


def _indexed(source: Voxels, mask: Mask, change: GridChange, padding: Padding) -> tuple[Voxels, Mask]:
    """Take samples as they are; views of the source where nothing is added."""
    if all(axis.inside for axis in change.axes):
        taken = tuple(_overlap(axis)[1] for axis in change.axes)
        return source[(slice(None), *taken)], mask[taken]
    voxels = np.empty((len(source), *change.geometry.shape), np.float32)
    voxels[:] = np.reshape([_known(value) for value in padding], (-1, 1, 1, 1))
    measured = np.zeros(change.geometry.shape, np.bool_)
    return _pasted(source, change.axes, voxels), _pasted(mask, change.axes, measured)


def _pasted(source: NDArray[Any], axes: Zyx[AxisMap], target: NDArray[Any]) -> NDArray[Any]:
    """Write the samples that exist into a target that is filled already, and return it."""
    written, taken = zip(*(_overlap(axis) for axis in axes), strict=True)
    target[(..., *written)] = source[(..., *taken)]
    return target


def _overlap(axis: AxisMap) -> tuple[slice, slice]:
    """Return the part of an exact map's output for which there are samples, and those samples."""
    start, step = int(axis.start), int(axis.step)
    inside = np.flatnonzero((axis.positions >= 0) & (axis.positions < axis.source_n))
    if not len(inside):
        return slice(0, 0), slice(0, 0)
    first, end = int(inside[0]), int(inside[-1]) + 1
    stop = start + step * end
    return slice(first, end), slice(start + step * first, None if stop < 0 else stop, step)


def _warped(array: NDArray[Any], change: Warp, outside: float, order: Literal[0, 1] = 1) -> NDArray[Any]:
    """Return an array [z, y, x] sampled on the turned grid: the nearest samples, or trilinear."""
    affine = np.linalg.solve(change.source.affine_lps, change.geometry.affine_lps)
    target = np.empty(change.geometry.shape, array.dtype)
    ndimage.affine_transform(array, affine, output=target, order=order, mode="constant", cval=outside)
    return target
