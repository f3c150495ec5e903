"""A list of steps compiled to a short program: lines fold into one, changes of grid fold into one."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Self

import numpy as np

from pipeline.errors import SeriesRefusedError
from pipeline.program.changes import Barrier, Change, GridChange, LineChange, Search
from pipeline.program.memory import peak_bytes
from pipeline.program.packing import StoredType, choose_dtype
from pipeline.program.step import NeedsStatisticsError, Step, describe
from pipeline.vocabulary import Reason
from pipeline.volume import VolumeSpec

Named = tuple[Change, tuple[str, ...]]


@dataclass(frozen=True)
class Program:
    """Steps compiled for a volume of the description ``source``; ``specs`` describes the result of each step.

    ``changes`` are the changes that the steps fold into; ``folded`` names the steps in each change.
    """

    source: VolumeSpec
    steps: tuple[Step, ...]
    specs: tuple[VolumeSpec, ...]
    changes: tuple[Change, ...]
    folded: tuple[tuple[str, ...], ...]
    dtype: StoredType

    @classmethod
    def compile(cls, steps: Sequence[Step], source: VolumeSpec, dtype: Literal["auto"] | StoredType = "auto") -> Self:
        """Compile steps.

        Raises StepOrderError where a step cannot follow those before it, NeedsStatisticsError where one needs
        statistics of the cohort (both with its index), UsageError where the dtype cannot hold the result.
        """
        specs = (source, *describe(steps, source))
        changes = [step.change(spec) for step, spec in zip(steps, specs, strict=False)]
        for index, change in enumerate(changes):
            if isinstance(change, Barrier) and change.line_of is None:
                msg = f"{steps[index].name} with statistics: cohort needs statistics.json of ctprep fit"
                raise NeedsStatisticsError(msg, index)
        folded = _fold([(change, (step.name,)) for change, step in zip(changes, steps, strict=True)])
        names = tuple(names for _, names in folded)
        dtype = choose_dtype(dtype, specs[-1])
        return cls(source, tuple(steps), specs[1:], tuple(change for change, _ in folded), names, dtype)

    @property
    def result(self) -> VolumeSpec:
        """The description of the result; a line is None if it waits for a statistic of the volume."""
        return self.specs[-1] if self.specs else self.source

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the stored array."""
        return self.result.shape

    @property
    def first_search(self) -> int | None:
        """The index of the first step that has to search the whole volume for its parameters, None without one.

        From there on shapes, bytes and memory are upper bounds.
        """
        for index, (step, before) in enumerate(zip(self.steps, (self.source, *self.specs), strict=False)):
            if isinstance(step.change(before), Search):
                return index
        return None

    @property
    def is_upper_bound(self) -> bool:
        """Whether shape, bytes and memory are upper bounds, as a step has yet to search what it cuts to."""
        return self.first_search is not None

    @property
    def leaves_nothing(self) -> bool:
        """Whether a step crops to a region without any voxel of the source."""
        return any(isinstance(change, GridChange) and change.leaves_nothing for change in self.changes)

    @property
    def nbytes(self) -> int:
        """The bytes of the stored array, before compression."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def peak_bytes(self) -> int:
        """The most bytes that the program holds at once, from the planes read to the plane to store."""
        return peak_bytes(self.changes, self.source)

    def trail(self) -> list[dict[str, Any]]:
        """Return each step's name and parameters, in order."""
        return [{"step": step.name, "parameters": step.parameters} for step in self.steps]


def require_voxels(program: Program) -> None:
    """Raise SeriesRefusedError if no voxel of the source would be left."""
    if program.leaves_nothing:
        detail = "crop_or_pad goes around a point so far outside the volume that nothing but padding would be left"
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, detail)


def _fold(changes: Sequence[Named]) -> list[Named]:
    """Return the fewest changes with the same result."""
    folded: list[Named] = []
    for change, names in changes:
        both = _merge(folded[-1][0], change) if folded else None
        folded[-1:] = [(both, folded[-1][1] + names)] if both else [*folded[-1:], (change, names)]
    return folded


def _merge(first: Change, second: Change) -> Change | None:
    """Return one change with the result of two, None where there is none."""
    if isinstance(first, LineChange) and isinstance(second, LineChange):
        return first.then(second)
    if isinstance(first, GridChange) and isinstance(second, GridChange):
        return first.then(second)
    return None
