"""A list of steps made one short program: lines folded into one, grids into one, a stop where a statistic is due."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import prod
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.steps.apply import apply
from pipeline.steps.cast import StoredType, cast, packing, resolved_dtype
from pipeline.steps.changes import Barrier, Change, LineChange
from pipeline.steps.footprint import peak_bytes, volume_bytes
from pipeline.steps.grid import GridChange
from pipeline.steps.step import NeedsStatisticsError, Step, describe
from pipeline.volume import Mask, Volume, VolumeSpec

Inverse = dict[str, float]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a program leaves: the array to store, its mask, and what describes them.

    ``array * scale_factor + add_offset`` are the values (both None where the array holds them itself), and
    ``inverse["a"] * value + inverse["b"]`` is HU, between the limits of the steps; a list of such pairs with channels,
    None where the steps left nothing to invert.  ``fill_value`` is padding as the array holds it, the first channel's.
    """

    array: NDArray[np.generic]
    measured: Mask
    spec: VolumeSpec
    scale_factor: float | None
    add_offset: float | None
    fill_value: float

    @property
    def inverse(self) -> Inverse | list[Inverse | None] | None:
        """What turns values back into HU."""
        pairs = [_inverse(line.inverse if line else None) for line in self.spec.lines]
        return pairs[0] if self.spec.channels is None else pairs


@dataclass(frozen=True)
class Program:
    """Steps, ready for one volume of the description ``source``; ``specs`` describes what each of them leaves."""

    source: VolumeSpec
    steps: tuple[Step, ...]
    specs: tuple[VolumeSpec, ...]
    changes: tuple[Change, ...]
    dtype: StoredType

    @classmethod
    def compile(cls, steps: Sequence[Step], source: VolumeSpec, dtype: Literal["auto"] | StoredType = "auto") -> Self:
        """Fold the steps.

        Raises StepOrderError where a step cannot follow those before it, NeedsStatisticsError where one needs the
        cohort's (both with its index), UsageError where the dtype cannot hold the result.
        """
        specs = (source, *describe(steps, source))
        changes = [step.change(spec) for step, spec in zip(steps, specs, strict=False)]
        for index, change in enumerate(changes):
            if isinstance(change, Barrier) and change.line_of is None:
                msg = f"{steps[index].name} with statistics: cohort needs statistics.json of ctprep fit"
                raise NeedsStatisticsError(msg, index)
        return cls(source, tuple(steps), specs[1:], _folded(changes), resolved_dtype(dtype, specs[-1]))

    @property
    def result(self) -> VolumeSpec:
        """The description of what comes out; a line is None if it waits for a statistic of the volume."""
        return self.specs[-1] if self.specs else self.source

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the stored array."""
        return self.result.shape

    @property
    def nbytes(self) -> int:
        """The bytes of the stored array, before compression."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def peak_bytes(self) -> int:
        """The most memory that ``run`` holds at once, the source included, which its caller keeps."""
        specs = list(accumulate(self.changes, lambda spec, change: change.after(spec), initial=self.source))
        peaks = [peak_bytes(change, spec) for change, spec in zip(self.changes, specs, strict=False)]
        peaks.append(volume_bytes(self.result) + self.nbytes)
        source = volume_bytes(self.source)
        return max(peaks[0], *(source + peak for peak in peaks[1:])) if self.changes else peaks[0]

    def trail(self) -> list[dict[str, Any]]:
        """Return each step's name and parameters, in order."""
        return [{"step": step.name, "parameters": step.parameters} for step in self.steps]

    def explain(self) -> list[str]:
        """Return a line a step: what comes out, its bytes, most memory that the step alone takes; then the cast."""
        specs = (self.source, *self.specs)
        lines = [f"source: {_words(self.source)}"]
        for step, (before, after) in zip(self.steps, pairwise(specs), strict=True):
            peak = peak_bytes(step.change(before), before)
            lines.append(f"{step.name}: {_words(after)}, peak {_megabytes(peak)}")
        return [*lines, f"store: {self.dtype}, {_megabytes(self.nbytes)}, peak of all {_megabytes(self.peak_bytes)}"]

    def run(self, volume: Volume) -> Prepared:
        """Carry the program out; raises SeriesRefusedError if a statistic of the volume does not exist."""
        if volume.geometry != self.source.geometry:
            msg = "the volume is not the one that this program was compiled for"
            raise ValueError(msg)
        spec = self.source
        for change in self.changes:
            ready = change.resolve(volume) if isinstance(change, Barrier) else change
            volume = apply(ready, volume, spec.padding)
            spec = ready.after(spec)
        return self._prepared(volume, spec)

    def _prepared(self, volume: Volume, spec: VolumeSpec) -> Prepared:
        """Cast; the lines that had to wait for a statistic are those of the run, all others as described."""
        lines = tuple(line or found for line, found in zip(self.result.lines, spec.lines, strict=True))
        final = replace(self.result, lines=lines)
        packed = packing(self.dtype, final)
        array, measured = cast(volume.voxels, self.dtype, packed), np.ascontiguousarray(volume.measured)
        scale, offset = (packed.scale_factor, packed.add_offset) if packed else (None, None)
        padding = cast(np.full((1, 1), final.padding[0], np.float32), self.dtype, packed)
        return Prepared(array, measured, final, scale, offset, float(padding[0, 0]))


def _folded(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return as few changes as do the same."""
    folded: list[Change] = []
    for change in changes:
        both = _both(folded[-1], change) if folded else None
        folded[-1:] = [both] if both else [*folded[-1:], change]
    return tuple(folded)


def _both(first: Change, second: Change) -> Change | None:
    """Return the one change that does two, if there is one."""
    if isinstance(first, LineChange) and isinstance(second, LineChange):
        return first.then(second)
    if isinstance(first, GridChange) and isinstance(second, GridChange):
        return first.then(second)
    return None


def _inverse(pair: tuple[float, float] | None) -> Inverse | None:
    """Return a line's way back under its names."""
    return {"a": pair[0], "b": pair[1]} if pair else None


def _words(spec: VolumeSpec) -> str:
    """Return a description for people."""
    shape = " x ".join(str(n) for n in spec.shape)
    spacing = " x ".join(f"{mm:g}" for mm in spec.geometry.spacing_mm)
    return f"{shape} at {spacing} mm, {spec.scale}, {_megabytes(volume_bytes(spec))}"


def _megabytes(size: int) -> str:
    """Return bytes for people."""
    return f"{size / 1e6:.1f} MB"
