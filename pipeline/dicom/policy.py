"""Options of the configuration that decide which series are accepted, repaired or refused."""

from dataclasses import dataclass, field
from typing import Literal

from pipeline.limits import Limits


@dataclass(frozen=True)
class GeometryOptions:
    """``geometry:`` of the configuration: what to do with a stack that is not regular."""

    gantry_tilt: Literal["correct", "keep", "reject"] = "correct"
    uneven_spacing: Literal["reject", "resample"] = "reject"
    gap: Literal["reject", "interpolate"] = "reject"
    max_gap_mm: float = 10
    max_missing_share: float = 0.1
    duplicate_position: Literal["drop_identical", "split", "reject"] = "drop_identical"
    missing_position: Literal["reject", "slice_location", "instance_number"] = "reject"

    def __post_init__(self) -> None:
        if not self.max_gap_mm > 0:
            msg = "max_gap_mm must be above 0"
            raise ValueError(msg)
        if not 0 <= self.max_missing_share < 1:
            msg = "max_missing_share must be at least 0 and below 1"
            raise ValueError(msg)


@dataclass(frozen=True)
class HounsfieldOptions:
    """``hounsfield:`` of the configuration."""

    padding_hu: float = -1024
    rescale_missing: Literal["reject", "assume_hu"] = "reject"
    wrapped: Literal["reject", "repair"] = "reject"


@dataclass(frozen=True)
class Policy:
    """The limits and the choices by which a series is accepted, repaired or refused."""

    limits: Limits = field(default_factory=Limits)
    geometry: GeometryOptions = field(default_factory=GeometryOptions)
    hounsfield: HounsfieldOptions = field(default_factory=HounsfieldOptions)
    min_slices: int = 3
