"""Planes out of a store that is still being written, each chunk decoded once where they are asked for in order."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.volume import Mask

StoredPlanes = Callable[[int], tuple[NDArray[Any], Mask | None]]
"""From z to a plane [c, y, x] as it is stored, and where it was measured [y, x], None if everywhere."""


def planes_written(group: zarr.Group, image: str, mask: str | None) -> StoredPlanes:
    """Return the planes of an image, and of a mask if there is one of that name; in memory is a layer of chunks."""
    voxels = _planes(group, image)
    measured = _planes(group, mask) if mask is not None and mask in group else None

    def plane(z: int) -> tuple[NDArray[Any], Mask | None]:
        return voxels(z), None if measured is None else measured(z)[0].astype(np.bool_)

    return plane


def _planes(group: zarr.Group, name: str) -> Callable[[int], NDArray[Any]]:
    """Return from z to a plane [c, y, x], c being 1 where an array has no such axis."""
    array: Any = group[name]
    depth = array.chunks[-3]

    @lru_cache(maxsize=1)
    def layer(start: int) -> NDArray[Any]:
        planes: NDArray[Any] = array[..., start : start + depth, :, :]
        return planes.reshape(-1, *planes.shape[-3:])

    return lambda z: layer(z - z % depth)[:, z % depth]
