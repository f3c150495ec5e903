"""Resample to another spacing, shape or factor on the same axes."""

from dataclasses import dataclass, replace
from math import ceil, floor, isclose, isfinite
from typing import ClassVar, Literal

import numpy as np

from pipeline.geometry import Zyx, match_axes
from pipeline.program.axis import AxisMap, Method
from pipeline.program.changes import GridChange
from pipeline.program.step import Step
from pipeline.volume import VolumeSpec

Three = tuple[float | None, float | None, float | None]

SAME_SPACING = 1e-6
"""Spacings that differ by a smaller share are equal: over 1000 samples they drift by a thousandth of a sample."""

WHOLE = 1e-6
"""In samples: a count this near to a whole number is that number, so that rounding adds and loses no sample."""


SPACING_FOLLOWS = ("outer_faces", "corner_centres")
"""Grids whose spacing follows from the number of samples."""

ORDERS: tuple[Method, Method] = ("nearest", "linear")
"""The methods along a separate axis."""

ANISOTROPIC = 3
"""Above this ratio of spacings an axis is resampled by itself: nnU-Net's anisotropy threshold."""

Grid = Literal["centred", "outer_faces", "corner_centres", "first_voxel", "low_face"]
ShapeRule = Literal["ceil", "round", "floor"]


