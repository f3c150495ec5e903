"""A box around the body."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.features.anatomy import Samples, find_body
from pipeline.features.tissue import BODY_ABOVE_HU
from pipeline.steps.crop import CropToTarget, FoundCrop
from pipeline.volume import Mask


@dataclass(frozen=True)
class FoundBodyCrop(FoundCrop):
    """The crop, its box found."""

    name: ClassVar = "crop_body"


@dataclass(frozen=True)
class CropBody(CropToTarget):
    """Cut to the largest piece of tissue, without air, table and objects beside the patient."""

    name: ClassVar = "crop_body"
    looks_at_hu: ClassVar = (BODY_ABOVE_HU - 200, BODY_ABOVE_HU + 200)
    cropped: ClassVar = FoundBodyCrop

    @staticmethod
    def find_target(samples: Samples) -> Mask:
        """Return the body."""
        return find_body(samples)
