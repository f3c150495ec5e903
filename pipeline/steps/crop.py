"""Crops to a box that is searched in the voxels: the step that searches, and the step that it becomes."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.features.anatomy import Samples, search_bytes
from pipeline.geometry import Geometry, Zyx
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange, Search
from pipeline.program.step import Step, require_range
from pipeline.volume import Mask, Volume, VolumeSpec


class Found(Step):
    """A step whose target was searched in the voxels; ``found`` says whether there was one."""

    found: bool


class FoundBox(Found):
    """A crop whose box was found; its parameters in the trail are enough to repeat it.

    ``start`` and ``shape`` are the box with its margin, in voxels z, y, x of the grid before: the whole grid where
    nothing was found.
    """

    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the crop."""
        return shift_grid(spec.geometry, Zyx(*self.start), Zyx(*self.shape))


@dataclass(frozen=True)
class FoundCrop(FoundBox):
    """A crop to a box around a target."""

    margin_mm: float
    found: bool
    start: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class CropToTarget(Step):
    """Cut the volume to a box around a target in it, wider by ``margin_mm`` on each side as far as the volume goes.

    The voxels that stay keep every bit.  Where no target is found nothing is cut, and the trail says ``found: false``.
    """

    looks_at_hu: ClassVar[tuple[float, float]]
    cropped: ClassVar[type[FoundCrop]]
    margin_mm: float

    def __post_init__(self) -> None:
        if not 0 <= self.margin_mm <= 1000:
            msg = f"margin_mm must lie between 0 and 1000, not {self.margin_mm}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> Search:
        """Return the search; until it is done, the result is described as if nothing were cut."""
        require_range(spec, self.name, *self.looks_at_hu)
        return Search(search_bytes(spec.geometry))

    def find(self, volume: Volume) -> FoundCrop:
        """Return the crop to the box around what was found."""
        samples = Samples.of(volume)
        box = samples.box_around(self.find_target(samples), self.margin_mm)
        start, shape = box or (Zyx(0, 0, 0), volume.geometry.shape)
        return self.cropped(self.margin_mm, box is not None, start, shape)

    @staticmethod
    @abstractmethod
    def find_target(samples: Samples) -> Mask:
        """Return the samples that the box must hold; all False where there is no target."""


def bound_hits(hits: Sequence[NDArray[np.bool_]], margins: Sequence[int]) -> tuple[Zyx[int], Zyx[int]] | None:
    """Return start and shape of the box that holds what was hit along z, y, x, with margins as far as the volume goes.

    ``hits`` tells for each axis at which of its voxels something was hit; ``margins`` are in voxels.  None for no hit.
    """
    starts, shape = [], []
    for along, margin in zip(hits, margins, strict=True):
        found = np.flatnonzero(along)
        if not found.size:
            return None
        start, stop = max(0, int(found[0]) - margin), min(along.size, int(found[-1]) + 1 + margin)
        starts.append(start)
        shape.append(stop - start)
    return Zyx(*starts), Zyx(*shape)


def shift_grid(geometry: Geometry, start: Zyx[int], shape: Zyx[int]) -> GridChange:
    """Return the change to a box on a grid's lattice, which may reach beyond the grid."""
    first = Zyx(*(float(index) for index in start))
    axes = Zyx(*(AxisMap(new, n, at) for n, new, at in zip(geometry.shape, shape, first, strict=True)))
    return GridChange(Zyx(0, 1, 2), axes, geometry.regrid(first, Zyx(1.0, 1.0, 1.0), shape))


def list_empty_crops(steps: Iterable[Step]) -> list[str]:
    """Return a message for each step that found nothing."""
    return [f"{step.name}: nothing found, nothing cut" for step in steps if isinstance(step, Found) and not step.found]
