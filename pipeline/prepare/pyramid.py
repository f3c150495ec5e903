"""Pyramid levels of a store, each with half the samples of the one before: averaged, not subsampled."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry
from pipeline.program.execute import change_planes, convert_to_stored
from pipeline.program.labels import Labels, carry_label_layers
from pipeline.program.program import StoredType
from pipeline.steps.resample import Resample
from pipeline.store.read import StoredPlanes
from pipeline.store.write import NewStore, StoreContent
from pipeline.volume import ClampedLine, Mask, Plane, VolumeSpec, drop_full_mask

HALVED = Resample(factor=(0.5, 0.5, 0.5))
"""The outer faces stay; half of an odd number of samples is rounded up."""


def write_pyramid(store: NewStore, content: StoreContent, n_levels: int, dtype: StoredType) -> list[Geometry]:
    """Write the levels above 0, which is written already; return their grids.

    There are fewer levels where one is a single voxel.  Stored numbers are averaged, which for packed integers is the
    same as averaging their values; weights are renormalised over valid voxels.
    """
    grids: list[Geometry] = []
    planes = store.planes()
    for level in range(1, n_levels):
        if max(content.geometry.shape) == 1:
            break
        content = halve(replace(content, planes=planes), dtype)
        valid = np.empty(content.geometry.shape, np.bool_)
        store.write(replace(content, planes=_copy_masks(content.planes, valid)), level)
        planes = _attach_masks(store.planes(level), valid)
        grids.append(content.geometry)
    return grids


def halve(content: StoreContent, dtype: StoredType) -> StoreContent:
    """Return the content with half the samples along every axis with more than one."""
    spec = VolumeSpec(content.geometry, lines=(ClampedLine(),) * len(content.channels or ("",)))
    change = HALVED.change(spec)
    coarse = change_planes(change, lambda z: _plane(*content.planes(z)), spec)

    def at(z: int) -> tuple[NDArray[Any], Mask | None]:
        plane = coarse(z)
        return convert_to_stored(plane.voxels, dtype, None), plane.valid

    return replace(content, planes=at, geometry=change.geometry)


def build_label_levels(labels: Labels, grids: Sequence[Geometry]) -> tuple[Labels, ...]:
    """Return labels [z, y, x] or [region, z, y, x] on each grid of a pyramid: of each voxel the largest share."""
    levels = [labels]
    for grid in grids[:-1]:
        change = HALVED.change(VolumeSpec(grid, lines=(ClampedLine(),)))
        levels.append(carry_label_layers(levels[-1], change))
    return tuple(levels)


def _plane(stored: NDArray[Any], valid: Mask | None) -> Plane:
    return Plane(stored.astype(np.float32), None if valid is None else drop_full_mask(valid))


def _copy_masks(planes: StoredPlanes, valid: Mask) -> StoredPlanes:
    """Return planes that copy their masks into ``valid`` [z, y, x] as they pass."""

    def at(z: int) -> tuple[NDArray[Any], Mask | None]:
        stored, mask = planes(z)
        valid[z] = True if mask is None else mask
        return stored, mask

    return at


def _attach_masks(planes: StoredPlanes, valid: Mask) -> StoredPlanes:
    """Return planes with a mask that is in memory."""
    return lambda z: (planes(z)[0], valid[z])
