"""Closed contours of one region in one plane to the pixels that they enclose; points are (x, y) in pixel indices."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SAME_PIXELS = 0.5
"""Outlines that are nowhere farther apart than this are one contour: a ring so thin holds hardly any pixel's centre."""

SAME_POINT_PIXELS = 0.9
"""Outlines with equally many points are one where each point is nearer than this to its like: whole millimetres."""

TOUCH_PIXELS = 0.1
"""A hole may cross the outline around it by this much: coordinates are often rounded to 0.1 mm."""

SAMPLE_PIXELS = 1.0
"""Outlines are compared at their points, and between them at intervals of at most this length."""

BLOCK = 1 << 20
"""So many pairs of a point and an edge are compared at once."""


@dataclass(frozen=True)
class PlanePart:
    """A rectangle of a plane: ``marked`` [y, x] begins at row ``y`` and column ``x``."""

    y: int
    x: int
    marked: Bools

    @property
    def window(self) -> tuple[slice, slice]:
        """Where the rectangle lies in its plane."""
        rows, columns = self.marked.shape
        return slice(self.y, self.y + rows), slice(self.x, self.x + columns)

    def paint(self, plane: NDArray[Any], value: int) -> None:
        """Write a value to the marked pixels of a plane."""
        plane[self.window][self.marked] = value


def draw_contours(outlines: Sequence[Floats], shape: tuple[int, int]) -> Bools:
    """Return the pixels [y, x] of a region whose contours in a plane are these, each [n, 2].

    A contour drawn twice counts once.  A contour that lies within another is a hole in it, and one within a hole is
    again part of the region; contours that overlap in part are one region.
    """
    plane = np.zeros(shape, np.bool_)
    unique = _remove_repeats([Outline(points) for points in outlines])
    depths = _find_depths(unique)
    for depth in range(max(depths, default=-1) + 1):
        for outline, found in zip(unique, depths, strict=True):
            if found == depth:
                fill_polygon(outline.points, shape).paint(plane, depth % 2 == 0)
    return plane


def draw_odd_even(outlines: Sequence[Floats], shape: tuple[int, int]) -> Bools:
    """Return the pixels [y, x] that lie within an odd number of the contours (CLOSEDPLANAR_XOR, PS3.3 C.8.8.6)."""
    plane = np.zeros(shape, np.bool_)
    for points in outlines:
        part = fill_polygon(points, shape)
        plane[part.window] ^= part.marked
    return plane


