"""Resample arrays from the source's grid to the store's, as the steps did with the image, and back."""

from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.dataset.chain import Chain
from pipeline.dataset.places import Places
from pipeline.program.axis import TIE
from pipeline.program.execute import execute_on_volume
from pipeline.program.labels import carry_labels
from pipeline.program.program import Program
from pipeline.volume import Volume, VolumeSpec

HALF_A_VOXEL = 0.5 + TIE
"""How far beyond the centres of the outermost voxels a volume reaches."""


def project(chain: Chain, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array on the source's grid on the store's: integers as labels, floats as the image was sampled."""
    _require_shape(array, chain.source.shape, "source")
    if array.dtype == np.bool_:
        return project(chain, array.view(np.uint8)).astype(np.bool_)
    if np.issubdtype(array.dtype, np.integer):
        return reduce(carry_labels, chain.changes, array)
    volume = Volume(array.astype(np.float32), np.ones(array.shape, np.bool_), chain.source)
    program = Program.compile(chain.steps, VolumeSpec(chain.source, padding_hu=0), "float32")
    return np.asarray(execute_on_volume(program, volume).array)


def restore(places: Places, array: NDArray[Any], method: Literal["nearest", "linear"]) -> NDArray[Any]:
    """Return an array on the store's grid on the source's, slice by slice."""
    _require_shape(array, places.stored.shape, "store")
    source = places.chain.source.shape
    restored = np.empty(source, np.float32 if method == "linear" else array.dtype)
    sampled = _linear if method == "linear" else _nearest
    rows, columns = np.ogrid[: source.y, : source.x]
    for k in range(source.z):
        # Within a slice every change is affine, so three of its pixels tell where all lie.
        corner, down, along = places.from_source(np.array([[k, 0, 0], [k, 1, 0], [k, 0, 1]], np.float64))
        index = [at + rows * (y - at) + columns * (x - at) for at, y, x in zip(corner, down, along, strict=True)]
        restored[k] = np.where(_reached(index, array.shape), sampled(array, index), array.dtype.type(0))
    return restored


def _reached(index: list[NDArray[np.float64]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether the store holds a pixel."""
    z, y, x = ((at >= -HALF_A_VOXEL) & (at <= n - 1 + HALF_A_VOXEL) for at, n in zip(index, shape, strict=True))
    return z & y & x


def _nearest(array: NDArray[Any], index: list[NDArray[np.float64]]) -> NDArray[Any]:
    """Return the nearest voxel; of two equally near the one with the higher index, as the steps do."""
    nearest = (
        np.clip(np.floor(at + 0.5 + TIE), 0, n - 1).astype(np.intp) for at, n in zip(index, array.shape, strict=True)
    )
    return np.asarray(array[tuple(nearest)])


def _linear(array: NDArray[Any], index: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Return what lies between the voxels around; beyond the centres of the outermost, their value."""
    at = np.array(np.broadcast_arrays(*index))
    return np.asarray(ndimage.map_coordinates(array, at, output=np.float32, order=1, mode="nearest"))


def _require_shape(array: NDArray[Any], shape: tuple[int, ...], grid: str) -> None:
    """Refuse an array that is not on the grid it should be on."""
    if array.shape != tuple(shape):
        msg = f"the array's shape is {array.shape}, and the {grid}'s grid is {tuple(shape)}"
        raise ValueError(msg)
