"""A NIfTI file to a mask on a series' slices; with `pipeline.export.nifti` the only room that knows nibabel."""

from importlib.util import find_spec
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import LPS_TO_RAS
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask
from pipeline.masks.grid import Floats, Labels, MaskMismatchError, SourceGrid, smallest_dtype
from pipeline.masks.regions import allocate_labels
from pipeline.vocabulary import MaskReason

OFF_VOXELS = 0.1
"""How far a corner of the mask may lie from the image's; affines are often kept in single precision."""

VALUES_SHARE = 0.5
"""Of the memory that a series may take, the values of a file may take this share while they are read."""


def has_nifti() -> bool:
    """Tell whether the library is installed: the extra ``nifti``."""
    return find_spec("nibabel") is not None


def read_nifti(path: Path, grid: SourceGrid, limits: Limits) -> DrawnMask:
    """Return the mask of a file whose voxels are those of the slices, in any order of axes.

    Raises MaskMismatchError where they are not, or where it cannot be read, is too large, or holds other than whole
    numbers from 0.
    """
    import nibabel  # noqa: PLC0415  an extra

    try:
        image: Any = nibabel.load(path)
        order, flips = _order_in(grid, LPS_TO_RAS @ np.asarray(image.affine, np.float64), image.shape)
        _require_memory(image, limits)
        values = np.asarray(image.dataobj).reshape(image.shape[:3])
    except MaskMismatchError:
        raise
    except Exception as error:  # damaged files raise errors of any kind
        msg = f"the NIfTI file cannot be read ({type(error).__name__})"
        raise MaskMismatchError(msg, MaskReason.UNREADABLE) from error
    turned = np.flip(values.transpose(order), tuple(axis for axis in range(3) if flips[axis]))
    return DrawnMask(_copy_labels(turned, limits))


def _require_memory(image: Any, limits: Limits) -> None:
    """Refuse a file whose values would take more than VALUES_SHARE of what a series may."""
    slope, intercept = image.header.get_slope_inter()
    is_scaled = slope not in {None, 1.0} or intercept not in {None, 0.0}
    itemsize = np.dtype(np.float64).itemsize if is_scaled else image.get_data_dtype().itemsize
    n_mb, allowed_mb = prod(image.shape) * itemsize >> 20, int(limits.series_memory_mb * VALUES_SHARE)
    if n_mb > allowed_mb:
        msg = f"the NIfTI file would take {n_mb} MiB, more than {allowed_mb}, half of series_memory_mb"
        raise MaskMismatchError(msg, MaskReason.TOO_LARGE)


def _order_in(grid: SourceGrid, affine_lps: Floats, shape: tuple[int, ...]) -> tuple[list[int], list[bool]]:
    """Return which axis of the file is z, y and x, and which of these run backwards."""
    if grid.affine_lps is None:
        msg = "the slices are not evenly spaced, which a NIfTI file cannot say"
        raise MaskMismatchError(msg)
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        msg = f"the NIfTI file has the shape {shape}"
        raise MaskMismatchError(msg)
    to_source = np.linalg.inv(grid.affine_lps) @ affine_lps
    turn = np.rint(to_source[:3, :3])
    order = [int(axis) for axis in np.abs(turn).argmax(axis=1)]
    if not np.array_equal(np.abs(turn).sum(axis=0), np.ones(3)) or sorted(order) != [0, 1, 2]:
        msg = "the axes of the NIfTI file are not those of the slices"
        raise MaskMismatchError(msg)
    if tuple(shape[axis] for axis in order) != tuple(grid.shape):
        msg = f"the NIfTI file has the shape {shape[:3]}, the slices {tuple(grid.shape)} (z, y, x)"
        raise MaskMismatchError(msg)
    flips = [bool(turn[axis, order[axis]] < 0) for axis in range(3)]
    _require_corners(grid, to_source, order, flips)
    return order, flips


def _require_corners(grid: SourceGrid, to_source: Floats, order: list[int], flips: list[bool]) -> None:
    """Refuse a file that has a corner elsewhere than the slices have it."""
    for ends in product((0, 1), repeat=3):
        corner = np.array([(n - 1) * end for n, end in zip(grid.shape, ends, strict=True)], float)
        index = np.ones(4)
        for axis in range(3):
            index[order[axis]] = grid.shape[axis] - 1 - corner[axis] if flips[axis] else corner[axis]
        off = float(np.abs((to_source @ index)[:3] - corner).max())
        if off > OFF_VOXELS:
            msg = f"the voxels of the NIfTI file lie {off:.2f} voxels from those of the slices"
            raise MaskMismatchError(msg)


def _copy_labels(values: NDArray[Any], limits: Limits) -> Labels:
    """Return whole numbers from 0 as labels."""
    if values.dtype.kind not in "biuf":
        msg = "the NIfTI file holds no numbers"
        raise MaskMismatchError(msg, MaskReason.UNREADABLE)
    for plane in values if values.dtype.kind == "f" else ():
        if not (np.isfinite(plane).all() and (plane == np.rint(plane)).all()):
            msg = "the NIfTI file holds fractions: labels are whole numbers"
            raise MaskMismatchError(msg, MaskReason.UNREADABLE)
    low, high = int(values.min()), int(values.max())
    smallest_dtype(low, high)
    labels = allocate_labels(values.shape, high, limits)
    labels[...] = values
    return labels
