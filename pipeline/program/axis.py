"""One axis of a change of grid: where each output sample lies in the source, and its weights of source samples."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Method = Literal["linear", "nearest", "cubic", "bspline"]

RIM_TOLERANCE = 1e-6
"""In source samples: a position this little beyond the first or last sample still lies on it."""

NEAR, CLOSE = 0.5 + 1e-6, 1.5 + 1e-6
"""In usual intervals: a position is supported by one sample this near, or between two samples this close together."""

TIE = 1e-6
"""In source samples: a position this near to the middle of two counts as the middle."""


@dataclass(frozen=True)
class AxisMap:
    """Output index i, of n, lies at source index ``start + step * i``, of source_n; a negative step flips.

    ``samples`` are the true positions of the source's samples, growing, in units of the usual interval between them;
    None means 0, 1, 2 ...  ``reach`` is how far from a sample's centre its measurement reaches, in the same units; None
    where samples touch.
    """

    n: int
    source_n: int
    start: float = 0
    step: float = 1
    method: Method = "linear"
    antialias: bool = True
    samples: tuple[float, ...] | None = None
    reach: float | None = None

    @property
    def exact(self) -> bool:
        """Whether every output sample lies on the lattice of the source, so that taking it is pure indexing."""
        return self.samples is None and abs(self.step) == 1 and float(self.start).is_integer()

    @property
    def inside(self) -> bool:
        """Whether no output sample lies beyond the first or last of the source."""
        last = self.start + self.step * (self.n - 1)
        return min(self.start, last) >= 0 and max(self.start, last) <= self.source_n - 1

    @property
    def whole(self) -> bool:
        """Whether the axis keeps every sample, in this direction or the other."""
        return self.exact and self.inside and self.n == self.source_n

    @property
    def positions(self) -> NDArray[np.float64]:
        """Where the output samples lie, in source index units."""
        return self.start + self.step * np.arange(self.n, dtype=np.float64)

    @property
    def sampled_at(self) -> NDArray[np.float64]:
        """Where the source's samples lie."""
        return np.arange(self.source_n, dtype=np.float64) if self.samples is None else np.array(self.samples)

    @property
    def within(self) -> NDArray[np.bool_]:
        """Which output samples lie between the first and the last of the source."""
        first, last = (0, self.source_n - 1) if self.samples is None else (self.samples[0], self.samples[-1])
        return (self.positions >= first - RIM_TOLERANCE) & (self.positions <= last + RIM_TOLERANCE)

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Which output samples lie between the outer faces of the source."""
        return (self.positions >= -NEAR) & (self.positions <= self.source_n - 1 + NEAR)

    @property
    def leaves_gaps(self) -> bool:
        """Whether an output sample may lie in a gap of the source, where no sample is near."""
        return not self.exact and (self.samples is not None or self.reach is not None)

    @property
    def supported(self) -> NDArray[np.bool_]:
        """Which output samples lie near a source sample, or between two close ones; the others are interpolated."""
        if self.reach is not None:
            near = max(self.reach, abs(self.step) / 2) + RIM_TOLERANCE
            return self.within & (np.abs(self.positions - np.rint(self.positions)) <= near)
        at = self.sampled_at
        after = np.clip(np.searchsorted(at, self.positions), 1, len(at) - 1)
        below, above = at[after - 1], at[after]
        nearest = np.minimum(np.abs(self.positions - below), np.abs(above - self.positions))
        return self.within & ((nearest <= NEAR) | (above - below <= CLOSE))

    def then(self, other: "AxisMap") -> "AxisMap":
        """Return the map that is this one followed by the other; at most one of them may filter."""
        filtering = other if self.exact else self
        start, step = self.start + self.step * other.start, self.step * other.step
        return replace(filtering, n=other.n, source_n=self.source_n, start=start, step=step)


def triangle(x: Floats) -> Floats:
    """Linear interpolation; scaled up, the anti-alias filter of Pillow and of torch's ``antialias=True``."""
    return np.maximum(0.0, 1.0 - np.abs(x))


def cubic(x: Floats) -> Floats:
    """Keys' kernel with a = -0.5, also called Catmull-Rom (IEEE Trans. ASSP 29(6), 1981), as Pillow's bicubic."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


SPLINE_POLE = 3**0.5 - 2
"""How a sample's weight in a cubic spline falls from each sample to the next (Unser, IEEE SP Magazine 16(6), 1999)."""

SPLINE_REACH = 14
"""In source samples: what lies farther off has a weight below 1e-7."""


def cubic_spline(x: Floats) -> Floats:
    """Return the cubic spline through a sample of 1 among samples of 0: its prefilter and the B-spline in one."""
    below, total = np.floor(x), np.zeros_like(x)
    for offset in (-1, 0, 1, 2):
        at = below + offset
        total += 3**0.5 * SPLINE_POLE ** np.abs(at) * _cubic_b_spline(x - at)
    return total


def _cubic_b_spline(x: Floats) -> Floats:
    x = np.abs(x)
    return np.where(x < 1, 2 / 3 - x * x * (1 - x / 2), np.where(x < 2, (2 - x) ** 3 / 6, 0.0))


KERNELS: dict[Method, tuple[Callable[[Floats], Floats], float]] = {"linear": (triangle, 1.0), "cubic": (cubic, 2.0)}
"""The kernel of a method, and its half width in source samples."""


