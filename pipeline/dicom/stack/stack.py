"""Slices to a stack: their order along the normal, and the verdict on their geometry.

Everything follows from ImagePositionPatient and ImageOrientationPatient (DICOM PS3.3 C.7.6.2.1.1); SliceLocation,
InstanceNumber, SpacingBetweenSlices and file names are not used.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import atan, degrees, fsum, hypot

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.vocabulary import Verdict

ALIKE_SHARE = 0.01
"""Intervals that differ by less than this share are one interval, written with rounding."""
OFTEN, OFTEN_SHARE = 3, 0.1
"""An interval is a habit of the scanner if it occurs so many times, and in this share of the stack."""
STEP_DECIMALS = 6
"""Steps are rounded to the nanometre: more is noise of the positions' decimals."""


Floats = NDArray[np.float64]


def find_usual_step_mm(positions: Floats) -> float:
    """Return the smallest interval that occurs often, the median where none does."""
    gaps = np.sort(np.diff(positions))
    alike = np.searchsorted(gaps, gaps * (1 + ALIKE_SHARE), side="right") - np.arange(len(gaps))
    often = np.flatnonzero(alike >= max(OFTEN, OFTEN_SHARE * len(gaps)))
    if not len(often):
        return round(float(np.median(gaps)), STEP_DECIMALS)
    first = often[0]
    return round(float(np.median(gaps[first : first + alike[first]])), STEP_DECIMALS)


def number_planes(positions: Floats, step_mm: float) -> NDArray[np.intp]:
    """Return each slice's plane in an even stack, counted from the first: a wide interval skips the missing ones."""
    steps = [max(1, round((after - before) / step_mm)) for before, after in pairwise(positions.tolist())]
    return np.concatenate([[0], np.cumsum(steps, dtype=np.intp)])


def fit_even_step(positions: Floats, planes: NDArray[np.intp]) -> tuple[float, float]:
    """Fit an even stack by least squares: its step, and the largest residual."""
    slope, residuals = _fit_line(planes.astype(float), positions)
    return round(slope, STEP_DECIMALS), float(np.max(np.abs(residuals)))


def measure_deviation_mm(positions: Floats, planes: NDArray[np.intp], step_mm: float) -> float:
    """Return how far the worst slice lies from its plane, where an even stack of this step fits best."""
    residuals = positions - planes * step_mm
    return float(np.max(np.abs(residuals - residuals.mean())))


