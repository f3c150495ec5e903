"""The stored numbers: their dtype, and how integers hold normalised values."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.volume import ClampedLine, Scale, VolumeSpec

StoredType = Literal["int16", "uint8", "uint16", "float16", "float32"]

HU_LIMITS = (-32768.0, 32767.0)
"""No CT stores HU beyond these; they bound the values of a line without clamps."""


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
