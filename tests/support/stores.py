"""Stores written from whole arrays, as tests have them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.store import write
from pipeline.store.layout import StoreOptions
from pipeline.store.write import StoreReceipt
from pipeline.volume import Mask

SHAPE = (5, 20, 30)
CHUNKED = StoreOptions(chunks=(2, 16, 16))
ATTRIBUTES = {"units": "HU", "series_key": "00ff", "trail": [{"name": "orient", "to": "LPS"}], "inverse": None}


@dataclass(frozen=True, eq=False, kw_only=True)
class StoreContent:
    """An array [z, y, x], or [c, z, y, x] with channels, its mask [z, y, x], and what describes them."""

    array: NDArray[Any]
    valid: Mask
    geometry: Geometry
    attributes: Mapping[str, Any]
    channels: tuple[str, ...] | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    fill_value: float = 0

    def plane(self, z: int) -> tuple[NDArray[Any], Mask | None]:
        """Return one plane [c, y, x] and its mask, None where all of it was measured."""
        planes = self.array.reshape(-1, *self.valid.shape)
        return planes[:, z], None if np.all(self.valid[z]) else self.valid[z]


def write_store(folder: Path, content: StoreContent, options: StoreOptions) -> StoreReceipt:
    """Write a whole store at once."""
    given = write.StoreContent(
        planes=content.plane,
        dtype=str(content.array.dtype),
        geometry=content.geometry,
        channels=content.channels,
        scale_factor=content.scale_factor,
        add_offset=content.add_offset,
        fill_value=content.fill_value,
    )
    with write.create_store(folder, options) as store:
        store.write(given)
        return store.finish(given, content.attributes)


def content(shape: tuple[int, ...] = SHAPE, dtype: str = "int16", **changes: Any) -> StoreContent:
    """Return something to store: noise of which two thirds were measured."""
    rng = np.random.default_rng(7)
    made = StoreContent(
        array=rng.integers(0, 200, shape).astype(dtype),
        valid=rng.random(shape[-3:]) > 0.3,
        geometry=Geometry(Zyx(*shape[-3:]), Zyx(2.5, 0.8, 0.7), Xyz(-11.2, -12.8, -100.0), LPS_AXES),
        attributes=ATTRIBUTES,
    )
    return replace(made, **changes)


def data_files(folder: Path) -> list[Path]:
    """Return a store's files that hold voxels."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "zarr.json"]
