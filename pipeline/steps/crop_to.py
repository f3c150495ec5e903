"""A box around a label."""

from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx
from pipeline.program.changes import Search
from pipeline.program.step import Step
from pipeline.steps.crop import FoundBox
from pipeline.volume import Mask, Volume, VolumeSpec


@dataclass(frozen=True)
class FoundLabel(FoundBox):
    """The crop, its box found."""

    name: ClassVar = "crop_to"
    label: str
    margin_mm: float
    found: bool
    start: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class CropTo(Step):
    """Cut to the box around a label, wider by ``margin_mm`` on each side as far as the volume goes.

    ``label`` is the name of a mask of ``manifest.labels.masks``; all its regions count.  The voxels that stay keep
    every bit.  A series without that label is not cut, and its trail says ``found: false``.
    """

    name: ClassVar = "crop_to"
    label: str
    margin_mm: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.margin_mm <= 1000:
            msg = f"margin_mm must lie between 0 and 1000, not {self.margin_mm}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> Search:
        """Return the search; until the label is known, the result is described as if nothing were cut."""
        del spec
        return Search(0)

    def find(self, volume: Volume) -> FoundLabel:
        """Return a crop that cuts nothing: the label of a volume lies beside it."""
        return self.locate(np.zeros(volume.geometry.shape, np.uint8), volume.geometry)

    def locate(self, labels: NDArray[np.integer[Any]], geometry: Geometry) -> FoundLabel:
        """Return the crop to the box around labels [z, y, x], or [region, z, y, x], on a grid."""
        inside: Mask = labels.astype(np.bool_)
        if labels.ndim == 4:
            inside = np.logical_or.reduce(inside, axis=0)
        if not inside.any():
            return FoundLabel(self.label, self.margin_mm, False, Zyx(0, 0, 0), geometry.shape)  # noqa: FBT003
        starts, stops = [], []
        for axis, (n, mm) in enumerate(zip(geometry.shape, geometry.spacing_mm, strict=True)):
            hits = np.flatnonzero(np.moveaxis(inside, axis, 0).reshape(n, -1).any(axis=1))
            margin = ceil(self.margin_mm / mm - 1e-6)
            starts.append(max(0, int(hits[0]) - margin))
            stops.append(min(n, int(hits[-1]) + 1 + margin))
        shape = Zyx(*(stop - start for start, stop in zip(starts, stops, strict=True)))
        return FoundLabel(self.label, self.margin_mm, True, Zyx(*starts), shape)  # noqa: FBT003
