"""Stores written from whole arrays, as tests have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry
from pipeline.store import write
from pipeline.store.options import StoreOptions
from pipeline.store.write import StoreReceipt
from pipeline.volume import Mask


@dataclass(frozen=True, eq=False, kw_only=True)
class StoreContent:
    """An array [z, y, x], or [c, z, y, x] with channels, its mask [z, y, x], and what describes them."""

    array: NDArray[Any]
    measured: Mask
    geometry: Geometry
    attributes: Mapping[str, Any]
    channels: tuple[str, ...] | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    fill_value: float = 0

    def plane(self, z: int) -> tuple[NDArray[Any], Mask | None]:
        """Return one plane [c, y, x] and its mask, None where all of it was measured."""
        planes = self.array.reshape(-1, *self.measured.shape)
        return planes[:, z], None if np.all(self.measured[z]) else self.measured[z]


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
    with write.new_store(folder, options) as store:
        store.write(given)
        return store.finish(given, content.attributes)
