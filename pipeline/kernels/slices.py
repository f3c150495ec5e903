"""What is done to every voxel of a slice: a look into a table, a count, a walk from the border, and differences.

A slice comes as ``codes`` [y, x], unsigned numbers that count from 0 and stand for its values.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.compiled import compiled

Codes = NDArray[np.unsignedinteger[Any]]
Plane = NDArray[np.float32]
Places = NDArray[np.bool_]
Counts = NDArray[np.int64]
Moments = tuple[int, float, float, float, float]
"""How many values, the least, the greatest, their mean, and the sum of their squared distances from it."""


@compiled
def looked_up(codes: Codes, table: Plane) -> tuple[Plane, Counts]:
    """Return ``table[codes]`` [y, x], and how many voxels have each code.

    Neighbours are counted apart and added up at the end: where they are equal, as in air, one would wait for the other.
    """
    flat, found = codes.ravel(), np.empty(codes.size, np.float32)
    parts = np.zeros((4, table.size), np.int32)
    whole = flat.size - flat.size % 4
    for i in range(0, whole, 4):
        for part in range(4):
            code = flat[i + part]
            found[i + part] = table[code]
            parts[part, code] += 1
    for i in range(whole, flat.size):
        found[i] = table[flat[i]]
        parts[0, flat[i]] += 1
    counts = np.empty(table.size, np.int64)
    for code in range(table.size):
        counts[code] = np.int64(parts[0, code]) + parts[1, code] + parts[2, code] + parts[3, code]
    return found.reshape(codes.shape), counts


@compiled
def _run_through(row: Codes, is_open: Places, x: int) -> tuple[int, int]:
    """Return the first and the last place of the run of open codes that ``x`` is in."""
    first, last = x, x
    while first > 0 and is_open[row[first - 1]]:
        first -= 1
    while last < row.size - 1 and is_open[row[last + 1]]:
        last += 1
    return first, last


@compiled
def _walk(codes: Codes, is_open: Places, stack: NDArray[np.int32], depth: int, reached: Places) -> int:
    """Mark every place that can be walked to from ``stack[:depth]`` over open codes, and return how many were marked.

    A run of places along x is marked at once, and where it touches further runs, one place of each is put on the stack.
    """
    rows, columns = codes.shape
    n_reached = 0
    while depth > 0:
        depth -= 1
        y, x = stack[depth] // columns, stack[depth] % columns
        if reached[y, x]:
            continue
        first, last = _run_through(codes[y], is_open, x)
        reached[y, first : last + 1] = True
        n_reached += last - first + 1
        for beside in (y - 1, y + 1):
            if beside < 0 or beside >= rows:
                continue
            follows = False
            for at in range(first, last + 1):
                leads_on = is_open[codes[beside, at]] and not reached[beside, at]
                if leads_on and not follows:
                    stack[depth] = beside * columns + at
                    depth += 1
                follows = leads_on
    return n_reached


@compiled
def joined_to_border(codes: Codes, is_open: Places) -> Places:
    """Return the places [y, x] that hang together with the border, up, down, left or right, over open codes."""
    rows, columns = codes.shape
    reached = np.zeros((rows, columns), np.bool_)
    stack = np.empty(2 * (codes.size + rows + columns), np.int32)
    depth = 0
    for y in range(rows):
        step = 1 if y in {0, rows - 1} else max(columns - 1, 1)
        for x in range(0, columns, step):
            if is_open[codes[y, x]]:
                stack[depth] = y * columns + x
                depth += 1
    _walk(codes, is_open, stack, depth, reached)
    return reached


@compiled
def add_open(codes: Codes, is_open: Places, where: Places, places: Places) -> None:
    """Add to ``places`` [y, x] those of ``where`` that have an open code."""
    for y in range(codes.shape[0]):
        for x in range(codes.shape[1]):
            if where[y, x] and is_open[codes[y, x]]:
                places[y, x] = True


@compiled
def fill(codes: Codes, places: Places, value: float, plane: Plane, counts: Counts) -> None:
    """Put a value into ``plane`` at ``places`` [y, x], and take the codes that are there from ``counts``."""
    for y in range(codes.shape[0]):
        for x in range(codes.shape[1]):
            if places[y, x]:
                plane[y, x] = value
                counts[codes[y, x]] -= 1


@compiled
def largest_piece(codes: Codes, is_open: Places) -> Places:
    """Return the largest piece [y, x] of open places that hang together, of equal ones the first; or nothing."""
    rows, columns = codes.shape
    reached = np.zeros((rows, columns), np.bool_)
    stack = np.empty(2 * (codes.size + rows + columns), np.int32)
    most, start = 0, 0
    for y in range(rows):
        for x in range(columns):
            if is_open[codes[y, x]] and not reached[y, x]:
                stack[0] = y * columns + x
                n_reached = _walk(codes, is_open, stack, 1, reached)
                if n_reached > most:
                    most, start = n_reached, y * columns + x
    reached[:] = False
    if most:
        stack[0] = start
        _walk(codes, is_open, stack, 1, reached)
    return reached


@compiled
def tallied(values: Plane, counts: Counts, bins: Counts) -> Moments:
    """Add ``counts`` of ``values`` to ``bins``, 1 wide and about 0 in their middle, and return the values' moments.

    A value goes to the nearest bin, or to the outermost.
    """
    limit = bins.size // 2
    n, low, high, total, squares = 0, np.inf, -np.inf, 0.0, 0.0
    for code in range(values.size):
        if counts[code]:
            value = np.float64(values[code])
            bins[int(min(max(np.rint(value), -limit), limit)) + limit] += counts[code]
            n += counts[code]
            low, high = min(low, value), max(high, value)
            total += value * counts[code]
    mean = total / n if n else 0.0
    for code in range(values.size):
        if counts[code]:
            squares += (values[code] - mean) ** 2 * counts[code]
    return n, low, high, mean, squares


@compiled
def roughness(plane: Plane, measured: Places, low: float, high: float) -> Plane:
    """Return the absolute second difference along y and x of each place whose nine voxels are measured and of a kind.

    Scaled to the noise of one voxel (Immerkaer, CVIU 1996).  Of a kind are nine whose mean lies from ``low`` to
    ``high``.
    """
    rows, columns = plane.shape
    found = np.empty(max(rows - 2, 0) * max(columns - 2, 0), np.float32)
    n = 0
    nine, six = np.float32(9), np.float32(6)
    sums, known = np.empty(columns, np.float32), np.empty(columns, np.bool_)
    curves = np.empty(columns, np.float32)
    for y in range(1, rows - 1):
        for x in range(columns):
            above, here, below = plane[y - 1, x], plane[y, x], plane[y + 1, x]
            sums[x] = (above + here) + below
            curves[x] = (below - here) - (here - above)
            known[x] = measured[y - 1, x] & measured[y, x] & measured[y + 1, x]
        for x in range(1, columns - 1):
            mean = ((sums[x - 1] + sums[x]) + sums[x + 1]) / nine
            if low <= mean <= high and known[x - 1] and known[x] and known[x + 1]:
                found[n] = abs((curves[x + 1] - curves[x]) - (curves[x] - curves[x - 1])) / six
                n += 1
    return found[:n].copy()


def warm() -> None:
    """Make the machine code of every loop ready, or find it on disk: called where no series waits for it."""
    table, yes = np.zeros(1, np.float32), np.ones(1, np.bool_)
    bins, no = np.zeros(3, np.int64), np.zeros((3, 3), np.bool_)
    for kind in (np.uint16, np.uint32):
        codes = np.zeros((3, 3), kind)
        plane, counts = looked_up(codes, table)
        add_open(codes, yes, no, joined_to_border(codes, yes))
        fill(codes, no, 0.0, plane, counts)
    tallied(table, counts, bins)
    roughness(plane, no, 0.0, 0.0)
    joined_to_border(largest_piece(no.view(np.uint8), yes).view(np.uint8), yes)
