"""Values as whole numbers of a step."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

from pipeline.program.changes import Quantisation
from pipeline.program.step import Step
from pipeline.volume import VolumeSpec


@dataclass(frozen=True)
class Quantise(Step):
    """Replace each value by ``start`` plus a whole number of ``step``, in the units at that point.

    ``rule``: ``truncate`` takes the one towards ``start``, ``floor`` the one below, ``nearest`` the nearest (halves to
    even).  The usual ones cut the fraction of Hounsfield units off, as a cast to an integer does.  Law: twice is once.
    """

    name: ClassVar = "quantise"
    step: float = 1.0
    start: float = 0.0
    rule: Literal["truncate", "floor", "nearest"] = "truncate"

    def __post_init__(self) -> None:
        if not (0 < self.step < 1e6 and isfinite(self.start)):
            msg = f"step must be above 0 and start finite, not {self.step} and {self.start}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> Quantisation:
        """Return the rounding."""
        del spec
        return Quantisation(self.step, self.start, self.rule)
