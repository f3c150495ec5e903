"""A volume in the order and the world of NIfTI, which other libraries share: [x, y, z], millimetres in RAS."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry


def affine_xyz(geometry: Geometry) -> NDArray[np.float64]:
    """Return 4 x 4, from index (x, y, z, 1) to RAS millimetres."""
    return np.asarray(geometry.affine_ras[:, [2, 1, 0, 3]], np.float64)


def to_cxyz(array: NDArray[Any]) -> NDArray[Any]:
    """Return [z, y, x] or [c, z, y, x] as [c, x, y, z], in memory in that order."""
    channels = array.reshape(-1, *array.shape[-3:])
    return np.ascontiguousarray(channels.transpose(0, 3, 2, 1))
