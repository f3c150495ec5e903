"""A fixed shape."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.axes import Zyx
from pipeline.steps.grid import AxisMap, GridChange
from pipeline.steps.step import Step
from pipeline.volume import VolumeSpec


@dataclass(frozen=True)
class CropOrPad(Step):
    """Cut or fill evenly on both sides, so that the centre stays; of an odd number the last side has one more.

    What is added is padding, not measured, and has the value that ``padding_hu`` has become.  No bit of the rest
    changes.  Law: twice is once.
    """

    name: ClassVar = "crop_or_pad"
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        if not all(1 <= n <= 100_000 for n in self.shape):
            msg = f"shape must be three numbers of voxels, for z, y and x, from 1 to 100000, not {list(self.shape)}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the shift of each axis."""
        geometry, shape = spec.geometry, Zyx(*self.shape)
        # Truncation towards zero, so that a crop undoes a pad and a pad puts back what a crop left.
        start = Zyx(*(float(int((n - new) / 2)) for n, new in zip(geometry.shape, shape, strict=True)))
        axes = Zyx(*(AxisMap(new, n, s) for n, new, s in zip(geometry.shape, shape, start, strict=True)))
        return GridChange(Zyx(0, 1, 2), axes, geometry.sampled(start, Zyx(1.0, 1.0, 1.0), shape))
