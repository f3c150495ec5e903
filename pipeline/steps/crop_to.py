"""A box around a label."""

from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx
from pipeline.program.changes import Search
from pipeline.program.step import Step
from pipeline.steps.crop import FoundBox, bound_hits
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
        along = [np.asarray(inside.any(axis=others), np.bool_) for others in ((1, 2), (0, 2), (0, 1))]
        box = bound_hits(along, [ceil(self.margin_mm / mm - 1e-6) for mm in geometry.spacing_mm])
        start, shape = box or (Zyx(0, 0, 0), geometry.shape)
        return FoundLabel(self.label, self.margin_mm, box is not None, start, shape)
