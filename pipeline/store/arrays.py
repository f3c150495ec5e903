"""New arrays of a store: zarr writes what describes them, and here is how their planes are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pipeline.store.codec import codec, encoder
from pipeline.store.layout import Layout
from pipeline.store.options import StoreOptions
from pipeline.store.shards import PlaneWriter, Stored


def new_array(  # noqa: PLR0913  all that describes an array
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    layout: Layout,
    options: StoreOptions,
    *,
    fill_value: float = 0,
    attributes: Mapping[str, float] | None = None,
) -> PlaneWriter:
    """Create an array [z, y, x], or [c, z, y, x], of a group that lies in a folder, and return what takes its planes.

    ``layout`` is that of one channel.
    """
    fill, packed, n_channels = dtype.type(fill_value), codec(dtype, layout.chunks, options), shape[:-3]
    array: Any = group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(*(1 for _ in n_channels), *layout.chunks),
        shards=None if layout.shards is None else (*n_channels, *layout.shards),
        compressors=packed,
        fill_value=fill,
        dimension_names=("c", "z", "y", "x")[-len(shape) :],
        attributes=dict(attributes or {}),
    )
    return PlaneWriter(Stored(Path(array.store.root, array.path), shape, dtype, fill, layout, encoder(packed)))
