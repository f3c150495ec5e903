"""Resample to another spacing, shape or factor on the same axes."""

from dataclasses import dataclass, replace
from math import ceil, isclose
from typing import ClassVar

from pipeline.geometry import Zyx
from pipeline.program.axis import AxisMap, Method
from pipeline.program.changes import GridChange
from pipeline.program.step import Step
from pipeline.volume import VolumeSpec

Three = tuple[float | None, float | None, float | None]

SAME_SPACING = 1e-6
"""Spacings that differ by a smaller share are equal: over 1000 samples they drift by a thousandth of a sample."""

WHOLE = 1e-6
"""In samples: a count this little above a whole number is rounded down, so that no sample is added."""


@dataclass(frozen=True)
class Resample(Step):
    """Resample the volume; each of the three parameters holds values for z, y, x, and None keeps an axis.

    One number stands for all three axes.

    ``spacing_mm``: exactly this spacing, shape ``max(1, ceil(n * spacing / new - 1e-6))``.
    ``shape``, or ``factor``, by which the shape is multiplied (and rounded up): the outer faces stay where they are and
    the spacing follows.  The centre of the grid always stays.
    ``antialias`` widens the kernel along axes that become coarser; ``nearest`` is never filtered.

    Laws: resampling to the volume's own spacing changes no bit; a ramp stays a ramp, except that a filter whose width
    is no whole number of samples shifts it by up to 0.086 samples (as in Pillow and torch).
    """

    name: ClassVar = "resample"
    spacing_mm: Three | float | None = None
    shape: tuple[int | None, int | None, int | None] | int | None = None
    factor: Three | float | None = None
    method: Method = "linear"
    antialias: bool = True

    def __post_init__(self) -> None:
        given = [values for values in (self.spacing_mm, self.shape, self.factor) if values is not None]
        if len(given) != 1:
            msg = "resample needs exactly one of spacing_mm, shape and factor"
            raise ValueError(msg)
        for name, least, most in (("spacing_mm", 0.05, 100), ("factor", 0.01, 100), ("shape", 1, 100_000)):
            values = _for_each_axis(getattr(self, name))
            _check(name, values, least, most)
            object.__setattr__(self, name, values)

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the change of grid: pure indexing along every axis that keeps its spacing."""
        geometry = spec.geometry
        sides = zip(range(3), geometry.shape, geometry.spacing_mm, strict=True)
        shape, spacing_mm = (Zyx(*values) for values in zip(*(self._target(*side) for side in sides), strict=True))
        step = Zyx(*(new / old for new, old in zip(spacing_mm, geometry.spacing_mm, strict=True)))
        start = Zyx(*(((n - 1) - s * (new - 1)) / 2 for n, new, s in zip(geometry.shape, shape, step, strict=True)))
        grid = replace(geometry.regrid(start, step, shape), spacing_mm=spacing_mm)
        axes = Zyx(
            *(
                AxisMap(n, n) if _same(s, 1) else AxisMap(new, n, q, s, self.method, self.antialias, reach=reach)
                for n, new, q, s, reach in zip(geometry.shape, shape, start, step, spec.reach, strict=True)
            )
        )
        return GridChange(Zyx(0, 1, 2), axes, grid)

    def _target(self, axis: int, n: int, mm: float) -> tuple[int, float]:
        """Return an axis' new number of samples and spacing."""
        spacing_mm, shape, factor = map(_for_each_axis, (self.spacing_mm, self.shape, self.factor))
        if spacing_mm is not None:
            wanted = spacing_mm[axis] or mm
            return (n if _same(wanted, mm) else _count(n * mm / wanted)), wanted
        new = int((shape and shape[axis]) or _count(n * ((factor and factor[axis]) or 1)))
        return new, mm if new == n else n * mm / new


def _for_each_axis(values: Three | float | None) -> Three | None:
    """Return values for z, y, x; one number is that of each."""
    return (values, values, values) if isinstance(values, int | float) else values


def _same(a: float, b: float) -> bool:
    """Whether two spacings are equal."""
    return isclose(a, b, rel_tol=SAME_SPACING)


def _count(samples: float) -> int:
    """Return the number of samples that cover an extent."""
    return max(1, ceil(samples - WHOLE))


def _check(name: str, values: Three | None, least: float, most: float) -> None:
    """Raise ValueError for values outside the allowed range; not-a-number is outside."""
    for value in values or ():
        if value is not None and not least <= value <= most:
            msg = f"{name} must lie between {least} and {most}, not {value}"
            raise ValueError(msg)
