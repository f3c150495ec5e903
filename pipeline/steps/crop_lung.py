"""A box around the lungs."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.features.anatomy import Samples, find_lungs
from pipeline.features.tissue import BODY_ABOVE_HU, LUNG_OR_AIR_BELOW_HU
from pipeline.steps.crop import CropToTarget, FoundCrop
from pipeline.volume import Mask


@dataclass(frozen=True)
class FoundLungCrop(FoundCrop):
    """The crop, its box found."""

    name: ClassVar = "crop_lung"


@dataclass(frozen=True)
class CropLung(CropToTarget):
    """Cut to the air within the body: its largest piece, and the second largest if it has the size of a lung."""

    name: ClassVar = "crop_lung"
    looks_at_hu: ClassVar = (LUNG_OR_AIR_BELOW_HU - 100, BODY_ABOVE_HU + 200)
    cropped: ClassVar = FoundLungCrop

    @staticmethod
    def find_target(samples: Samples) -> Mask:
        """Return the lungs."""
        return find_lungs(samples)
