"""Padding in place of all that lies outside the body."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pipeline.features.anatomy import Samples, find_inside, search_bytes
from pipeline.features.tissue import BODY_ABOVE_HU
from pipeline.program.changes import Blank, Search
from pipeline.program.step import Step, require_range
from pipeline.steps.crop import Found
from pipeline.volume import Mask, Volume, VolumeSpec


@dataclass(frozen=True, eq=False)
class FoundBody(Found):
    """The removal, the body found; ``inside`` [z, y, x] is what stays."""

    name: ClassVar = "remove_table"
    margin_mm: float
    found: bool
    inside: Mask = field(repr=False)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters without the voxels."""
        return {"margin_mm": self.margin_mm, "found": self.found}

    def change(self, spec: VolumeSpec) -> Blank:
        """Return the blanking."""
        del spec
        return Blank(self.inside)


@dataclass(frozen=True)
class RemoveTable(Step):
    """Put padding, not valid, where a voxel lies farther than ``margin_mm`` outside the body.

    The body is the largest piece of tissue, as `crop_body` finds it in samples of about 2 mm, with all that it
    surrounds in its axial slices.  What touches it, such as a thick table, stays within the margin.  Where no body is
    found nothing is removed, and the trail says ``found: false``.
    """

    name: ClassVar = "remove_table"
    margin_mm: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.margin_mm <= 100:
            msg = f"margin_mm must lie between 0 and 100, not {self.margin_mm}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> Search:
        """Return the search; the result is described as the volume before."""
        require_range(spec, self.name, BODY_ABOVE_HU - 200, BODY_ABOVE_HU + 200)
        return Search(4 * search_bytes(spec.geometry) + int(np.prod(spec.geometry.shape)))

    def find(self, volume: Volume) -> FoundBody:
        """Return the removal of what is not near the body."""
        inside = find_inside(Samples.of(volume), self.margin_mm)
        if inside is None:
            return FoundBody(self.margin_mm, False, np.ones(volume.geometry.shape, np.bool_))  # noqa: FBT003
        return FoundBody(self.margin_mm, True, inside)  # noqa: FBT003
