"""A list of steps compiled to a short program: lines fold into one, changes of grid fold into one.

Also its memory, the dtype of what comes out, and how integers hold normalised values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Self

import numpy as np

from pipeline.errors import SeriesRefusedError, UsageError
from pipeline.program.axis import PlaneBand
from pipeline.program.changes import (
    Barrier,
    Blank,
    Change,
    GridChange,
    LineChange,
    Quantisation,
    Search,
    Shear,
    Warp,
    streams,
)
from pipeline.program.step import NeedsStatisticsError, Step, describe
from pipeline.vocabulary import Reason
from pipeline.volume import ClampedLine, Scale, VolumeSpec

StoredType = Literal["int16", "uint8", "uint16", "float16", "float32"]

HU_LIMITS = (-32768.0, 32767.0)
"""No CT stores HU beyond these; they bound the values of a line without clamps."""

VOXEL_BYTES, MASK_BYTES = 4, 1
"""float32 voxels and a bool mask."""
PIXEL_BYTES = 4
"""The index of a pixel in its plane."""

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


def volume_bytes(spec: VolumeSpec) -> int:
    """Return the bytes of a volume in memory: voxels and masks."""
    n_masks = 2 if spec.has_interpolated else 1
    return VOXEL_BYTES * prod(spec.shape) + n_masks * MASK_BYTES * prod(spec.geometry.shape)


def plane_bytes(spec: VolumeSpec) -> int:
    """Return the bytes of one plane: voxels and masks."""
    return volume_bytes(spec) // spec.geometry.shape.z


def peak_bytes(changes: Sequence[Change], source: VolumeSpec) -> int:
    """Return the most bytes that changes hold at once: whole volumes at barriers, else a few planes."""
    peak, held, passing, spec = 0, 0, plane_bytes(source), source
    for change in changes:
        after = change.after(spec)
        if not streams(change):
            peak = max(peak, held + passing + volume_bytes(spec))
            held, passing = volume_bytes(spec), 0
        if isinstance(change, Warp):
            peak = max(peak, held + barrier_bytes(change, spec) + volume_bytes(after))
            held = volume_bytes(after)
        elif isinstance(change, Search):
            peak = max(peak, held + barrier_bytes(change, spec))
        else:
            passing += streaming_bytes(change, spec)
        spec = after
    return max(peak, held + passing)


def barrier_bytes(change: Change, before: VolumeSpec) -> int:
    """Return the bytes that a change needs beside the whole volume that it waits for."""
    match change:
        case Warp():
            return warp_bytes(change, before)
        case Search():
            return change.working_bytes
        case GridChange() if change.clip and change.separate:
            return streaming_bytes(change, before) + volume_bytes(change.after(before))
        case _:
            return streaming_bytes(change, before)


def warp_bytes(change: Warp, before: VolumeSpec) -> int:
    """Return the bytes of a warp's working arrays."""
    voxels, target = prod(before.geometry.shape), prod(change.geometry.shape)
    layers = (len(before.lines) + 1) * (voxels + target) if before.has_interpolated else 0
    return VOXEL_BYTES * (2 * voxels + 3 * target + layers)


def streaming_bytes(change: Change, before: VolumeSpec) -> int:
    """Return the bytes of one output plane and of the source planes that it needs."""
    channels = len(before.lines) + before.has_interpolated
    match change:
        case LineChange() | Quantisation() | Blank():
            return 2 * plane_bytes(change.after(before))
        case Shear():
            return _blend_bytes(1, channels, change, before) + plane_bytes(change.after(before))
        case GridChange() if not change.exact:
            return _blend_bytes(PlaneBand(change.axes.z).taps, channels, change, before)
        case Barrier():
            return 3 * 2 * plane_bytes(before)  # statistics are taken in float64
        case _:
            return plane_bytes(change.after(before))


def _blend_bytes(taps: int, channels: int, change: GridChange | Shear, before: VolumeSpec) -> int:
    """Return the bytes of `Blend` if every pixel lies at a rim: its source planes and an output plane."""
    target = prod(change.geometry.shape[1:])
    held = (VOXEL_BYTES * (2 * channels + 1) + MASK_BYTES + PIXEL_BYTES) * taps * target
    blended = VOXEL_BYTES * channels + PIXEL_BYTES + 4 * MASK_BYTES
    return held + 2 * plane_bytes(before) + blended * target


@dataclass(frozen=True)
class Packing:
    """``value = stored * scale_factor + add_offset``, as in the CF conventions, section 8.1."""

    scale_factor: float
    add_offset: float


def choose_dtype(dtype: Literal["auto"] | StoredType, spec: VolumeSpec) -> StoredType:
    """Return the dtype for ``auto``, or the one given; raises UsageError if the values do not fit it.

    ``auto`` is int16, of normalised values too: in steps of 1 HU they take less space than float16, and read faster.
    """
    if dtype == "auto":
        return "int16"
    if dtype in ("uint8", "uint16") and spec.scale is Scale.HU and not _all_fit(spec.lines, dtype):
        msg = f"{dtype} cannot hold these Hounsfield units: clip to a range that fits, normalise, or use int16"
        raise UsageError(msg)
    if dtype == "uint8" and not all(line is not None and line.bounded for line in spec.lines):
        msg = "uint8 needs values between known limits: clip, or use int16 or float16"
        raise UsageError(msg)
    return dtype


def choose_packing(dtype: StoredType, spec: VolumeSpec) -> Packing | None:
    """Return how an integer dtype holds normalised values, or None where the values are stored directly.

    A single line whose HU fit the dtype is stored as HU.  Otherwise the integers count from the lowest value in steps
    of 1 HU, or of the finest size that the dtype allows.  The lines must be known.
    """
    lines = tuple(line for line in spec.lines if line is not None)
    if spec.scale is Scale.HU or np.issubdtype(dtype, np.floating):
        return None
    if len(set(lines)) == 1 and _all_fit(lines, dtype):
        return Packing(lines[0].a, lines[0].b)
    codes = np.iinfo(dtype)
    low, high = min(_limits(line)[0] for line in lines), max(_limits(line)[1] for line in lines)
    step = max(min(line.a for line in lines), (high - low) / (codes.max - codes.min))
    return Packing(step, low - step * codes.min)


def _limits(line: ClampedLine) -> tuple[float, float]:
    """Return the lowest and highest value of a line."""
    return line.at(HU_LIMITS[0]), line.at(HU_LIMITS[1])


def _all_fit(lines: tuple[ClampedLine | None, ...], dtype: StoredType) -> bool:
    """Whether the HU behind every channel's values are within the dtype's range."""
    codes = np.iinfo(dtype)
    return all(line is not None and _hu_fit(line, codes.min, codes.max) for line in lines)


def _hu_fit(line: ClampedLine, least: int, most: int) -> bool:
    """Whether the HU between a line's limits lie within two others, up to rounding."""
    low, high = ((value - line.b) / line.a for value in _limits(line))
    return low >= least - 1e-6 and high <= most + 1e-6
