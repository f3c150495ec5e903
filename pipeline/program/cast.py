"""Values to the numbers that are stored: rounded to nearest, saturated, never wrapped."""

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.bands import whole_numbers
from pipeline.program.packing import Packing, StoredType
from pipeline.volume import Voxels


def cast(voxels: Voxels, dtype: StoredType, packed: Packing | None) -> NDArray[np.generic]:
    """Return voxels as they are stored: whole numbers rounded to nearest, saturated; floats kept finite."""
    if np.issubdtype(dtype, np.floating):
        return np.clip(voxels, np.finfo(dtype).min, np.finfo(dtype).max).astype(dtype)
    stored = np.empty(voxels.shape, dtype)
    packing = (packed.scale_factor, packed.add_offset) if packed else (1.0, 0.0)
    whole_numbers(voxels.ravel(), packing, stored.ravel())
    return stored
