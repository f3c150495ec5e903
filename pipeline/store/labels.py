"""Labels beside the image: integers on its grid, cut into the same chunks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.store.arrays import new_array
from pipeline.store.layout import Layout
from pipeline.store.options import StoreOptions


def write_labels(group: zarr.Group, labels: Mapping[str, NDArray[np.integer[Any]]], options: StoreOptions) -> None:
    """Write each array [z, y, x] to ``labels/<name>``, 0 being background; without any there is no ``labels``."""
    if not labels:
        return
    folder = group.create_group("labels")
    for name, array in sorted(labels.items()):
        layout = Layout.of(array.shape, array.dtype, options)
        planes = new_array(folder, name, array.shape, array.dtype, layout, options)
        for plane in array:
            planes.put(plane)
