"""Labels beside the image: integers on its grid, cut into the same chunks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.store.codec import codec
from pipeline.store.layout import Layout
from pipeline.store.options import StoreOptions


def write_labels(group: zarr.Group, labels: Mapping[str, NDArray[np.integer[Any]]], options: StoreOptions) -> None:
    """Write each array [z, y, x] to ``labels/<name>``, 0 being background; without any there is no ``labels``."""
    if not labels:
        return
    folder = group.create_group("labels")
    for name, array in sorted(labels.items()):
        layout = Layout.of(array.shape, array.dtype, options)
        target = folder.create_array(
            name,
            shape=array.shape,
            dtype=array.dtype,
            chunks=tuple(layout.chunks),
            shards=None if layout.shards is None else tuple(layout.shards),
            compressors=codec(array.dtype, layout.chunks, options),
            fill_value=0,
            dimension_names=("z", "y", "x"),
            config={"order": "C", "write_empty_chunks": False},
        )
        target[...] = array