EVEN_SHARE, EVEN_MM = 0.1, 0.06
"""How far a slice may lie from its place in an even stack: positions are often written to 0.1 mm."""
SAME_SHARE, SAME_MM = 0.01, 0.01
"""Slices closer than this share one position."""
STRAIGHT_SHARE, STRAIGHT_MM = 0.1, 0.06
"""How far in-plane offsets may lie from a straight line, in pixels and millimetres."""
GAP_RATIO = 1.6
"""An interval this many times the step, where all others fit, is a gap."""
FEW_GAPS, MISSING_SHARE = 2, 0.5
"""More gaps than that, whose slices would be more than this share of those present, are no gaps: nothing is missing."""
NOISE_MM = 1e-3
"""Slices that lie evenly this far apart, or further, are a micro-CT; closer, it is noise of one position's decimals."""
TILT_TAG_TOLERANCE_DEG = 0.5
"""GantryDetectorTilt is nominal: less than this is no disagreement."""
SPARSE_RATIO = 1.5
"""A step this many times the slices' thickness leaves tissue between them that no slice saw."""
JITTER_SHARE, JITTER_MM = 0.02, 0.01
"""Deviations below this are rounding, not worth a warning."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in the order of their normal, and what their places add up to.

    ``positions_mm`` [k] run along the normal and grow; ``offsets_mm`` [k, 2] are in-plane, along the row and the column
    direction, from the first slice.  ``step_mm`` is between neighbours along the normal, of those that are evenly
    spaced, or of an uneven stack the usual one; ``deviation_mm`` is how far the worst slice lies from its place in an
    even stack, missing slices put in.
    """

    slices: tuple[SliceHeader, ...]
    positions_mm: Floats
    offsets_mm: Floats
    verdict: Verdict
    step_mm: float
    deviation_mm: float
    drift: tuple[float, float]
    bend_mm: float

    @property
    def span_mm(self) -> float:
        """The distance between the first and the last slice, along the normal."""
        return float(self.positions_mm[-1] - self.positions_mm[0])

    @property
    def tilt_deg(self) -> float:
        """The angle between the normal and the way positions advance, with the sign of the larger drift."""
        larger = max(self.drift, key=abs)
        return degrees(atan(hypot(*self.drift))) * (1.0 if larger >= 0 else -1.0)

    @property
    def nominal_tilt_deg(self) -> float | None:
        """GantryDetectorTilt where it is another angle than the measured one; its sign differs between vendors."""
        nominal = self.slices[0].plane.gantry_tilt
        return None if nominal is None or abs(abs(nominal) - abs(self.tilt_deg)) <= TILT_TAG_TOLERANCE_DEG else nominal

    @property
    def is_tilted(self) -> bool:
        """True where the in-plane drift over the whole stack is more than rounding."""
        return hypot(*self.drift) * self.span_mm > straight_tolerance_mm(self.slices[0])

    @property
    def is_straight(self) -> bool:
        """True where the in-plane offsets lie on one line along the normal."""
        return self.bend_mm <= straight_tolerance_mm(self.slices[0])

    @property
    def coverage_share(self) -> float | None:
        """The share of the way from the first slice to the last that lies within a slice; None without a thickness."""
        thickness = self.slices[0].plane.thickness
        if not thickness or not self.step_mm:
            return None
        if self.verdict in {Verdict.GAP, Verdict.UNEVEN}:
            return float(np.minimum(np.diff(self.positions_mm), thickness).sum() / self.span_mm)
        return min(1.0, thickness / self.step_mm)

    @property
    def reach(self) -> float | None:
        """Half the slice thickness in steps; None unless there are spaces between the slices."""
        thickness = max((header.plane.thickness or 0 for header in self.slices), default=0)
        is_sparse = thickness > 0 and self.step_mm > SPARSE_RATIO * thickness
        return thickness / 2 / self.step_mm if is_sparse else None

    @property
    def has_jitter(self) -> bool:
        """True where an even stack's positions deviate by more than the rounding of a well-written header."""
        return self.verdict != Verdict.UNEVEN and self.deviation_mm > max(JITTER_SHARE * self.step_mm, JITTER_MM)

    @property
    def n_missing(self) -> int:
        """How many slices would fill the gaps."""
        return int(self.planes[-1]) + 1 - len(self.slices)

    @property
    def n_in_holes(self) -> int:
        """How many planes, a step apart, would fill the intervals that are wide beside both of their neighbours.

        A wide interval whose neighbour is as wide is another step of the scanner.
        """
        gaps = np.diff(self.positions_mm)
        beside = np.maximum(np.r_[0.0, gaps[:-1]], np.r_[gaps[1:], 0.0])
        holes = gaps[(gaps >= GAP_RATIO * beside) & (gaps >= GAP_RATIO * self.step_mm)]
        return int(np.sum(np.rint(holes / self.step_mm) - 1))

    @property
    def planes(self) -> NDArray[np.intp]:
        """Each slice's plane [k], counted from the first; with gaps, those of missing slices are skipped."""
        if self.verdict != Verdict.GAP:
            return np.arange(len(self.slices))
        return number_planes(self.positions_mm, self.step_mm)

    @property
    def has_step(self) -> bool:
        """True for a stack that one step explains, but for missing slices."""
        return self.verdict in {Verdict.REGULAR, Verdict.TILTED, Verdict.GAP}

    @property
    def is_even(self) -> bool:
        """True where every slice lies on its plane, missing slices put in."""
        return self.deviation_mm <= even_tolerance_mm(self.step_mm)

    def geometry(self) -> Geometry:
        """Return the grid of a regular stack; under tilt, the sheared one whose z axis follows the positions.

        Of a stack with gaps or an uneven one, the grid that its slices would have if they were neighbours, a step
        apart: the one that a repair starts from.
        """
        first = self.slices[0]
        plane, pixels = first.plane, first.pixels
        row, column, normal = unit_directions(first)
        advance = normal + self.drift[0] * row + self.drift[1] * column if self.is_tilted else normal
        length = float(np.linalg.norm(advance))
        start = np.array(plane.position) + (self._fitted_start() - self.positions_mm[0]) * normal
        return Geometry(
            shape=Zyx(len(self.slices), pixels.rows, pixels.columns),
            spacing_mm=Zyx(self.step_mm * length, *self._usual_spacing_mm()),
            origin_mm=_xyz(start),
            axes=Zyx(_xyz(advance / length), _xyz(column), _xyz(row)),
        )

    def _usual_spacing_mm(self) -> tuple[float, float]:
        """Return the row and column spacing of most slices, of two equally common ones that with more decimals."""
        counts = Counter((header.plane.row_spacing, header.plane.column_spacing) for header in self.slices)
        return max(counts, key=lambda pair: (counts[pair], *map(count_decimals, pair), pair))

    def _fitted_start(self) -> float:
        """Where an even stack of this step fits best, to the nanometre; an uneven one starts with its first slice."""
        if self.verdict == Verdict.UNEVEN:
            return float(self.positions_mm[0])
        places = self.planes * self.step_mm
        shift = float(np.mean(self.positions_mm - self.positions_mm[0] - places))
        return float(self.positions_mm[0]) + round(shift, STEP_DECIMALS)