def fill_polygon(points: Floats, shape: tuple[int, int]) -> PlanePart:
    """Return which pixels have their centres inside a closed polygon [n, 2], as the part of the plane around it.

    A centre is inside where a ray along the row crosses the outline an odd number of times, so a polygon that runs
    over itself, or out and back along one line to leave a hole, means what it draws.  Law: polygons that share an edge
    share no pixel, and leave none between them.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (int(np.clip(np.ceil(low[axis]), 0, shape[1 - axis])) for axis in (0, 1))
    right, bottom = (int(np.clip(np.ceil(high[axis]), 0, shape[1 - axis])) for axis in (0, 1))
    n_rows, n_columns = max(0, bottom - y), max(0, right - x)
    rows, crossings = _cross_rows(points, y, y + n_rows)
    columns = np.clip(np.ceil(crossings) - x, 0, n_columns).astype(np.intp)
    flips = np.bincount((rows - y) * (n_columns + 1) + columns, minlength=n_rows * (n_columns + 1))
    counts = np.cumsum(flips.reshape(n_rows, n_columns + 1), axis=1)
    return PlanePart(y, x, counts[:, :n_columns] % 2 == 1)


def _cross_rows(points: Floats, first: int, stop: int) -> tuple[NDArray[np.intp], Floats]:
    """Return where the edges of a polygon cross the rows from ``first`` to before ``stop``: rows, and x of each."""
    following = np.roll(points, -1, axis=0)
    # Each edge is taken from its lower end, so that both polygons that share it round it alike.
    is_down = (points[:, 1] > following[:, 1])[:, None]
    lower, upper = np.where(is_down, following, points), np.where(is_down, points, following)
    begins = np.clip(np.ceil(lower[:, 1]), first, stop).astype(np.intp)
    ends = np.clip(np.ceil(upper[:, 1]), first, stop).astype(np.intp)
    n_rows = np.maximum(ends - begins, 0)
    edges = np.repeat(np.arange(len(points)), n_rows)
    within = np.arange(len(edges)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    rows = begins[edges] + within
    (x0, y0), (x1, y1) = lower[edges].T, upper[edges].T
    return rows, x0 + (rows - y0) * (x1 - x0) / (y1 - y0)


class Outline:
    """A closed polygon [n, 2], and what comparing it with others needs."""

    def __init__(self, points: Floats) -> None:
        self.points = _unwind(points)
        self.left, self.top = map(float, self.points.min(axis=0))  # plain numbers: every pair of outlines is compared
        self.right, self.bottom = map(float, self.points.max(axis=0))

    @cached_property
    def area(self) -> float:
        """The area enclosed, by the formula of Gauss; each edge's share is taken from the first point."""
        x, y = (self.points - self.points[0]).T
        return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2

    @cached_property
    def samples(self) -> Floats:
        """Points along the outline, none farther from the next than SAMPLE_PIXELS."""
        following = np.roll(self.points, -1, axis=0)
        lengths = np.linalg.norm(following - self.points, axis=1)
        n_parts = np.maximum(np.ceil(lengths / SAMPLE_PIXELS), 1).astype(np.intp)
        edges = np.repeat(np.arange(len(self.points)), n_parts)
        within = np.arange(len(edges)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
        share = (within / n_parts[edges])[:, None]
        found: Floats = self.points[edges] + share * (following - self.points)[edges]
        return found

    def is_same(self, other: "Outline") -> bool:
        """Whether two outlines are one, drawn in either direction from any point with any rounding."""
        off_x = max(abs(self.left - other.left), abs(self.right - other.right))
        off_y = max(abs(self.top - other.top), abs(self.bottom - other.bottom))
        if max(off_x, off_y) > SAME_POINT_PIXELS:
            return False
        if self.has_same_points(other):
            return True
        return self.is_near(other.samples, SAME_PIXELS) and other.is_near(self.samples, SAME_PIXELS)

    def has_same_points(self, other: "Outline") -> bool:
        """Tell whether another has as many points in the same order, each near its like."""
        if len(self.points) != len(other.points):
            return False
        for points in (other.points, other.points[::-1]):
            for start in np.flatnonzero(np.abs(points - self.points[0]).max(axis=1) < SAME_POINT_PIXELS):
                if np.abs(np.roll(points, -start, axis=0) - self.points).max() < SAME_POINT_PIXELS:
                    return True
        return False

    def contains(self, other: "Outline") -> bool:
        """Whether the whole outline of another lies inside or on this one."""
        if other.left < self.left - TOUCH_PIXELS or other.right > self.right + TOUCH_PIXELS:
            return False
        if other.top < self.top - TOUCH_PIXELS or other.bottom > self.bottom + TOUCH_PIXELS:
            return False
        for points in _cut(other.samples, self.points):
            outside = points[~self._is_inside(points)]
            if not self.is_near(outside, TOUCH_PIXELS):
                return False
        return True

    def _is_inside(self, points: Floats) -> Bools:
        """Return for each point whether a ray from it crosses the outline an odd number of times."""
        x, y = points[:, :1], points[:, 1:]
        (x0, y0), (x1, y1) = self.points.T, np.roll(self.points, -1, axis=0).T
        is_beside = (y0 <= y) != (y1 <= y)
        height = np.where(y1 == y0, 1.0, y1 - y0)
        is_crossed = is_beside & (x0 + (y - y0) * (x1 - x0) / height <= x)
        inside: Bools = np.count_nonzero(is_crossed, axis=1) % 2 == 1
        return inside

    def is_near(self, points: Floats, limit: float) -> bool:
        """Tell whether no point is farther than the limit from the outline."""
        return all(_distances(part, self.points).max() <= limit for part in _cut(points, self.points))


def _unwind(points: Floats) -> Floats:
    """Return a polygon without a last point that repeats the first, and only one of two equal turns."""
    if len(points) > 3 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    half, odd = divmod(len(points), 2)
    if half >= 3 and not odd and np.array_equal(points[:half], points[half:]):
        return points[:half]
    return points


def _cut(points: Floats, edges: Floats) -> list[Floats]:
    """Return points in parts that are compared with so many edges at once."""
    size = max(1, BLOCK // len(edges))
    return [points[start : start + size] for start in range(0, len(points), size)]


def _distances(points: Floats, outline: Floats) -> Floats:
    """Return the distance of each point from the nearest edge of a polygon."""
    edge = np.roll(outline, -1, axis=0) - outline
    from_start = points[:, None] - outline
    squares = np.maximum((edge**2).sum(axis=1), np.finfo(np.float64).tiny)
    along = np.clip((from_start * edge).sum(axis=2) / squares, 0, 1)
    found: Floats = np.sqrt(((from_start - along[..., None] * edge) ** 2).sum(axis=2).min(axis=1))
    return found


def _remove_repeats(outlines: Sequence[Outline]) -> list[Outline]:
    """Return the outlines without those that are drawn a second time, largest first."""
    unique: list[Outline] = []
    for outline in sorted(outlines, key=lambda one: -one.area):
        if not any(outline.is_same(other) for other in unique):
            unique.append(outline)
    return unique


def _find_depths(outlines: Sequence[Outline]) -> list[int]:
    """Return for each outline, largest first, how many others lie around it, one within the other."""
    depths: list[int] = []
    for outline in outlines:
        around = [depth for other, depth in zip(outlines, depths, strict=False) if other.contains(outline)]
        depths.append(max(around, default=-1) + 1)
    return depths
