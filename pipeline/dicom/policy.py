"""What the checks are told by the configuration."""

from dataclasses import dataclass, field

from pipeline.dicom.hounsfield import HounsfieldOptions
from pipeline.dicom.stack import GeometryOptions
from pipeline.limits import Limits


@dataclass(frozen=True)
class Policy:
    """The limits and the choices by which a series is accepted, repaired or refused."""

    limits: Limits = field(default_factory=Limits)
    geometry: GeometryOptions = field(default_factory=GeometryOptions)
    hounsfield: HounsfieldOptions = field(default_factory=HounsfieldOptions)
    min_slices: int = 3
