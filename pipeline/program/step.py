"""The protocol of a step: its block of the configuration, checked by itself, that compiles to a change."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from pipeline.errors import UsageError
from pipeline.program.changes import Change
from pipeline.volume import Scale, Volume, VolumeSpec


class StepOrderError(UsageError):
    """A step cannot follow those before it; ``index`` is its place in the list, from 0, once that is known."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class NeedsStatisticsError(StepOrderError):
    """A step needs statistics of the cohort, and there are none."""


@dataclass(frozen=True)
class Step(ABC):
    """A step of a program; the fields of a subclass are its parameters in YAML."""

    name: ClassVar[str]
    unsaid: ClassVar[tuple[str, ...]] = ()
    """Parameters that are said only where they differ from their default, so that stores made before them stay."""

    @abstractmethod
    def change(self, spec: VolumeSpec) -> Change:
        """Return the change to a volume of this description; raises StepOrderError where the step cannot be done."""

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result.

        Law: it is that of the volume the step makes, except for lines that wait for a statistic.
        """
        return self.change(spec).after(spec)

    def find(self, volume: Volume) -> "Step":
        """Return the step that this one becomes once the whole volume is known.

        Called only for a step whose change is a `Search`.  The step returned needs no search; the trail keeps its
        parameters.
        """
        msg = f"{self.name} searches nothing"
        raise NotImplementedError(msg)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that are set, by name."""
        usual = {field.name: field.default for field in fields(self) if field.name in self.unsaid}
        return {
            name: value
            for name, value in asdict(self).items()
            if value is not None and not (name in usual and value == usual[name])
        }


def require_hu(spec: VolumeSpec, name: str) -> None:
    """Raise StepOrderError where the values are no longer Hounsfield units."""
    if spec.scale is not Scale.HU:
        msg = f"{name} works on Hounsfield units; put it before the normalise or centre that comes earlier"
        raise StepOrderError(msg)


def require_range(spec: VolumeSpec, name: str, low_hu: float, high_hu: float) -> None:
    """Raise StepOrderError where values between two HU can no longer be distinguished."""
    require_hu(spec, name)
    if not all(line and line.low <= low_hu and high_hu <= line.high for line in spec.lines):
        msg = f"{name} needs values from {low_hu:g} to {high_hu:g} HU; put it before the clip or window"
        raise StepOrderError(msg)


def describe(steps: Sequence[Step], source: VolumeSpec) -> list[VolumeSpec]:
    """Return the description after each step; raises StepOrderError with the index of the step that cannot be done."""
    specs = [source]
    for index, step in enumerate(steps):
        try:
            specs.append(step.after(specs[-1]))
        except StepOrderError as error:
            raise type(error)(str(error), index) from None
    return specs[1:]
