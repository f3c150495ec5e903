"""Weighted sums along three axes: source planes to output planes, one by one.

Sums are in float64 and rounded once to float32, so that a constant stays constant; memory beside source and result is
the few planes that one output plane needs.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import sparse

from pipeline.axes import Zyx
from pipeline.steps.grid import AxisMap
from pipeline.steps.weights import Floats, axis_weights
from pipeline.volume import Mask, Voxels

MEASURED_SHARE = 0.5 - 1e-6
"""An output voxel is measured if at least half of its weight is; a little less, for the last digits of a sum."""

NO_SHARE = 1e-6
"""At or below this share of measured weight, the values of what was not measured are taken."""

Operator = Callable[[Floats], Floats]


def weighted(source: Voxels, mask: Mask, axes: Zyx[AxisMap]) -> tuple[Voxels, Mask]:
    """Return voxels [c, z, y, x] and mask [z, y, x] on the grid that three axis maps describe.

    Weights are renormalised over measured samples; where there are none, those that hold a value all the same speak.
    An output voxel is measured if it lies between the outermost samples and at least half of its weight is measured.
    """
    # Of negative weights the share can be small and the sums large: then half of the weight must be measured.
    least = MEASURED_SHARE if any(axis.method == "cubic" for axis in axes) else NO_SHARE
    shape = tuple(axis.n for axis in axes)
    voxels, measured = np.empty((len(source), *shape), np.float32), np.empty(shape, np.bool_)
    in_z, in_y, in_x = (axis.within for axis in axes)
    for z, planes in enumerate(_planes(source, mask, axes)):
        voxels[:, z], enough = _renormalised(planes, len(source), least)
        measured[z] = in_z[z] & in_y[:, None] & in_x & enough
    return voxels, measured


def sheared(
    source: Voxels, mask: Mask, slices: Sequence[tuple[AxisMap, AxisMap]], padding: Voxels
) -> tuple[Voxels, Mask]:
    """Return voxels [c, z, y, x] and mask [z, y, x], each slice moved in its own plane by its own maps of y and x.

    As ``weighted``, but what lies beyond a slice's outermost samples is padding: ``padding`` holds its value a channel.
    """
    shape = (len(slices), slices[0][0].n, slices[0][1].n)
    voxels, measured = np.empty((len(source), *shape), np.float32), np.empty(shape, np.bool_)
    complete = bool(mask.all())
    for z, (y, x) in enumerate(slices):
        planes = _in_plane(_stacked(source, mask, z, complete=complete), _operator(y), _operator(x))
        values, enough = _renormalised(planes, len(source), NO_SHARE)
        inside = y.within[:, None] & x.within
        voxels[:, z] = np.where(inside, values, padding[:, None, None])
        measured[z] = inside & enough
    return voxels, measured


def _planes(source: Voxels, mask: Mask, axes: Zyx[AxisMap]) -> Iterator[Floats]:
    """Yield the output's planes one by one, each [c, y, x] or as ``_stacked``, keeping the source planes they share."""
    rows, columns = _operator(axes.y), _operator(axes.x)
    complete = bool(mask.all())
    window: dict[int, Floats] = {}
    for first, weights in zip(*axis_weights(axes.z), strict=True):
        needed = {int(first) + tap: weight for tap, weight in enumerate(weights) if weight}
        window = {
            z: window[z] if z in window else _in_plane(_stacked(source, mask, z, complete=complete), rows, columns)
            for z in needed
        }
        yield _blended([(weight, window[z]) for z, weight in needed.items()])


def _blended(planes: list[tuple[float, Floats]]) -> Floats:
    """Return a weighted sum of planes."""
    total = np.zeros_like(planes[0][1])
    for weight, plane in planes:
        total += weight * plane
    return total


def _stacked(source: Voxels, mask: Mask, z: int, *, complete: bool) -> Floats:
    """Return a plane [c, y, x]; unless all is measured, followed by its measured part and the mask: [2c + 1, y, x]."""
    plain = source[:, z].astype(np.float64)
    return plain if complete else np.concatenate([plain, plain * mask[z], mask[z][None]])


def _renormalised(planes: Floats, channels: int, least: float) -> tuple[Floats, Mask | bool]:
    """Return a plane's values, and where enough of their weight was measured."""
    plain = planes[:channels]
    if len(planes) == channels:
        return plain, True
    sums, share = planes[channels:-1], planes[-1]
    return np.divide(sums, share, out=plain, where=share > least), share >= MEASURED_SHARE


def _in_plane(stack: Floats, rows: Operator, columns: Operator) -> Floats:
    """Apply the y and x axes' operators to planes [k, y, x]."""
    return np.stack([columns(rows(plane).T).T for plane in stack])


def _operator(axis: AxisMap) -> Operator:
    """Return the function that makes an axis' output samples from the rows of a plane."""
    if axis.whole and axis.step == 1:
        return lambda plane: plane
    first, weights = axis_weights(axis)
    n, taps = weights.shape
    columns = (first[:, None] + np.arange(taps)).ravel()
    band = sparse.csr_array((weights.ravel(), columns, np.arange(0, n * taps + 1, taps)), shape=(n, axis.source_n))
    return lambda plane: np.asarray(band @ plane)
