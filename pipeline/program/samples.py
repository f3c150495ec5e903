"""A volume at about two millimetres, foot to head first: fine enough to find a body in, and quick to search."""

from dataclasses import dataclass
from math import ceil, prod
from typing import Self

import numpy as np

from pipeline.axes import Zyx
from pipeline.geometry import Geometry
from pipeline.volume import Mask, Volume, Voxels

SAMPLE_MM = 2.0
"""Samples lie at most so far apart, or as far as the voxels do."""

SAMPLE_BYTES = 4 + 8 + 4
"""Numbers of components, the same to be counted, and masks."""

Box = tuple[Zyx[int], Zyx[int]]
"""Start and shape, in voxels."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Every k-th voxel along each axis; the arrays have the axis between foot and head in front.

    ``seen`` is True where a value may be believed: measured, or invented between measured ones.
    """

    hu: Voxels
    seen: Mask
    geometry: Geometry

    @classmethod
    def of(cls, volume: Volume) -> Self:
        """Return the samples of a volume's first channel, as views."""
        every = tuple(slice(None, None, k) for k in strides(volume.geometry))
        seen = volume.measured if volume.usable is None else volume.usable
        axial = _axial(volume.geometry)
        return cls(
            np.moveaxis(volume.by_channel[0][every], axial, 0),
            np.moveaxis(seen[every], axial, 0),
            volume.geometry,
        )

    @property
    def sample_ml(self) -> float:
        """What a sample stands for, in millilitres."""
        return prod(k * mm for k, mm in zip(strides(self.geometry), self.geometry.spacing_mm, strict=True)) / 1000

    def box_around(self, found: Mask, margin_mm: float) -> Box | None:
        """Return the volume's box that holds what was found, and a margin as far as the volume goes; None of nothing.

        Between samples nobody looked: the box reaches up to the next one, and is never too small for that.
        """
        if not found.any():
            return None
        upright = np.moveaxis(found, 0, _axial(self.geometry))
        sides = zip(range(3), self.geometry.shape, strides(self.geometry), self.geometry.spacing_mm, strict=True)
        starts, stops = zip(
            *(_side(upright, axis, n, k, ceil(margin_mm / mm)) for axis, n, k, mm in sides), strict=True
        )
        return Zyx(*starts), Zyx(*(stop - start for start, stop in zip(starts, stops, strict=True)))


def strides(geometry: Geometry) -> Zyx[int]:
    """Return how many voxels lie from sample to sample."""
    return Zyx(*(max(1, int(SAMPLE_MM / mm)) for mm in geometry.spacing_mm))


def search_bytes(geometry: Geometry) -> int:
    """Return the memory that a search takes beside the volume."""
    return SAMPLE_BYTES * prod(ceil(n / k) for n, k in zip(geometry.shape, strides(geometry), strict=True))


def _axial(geometry: Geometry) -> int:
    """Return the array's axis that runs between foot and head."""
    return geometry.nearest_patient_axes.index(2)


def _side(found: Mask, axis: int, n: int, k: int, margin: int) -> tuple[int, int]:
    """Return the first voxel of a box along an axis of n, and the one behind its last; k lie from sample to sample."""
    hits = np.flatnonzero(found.any(axis=tuple(other for other in range(3) if other != axis)))
    first, last = int(hits[0]) * k, int(hits[-1]) * k
    return max(0, first - (k - 1) - margin), min(n, last + k + margin)