def _xyz(vector: Floats) -> Xyz:
    return Xyz(*(float(value) for value in vector))


def unit_directions(header: SliceHeader) -> tuple[Floats, Floats, Floats]:
    """Return the unit vectors of a slice's rows, columns and normal (row x column)."""
    row, column = np.array(header.plane.row_direction, float), np.array(header.plane.column_direction, float)
    row, column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def straight_tolerance_mm(header: SliceHeader) -> float:
    """Return how far in-plane offsets may lie from a line."""
    return max(STRAIGHT_SHARE * min(header.plane.row_spacing, header.plane.column_spacing), STRAIGHT_MM)


def build_stack(slices: Sequence[SliceHeader]) -> Stack:
    """Sort slices along their common normal and check their positions; all have a position and one orientation.

    Slices at one place keep the order they came in.
    """
    row, column, normal = unit_directions(slices[0])
    places = np.array([header.plane.position for header in slices], float)
    order = np.argsort(places @ normal, kind="stable")
    ordered = tuple(slices[index] for index in order)
    places = places[order]
    positions = places @ normal
    offsets = (places - places[0]) @ np.array([row, column]).T
    unique = positions if _is_microscopic(positions) else find_distinct(positions)
    verdict, step, deviation = _judge_positions(unique, n_slices=len(slices))
    drift, bend = _line_through(positions, offsets)
    stack = Stack(ordered, positions, offsets, verdict, step, deviation, drift, bend)
    if verdict == Verdict.REGULAR and stack.is_tilted:
        return Stack(ordered, positions, offsets, Verdict.TILTED, step, deviation, drift, bend)
    return stack


def even_tolerance_mm(step_mm: float) -> float:
    """Return how far a slice may lie from its place in an even stack."""
    return max(EVEN_SHARE * step_mm, EVEN_MM)


def find_distinct(positions: Floats) -> Floats:
    """Return the first of those positions that are the same."""
    return positions[np.r_[True, np.diff(positions) > same_tolerance_mm(positions)]]