def axis_weights(axis: AxisMap) -> tuple[Indices, Floats]:
    """Return ``first`` [n] and ``weights`` [n, taps]: output i is the sum of ``weights[i, t] * source[first[i] + t]``.

    A position beyond the source is moved to its rim.  Samples that do not exist have no weight; the weights sum to 1.
    ``nearest`` takes one sample; of two equally near, the one that comes later as the output's index grows.
    ``bspline`` is the cubic spline through all samples, those at the rims repeated without end, and is never filtered.

    Where an axis becomes coarser and ``antialias`` is set, the kernel is widened by the length of the step.
    """
    at = axis.sampled_at
    where = np.clip(axis.positions, at[0], at[-1])
    if axis.method == "nearest":
        return _nearest(_index(where, at), axis)
    if axis.method == "bspline":
        return _spline(axis)
    if not axis.antialias or abs(axis.step) <= 1:
        # In units of the index, neighbours are one apart however uneven the stack is.
        where, at = _index(where, at), np.arange(axis.source_n, dtype=np.float64)
        return _band(where, at, np.ones(axis.n), axis.method)
    return _band(where, at, np.maximum(abs(axis.step), _interval(where, at)), axis.method)


@dataclass(frozen=True)
class PlaneBand:
    """The source planes of each output plane, and their weights."""

    axis: AxisMap

    @cached_property
    def bands(self) -> tuple[Indices, Floats]:
        """The band of every output plane."""
        return axis_weights(self.axis)

    @property
    def taps(self) -> int:
        """The most source planes that one output plane needs."""
        return int(self.bands[1].shape[1])

    @cached_property
    def spans(self) -> tuple[Indices, Indices]:
        """The lowest and the highest source plane of every output plane, made monotonic along z."""
        firsts, weights = self.bands
        used = weights != 0
        low, high = firsts + used.argmax(axis=1), firsts + self.taps - 1 - used[:, ::-1].argmax(axis=1)
        if self.axis.step > 0:
            return np.minimum.accumulate(low[::-1])[::-1], np.maximum.accumulate(high)
        return np.minimum.accumulate(low), np.maximum.accumulate(high[::-1])[::-1]

    def find_band(self, z: int) -> tuple[Indices, Floats]:
        """Return the source planes of an output plane, in the direction in which they are read, and their weights.

        A plane of weight 0 between others is included: left out, it would be read later and out of order.
        """
        (firsts, weights), (low, high) = self.bands, self.spans
        planes = np.arange(low[z], high[z] + 1)
        if self.axis.step < 0:
            planes = planes[::-1]
        return planes, weights[z, planes - firsts[z]]

    def weights_of(self, z: int, planes: Indices) -> Floats:
        """Return the weights of given source planes in an output plane."""
        firsts, weights = self.bands
        tap = planes - firsts[z]
        inside = (tap >= 0) & (tap < self.taps)
        return np.where(inside, weights[z, np.clip(tap, 0, self.taps - 1)], 0.0)


def _index(where: Floats, at: Floats) -> Floats:
    """Return positions as fractional indices."""
    return np.interp(where, at, np.arange(len(at), dtype=np.float64))


def _interval(where: Floats, at: Floats) -> Floats:
    """Return the distance between the two samples around each position: a narrower filter would find no sample."""
    if len(at) == 1:
        return np.ones(len(where))
    return np.diff(at)[np.clip(np.searchsorted(at, where, side="right") - 1, 0, len(at) - 2)]


def _nearest(index: Floats, axis: AxisMap) -> tuple[Indices, Floats]:
    """Return one tap of weight 1."""
    later = np.floor(index + 0.5 + TIE) if axis.step > 0 else np.ceil(index - 0.5 - TIE)
    return np.clip(later, 0, axis.source_n - 1).astype(np.intp), np.ones((len(index), 1))


def _spline(axis: AxisMap) -> tuple[Indices, Floats]:
    """Return the weights of the cubic spline; samples beyond a rim add theirs to the rim's."""
    offsets = np.arange(1 - SPLINE_REACH, SPLINE_REACH + 1)
    beyond = float(SPLINE_REACH)
    where = np.clip(axis.positions, -beyond, axis.source_n - 1 + beyond)
    wanted = np.floor(where).astype(np.intp)[:, None] + offsets
    weights = cubic_spline(where[:, None] - wanted)
    samples = np.clip(wanted, 0, axis.source_n - 1)
    taps = min(len(offsets), axis.source_n)
    first = np.minimum(samples[:, 0], axis.source_n - taps)
    folded = np.zeros((axis.n, taps))
    np.add.at(folded, (np.arange(axis.n)[:, None], samples - first[:, None]), weights)
    return first, folded / folded.sum(axis=1, keepdims=True)


def _band(where: Floats, at: Floats, width: Floats, method: Method) -> tuple[Indices, Floats]:
    """Return the normalised weights of a kernel at the samples within its reach of each position."""
    kernel, support = KERNELS[method]
    first = np.searchsorted(at, where - support * width, side="right")
    taps = int((np.searchsorted(at, where + support * width, side="left") - first).max())
    first = np.minimum(first, len(at) - taps)
    samples = at[first[:, None] + np.arange(taps)]
    weights = kernel((samples - where[:, None]) / width[:, None])
    return first, weights / weights.sum(axis=1, keepdims=True)