@dataclass(frozen=True)
class Resample(Step):
    """Resample the volume; each of the three parameters holds values for z, y, x, and None keeps an axis.

    One number stands for all three axes.

    ``spacing_mm``: this spacing; the number of samples is ``n * spacing / new``, made whole by ``shape_rule`` and at
    least 1.  ``shape``, or ``factor``, by which the shape is multiplied: the outer faces stay where they are and the
    spacing follows.
    ``grid`` says what stays where it is, and so where the samples lie (m samples, n in the source, s = new / spacing):

    - ``centred``: the centre of the grid; sample i lies at ``((n - 1) - s * (m - 1)) / 2 + i * s``.
    - ``outer_faces``: both outer faces; at ``(i + 0.5) * n / m - 0.5``.  The spacing becomes ``spacing * n / m``.
    - ``corner_centres``: the first and the last sample; at ``i * (n - 1) / (m - 1)``.
    - ``first_voxel``: the first sample; at ``i * s``.  The rule counts ``(n - 1) * spacing / new + 1``.
    - ``low_face``: the lower outer face; at ``(i + 0.5) * s - 0.5``.

    ``antialias`` widens the kernel along axes that become coarser; ``nearest`` and ``bspline`` are never filtered.
    ``bspline`` is the cubic spline through all samples, those at the rims repeated: order 3 and mode nearest of
    ``scipy.ndimage.zoom``.  It takes padding for what it holds.  ``clip_to_input`` keeps it in the range of the volume
    before.  With ``separate_z: auto`` an axis whose spacing, before or after, is more than three times that of another
    is resampled by itself, as in nnU-Net: each slice across it by the spline (and kept in its own range), then along it
    by the nearest slice (``order_z: 0``) or linearly (1).

    ``beyond`` is what lies beyond the outer faces, in the units at that point; without it the value at the edge.  With
    ``nominal`` the spacing is counted as if voxels still had that of the source's pixels, also after a step that has
    changed it, as in recipes that resize images and forget their spacing.

    Laws: resampling to the volume's own spacing changes no bit; a ramp stays a ramp, except that a filter whose width
    is no whole number of samples shifts it by up to 0.086 samples (as in Pillow and torch).
    """

    name: ClassVar = "resample"
    unsaid: ClassVar = ("grid", "shape_rule", "clip_to_input", "separate_z", "order_z", "nominal")
    spacing_mm: Three | float | None = None
    shape: tuple[int | None, int | None, int | None] | int | None = None
    factor: Three | float | None = None
    method: Method = "linear"
    antialias: bool = True
    grid: Grid = "centred"
    shape_rule: ShapeRule = "ceil"
    clip_to_input: bool = False
    separate_z: Literal["never", "auto"] = "never"
    order_z: Literal[0, 1] = 0
    beyond: float | None = None
    nominal: bool = False

    def __post_init__(self) -> None:
        given = [values for values in (self.spacing_mm, self.shape, self.factor) if values is not None]
        if len(given) != 1:
            msg = "resample needs exactly one of spacing_mm, shape and factor"
            raise ValueError(msg)
        if self.method != "bspline" and (self.clip_to_input, self.separate_z, self.order_z) != (False, "never", 0):
            msg = "clip_to_input, separate_z and order_z go with method: bspline"
            raise ValueError(msg)
        if self.beyond is not None and not isfinite(self.beyond):
            msg = f"beyond must be finite, not {self.beyond}"
            raise ValueError(msg)
        for name, least, most in (("spacing_mm", 0.05, 100), ("factor", 0.01, 100), ("shape", 1, 100_000)):
            values = _for_each_axis(getattr(self, name))
            _check(name, values, least, most)
            object.__setattr__(self, name, values)

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the change of grid: pure indexing along every axis that keeps its spacing."""
        geometry = spec.geometry
        if self.nominal:
            return self._change_nominally(spec)
        sides = zip(range(3), geometry.shape, geometry.spacing_mm, strict=True)
        shape, spacing_mm = (Zyx(*values) for values in zip(*(self._target(*side) for side in sides), strict=True))
        step = Zyx(*(new / old for new, old in zip(spacing_mm, geometry.spacing_mm, strict=True)))
        start = Zyx(*(self._start(n, new, s) for n, new, s in zip(geometry.shape, shape, step, strict=True)))
        separate = self._find_separate(geometry.spacing_mm)
        methods = (ORDERS[self.order_z] if axis == separate else self.method for axis in range(3))
        maps = zip(geometry.shape, shape, start, step, methods, spec.reach, strict=True)
        axes = Zyx(*(self._map(*side) for side in maps))
        grid = replace(geometry.regrid(start, step, shape), spacing_mm=spacing_mm)
        clip = self.clip_to_input and not all(axis.exact for axis in axes)
        return GridChange(Zyx(0, 1, 2), axes, grid, clip=clip, separate=separate, beyond=self.beyond)

    def _change_nominally(self, spec: VolumeSpec) -> GridChange:
        """Return the change as if the spacing were the source's, on the grid as it truly is."""
        geometry, source = spec.geometry, spec.images
        nearest = match_axes(geometry.axes, source.axes)
        assumed = replace(geometry, spacing_mm=Zyx(*(source.spacing_mm[axis] for axis in nearest)))
        change = replace(self, nominal=False).change(replace(spec, geometry=assumed))
        start, step = (Zyx(*(getattr(axis, name) for axis in change.axes)) for name in ("start", "step"))
        return replace(change, geometry=geometry.regrid(start, step, change.geometry.shape))

    def _map(self, n: int, new: int, start: float, step: float, method: Method, reach: float | None) -> AxisMap:
        """Return the map of an axis."""
        if n == new and _same(step, 1):
            return AxisMap(n, n)
        antialias = self.antialias and self.method != "bspline"
        return AxisMap(new, n, start, step, method, antialias, reach=reach)

    def _find_separate(self, spacing_mm: Zyx[float]) -> int | None:
        """Return the axis of the largest spacing where that is far larger than another, None where two share it."""
        if self.separate_z == "never":
            return None
        asked = [
            wanted or mm for wanted, mm in zip(_for_each_axis(self.spacing_mm) or spacing_mm, spacing_mm, strict=True)
        ]
        for sides_mm in (list(spacing_mm), asked):
            largest = max(sides_mm)
            if largest / min(sides_mm) > ANISOTROPIC:
                return sides_mm.index(largest) if sides_mm.count(largest) == 1 else None
        return None

    def _target(self, axis: int, n: int, mm: float) -> tuple[int, float]:
        """Return an axis' new number of samples and spacing."""
        spacing_mm, shape, factor = map(_for_each_axis, (self.spacing_mm, self.shape, self.factor))
        if spacing_mm is not None:
            wanted = spacing_mm[axis] or mm
            new = n if _same(wanted, mm) else self._count(n, mm, wanted)
            if new == n and self.grid in SPACING_FOLLOWS:
                return n, mm
        else:
            new = int((shape and shape[axis]) or _whole(n * ((factor and factor[axis]) or 1), self.shape_rule))
            wanted = mm if new == n else n * mm / new
        if self.grid == "corner_centres" and n > 1:
            return new, (n - 1) * mm / (new - 1) if new > 1 else mm
        return new, n * mm / new if self.grid in SPACING_FOLLOWS else wanted

    def _count(self, n: int, mm: float, wanted: float) -> int:
        """Return the number of samples of a spacing."""
        if self.shape_rule == "round":  # a half is a half only in single precision, in which NIfTI keeps spacings
            mm = float(np.float32(mm))
        if self.grid == "first_voxel":
            return _whole((n - 1) * mm / wanted + 1, self.shape_rule)
        return _whole(n * mm / wanted, self.shape_rule)

    def _start(self, n: int, new: int, step: float) -> float:
        """Return where the first sample lies, in source samples."""
        match self.grid:
            case "first_voxel":
                return 0.0
            case "low_face":
                return (step - 1) / 2
            case "corner_centres" if n > 1:
                return 0.0
            case _:
                return ((n - 1) - step * (new - 1)) / 2


def _for_each_axis(values: Three | float | None) -> Three | None:
    """Return values for z, y, x; one number is that of each."""
    return (values, values, values) if isinstance(values, int | float) else values


def _same(a: float, b: float) -> bool:
    """Whether two spacings are equal."""
    return isclose(a, b, rel_tol=SAME_SPACING)


def _whole(samples: float, rule: ShapeRule) -> int:
    """Return a whole number of samples; halves are rounded to even."""
    match rule:
        case "ceil":
            n = ceil(samples - WHOLE)
        case "floor":
            n = floor(samples + WHOLE)
        case "round":
            n = round(samples)
    return max(1, n)


def _check(name: str, values: Three | None, least: float, most: float) -> None:
    """Raise ValueError for values outside the allowed range; not-a-number is outside."""
    for value in values or ():
        if value is not None and not least <= value <= most:
            msg = f"{name} must lie between {least} and {most}, not {value}"
            raise ValueError(msg)
