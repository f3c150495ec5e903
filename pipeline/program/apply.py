"""Changes done to whole volumes: what needs all planes at once."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Zyx
from pipeline.program.changes import LineChange, Shear, Warp
from pipeline.program.grid import GridChange
from pipeline.program.planes import Planes, planes_of
from pipeline.program.separable import MEASURED_SHARE, NO_SHARE
from pipeline.program.stream import Padding, known, streamed
from pipeline.volume import Mask, Volume, VolumeSpec, Voxels


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
    share = warped(volume.measured.astype(np.float32), change, 0.0)
    voxels = np.empty((len(volume.by_channel), *change.geometry.shape), np.float32)
    for channel, (source, outside) in enumerate(zip(volume.by_channel, padding, strict=True)):
        plain = warped(source, change, known(outside))
        sums = warped(source * volume.measured, change, 0.0)
        voxels[channel] = np.divide(sums, share, out=plain, where=share > NO_SHARE)
    measured_enough: Mask = share >= MEASURED_SHARE
    return Volume(_with_axes_of(volume, voxels), measured_enough, change.geometry)


def _with_axes_of(volume: Volume, voxels: Voxels) -> Voxels:
    """Return [c, z, y, x] without its c axis where the volume has none."""
    return voxels if volume.voxels.ndim == 4 else voxels[0]


def warped(array: NDArray[Any], change: Warp, outside: float, order: Literal[0, 1] = 1) -> NDArray[Any]:
    """Return an array [z, y, x] sampled on the turned grid: the nearest samples, or trilinear."""
    from scipy import ndimage  # noqa: PLC0415  half a second that only a turned grid is worth

    affine = np.linalg.solve(change.source.affine_lps, change.geometry.affine_lps)
    target = np.empty(change.geometry.shape, array.dtype)
    ndimage.affine_transform(array, affine, output=target, order=order, mode="constant", cval=outside)
    return target
