"""Which series are wanted."""

from dataclasses import dataclass, field
from typing import Any, Literal

Preference = Literal["thinnest", "most_slices", "earliest"] | dict[str, list[str | int | float]]
"""How two candidates are ranked: by a measure, or by the place of an element's value in a list."""


@dataclass(frozen=True)
class SelectOptions:
    """``select:`` of the configuration."""

    one_per: Literal["series", "study", "patient"] = "series"
    prefer: tuple[Preference, ...] = ("thinnest", "most_slices")
    where: dict[str, Any] = field(default_factory=dict)
    derived: Literal["all", "axial", "none"] = "axial"
    min_slices: int = 3
    slice_count: Literal["any", "most_common"] | int = "any"
    regroup: Literal["uid", "geometry"] = "uid"

    def __post_init__(self) -> None:
        if self.min_slices < 1:
            msg = "min_slices must be at least 1"
            raise ValueError(msg)
        if isinstance(self.slice_count, int) and self.slice_count < 1:
            msg = "slice_count must be at least 1"
            raise ValueError(msg)