def _is_microscopic(positions: Floats) -> bool:
    """Report a stack whose even step is itself below what separates two positions elsewhere."""
    gaps = np.diff(positions)
    if len(gaps) < OFTEN or gaps.min() < NOISE_MM or gaps.max() > 2 * SAME_MM:
        return False
    step, deviation = fit_even_step(positions, np.arange(len(positions)))
    return deviation <= EVEN_SHARE * step


def same_tolerance_mm(positions: Floats) -> float:
    """Return how close two slices lie that share one position."""
    gaps = np.diff(positions)
    apart = gaps[gaps > SAME_MM]
    return max(SAME_SHARE * float(np.median(apart)), SAME_MM) if len(apart) else SAME_MM


def _judge_positions(unique: Floats, n_slices: int) -> tuple[Verdict, float, float]:
    """Return the verdict on distinct positions, the step, and the worst deviation from an even stack."""
    if len(unique) == 1:
        return (Verdict.SINGLE if n_slices == 1 else Verdict.DUPLICATE), 0.0, 0.0
    gaps = np.diff(unique)
    usual = float(np.quantile(gaps, 0.5, method="lower"))
    wide = gaps >= GAP_RATIO * usual
    closed = np.r_[0.0, np.cumsum(np.where(wide, usual, gaps))]
    step, deviation = fit_even_step(closed, np.arange(len(closed)))
    even = deviation <= even_tolerance_mm(step)
    if len(unique) < n_slices:
        return Verdict.DUPLICATE, step, deviation
    if not (even and _are_isolated(wide, gaps, step)):
        return Verdict.UNEVEN, find_usual_step_mm(unique), deviation
    if not wide.any():
        return Verdict.REGULAR, step, deviation
    return Verdict.GAP, *_with_missing_slices(unique, step)


def _are_isolated(wide: NDArray[np.bool_], gaps: Floats, step_mm: float) -> bool:
    """Report wide intervals that are the exception in a stack, as missing slices leave them."""
    n_wide = int(wide.sum())
    if (wide[1:] & wide[:-1]).any() or n_wide > len(gaps) / 2:
        return False
    n_missing = round(float(gaps[wide].sum()) / step_mm) - n_wide
    return n_wide <= FEW_GAPS or n_missing <= MISSING_SHARE * (len(gaps) + 1)


def _with_missing_slices(unique: Floats, step: float) -> tuple[float, float]:
    """Return the step and the worst deviation of a stack with its missing slices put in; ``step`` where none fits."""
    planes = number_planes(unique, step)
    fitted, deviation = fit_even_step(unique, planes)
    if deviation <= even_tolerance_mm(fitted):
        return fitted, deviation
    return step, measure_deviation_mm(unique, planes, step)


def _line_through(positions: Floats, offsets: Floats) -> tuple[tuple[float, float], float]:
    """Fit a line to the in-plane offsets: millimetres of drift a millimetre, and the largest residual."""
    along = positions - positions[0]
    if along[-1] <= SAME_MM:
        return (0.0, 0.0), float(np.max(np.abs(offsets - offsets[0])))
    along_row, along_column = (_fit_line(along, offset) for offset in offsets.T)
    return (along_row[0], along_column[0]), float(np.max(np.hypot(along_row[1], along_column[1])))


def _fit_line(x: Floats, y: Floats) -> tuple[float, Floats]:
    """Fit a line by least squares: its slope, and the residuals [k].

    Sums are exact, so that a store's affine is the same with every numpy: its own solver differs in the last digit.
    """
    from_mean_x, from_mean_y = x - fsum(x) / len(x), y - fsum(y) / len(y)
    slope = fsum(from_mean_x * from_mean_y) / fsum(from_mean_x**2)
    return slope, from_mean_y - slope * from_mean_x


def count_decimals(value: float) -> int:
    """Return how many decimals a number is written with; zeros at its end do not count, and nan has none."""
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
