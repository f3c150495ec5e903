"""A box around the body."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.features.anatomy import TISSUE_HU, Samples, body_of
from pipeline.steps.crop import Crop, Cropped
from pipeline.volume import Mask


@dataclass(frozen=True)
class CroppedToBody(Cropped):
    """The crop, its box found."""

    name: ClassVar = "crop_body"


@dataclass(frozen=True)
class CropBody(Crop):
    """Cut to the largest piece of tissue: air, table and what lies beside the patient stay out."""

    name: ClassVar = "crop_body"
    looks_at_hu: ClassVar = (TISSUE_HU - 200, TISSUE_HU + 200)
    cropped: ClassVar = CroppedToBody

    @staticmethod
    def sought(samples: Samples) -> Mask:
        """Return the body."""
        return body_of(samples)
