"""Loops over the voxels of a slice: look-up in a table, counts, roughness, outline.

A slice is given as ``codes`` [y, x], unsigned numbers from 0 that stand for its values.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.compiled import compile_loop

Codes = NDArray[np.unsignedinteger[Any]]
PlaneArray = NDArray[np.float32]
Places = NDArray[np.bool_]
Counts = NDArray[np.int64]
Moments = tuple[int, float, float, float, float]
"""Number of values, least, greatest, mean, and the sum of squared distances from the mean."""


@compile_loop
def look_up(codes: Codes, table: PlaneArray) -> tuple[PlaneArray, Counts]:
    """Return ``table[codes]`` [y, x], and the number of voxels with each code.

    Four counters are used in turn and added at the end: equal neighbours, as in air, would otherwise wait for each
    other's increment.
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


@compile_loop
def count_values(values: PlaneArray, counts: Counts, bins: Counts) -> Moments:
    """Add ``counts`` of ``values`` to ``bins`` of width 1, centred at 0, and return the moments of the values.

    A value counts in the nearest bin, beyond the range in the outermost.
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


@compile_loop
def measure_roughness(plane: PlaneArray, valid: Places, low: float, high: float) -> PlaneArray:
    """Return the absolute second difference along y and x, scaled to the noise of a voxel (Immerkaer, CVIU 1996).

    Only pixels are used whose nine voxels are all valid, with a mean between ``low`` and ``high``.
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
            known[x] = valid[y - 1, x] & valid[y, x] & valid[y + 1, x]
        for x in range(1, columns - 1):
            mean = ((sums[x - 1] + sums[x]) + sums[x + 1]) / nine
            if low <= mean <= high and known[x - 1] and known[x] and known[x + 1]:
                found[n] = abs((curves[x + 1] - curves[x]) - (curves[x] - curves[x - 1])) / six
                n += 1
    return found[:n].copy()


@compile_loop
def measure_outline(body: Places, field: Places) -> tuple[int, int]:
    """Return the number of outline pixels of a body [y, x], and of those at the edge of the field of view [y, x].

    An outline pixel has a neighbour, up, down, left or right, outside the body or the field; a pixel at the edge has
    one outside the field.  Beyond the border of the slice lies no field.
    """
    rows, columns = body.shape
    n, n_cut = 0, 0
    for y in range(rows):
        for x in range(columns):
            if body[y, x]:
                is_inside = 0 < y < rows - 1 and 0 < x < columns - 1
                is_cut = not is_inside or not (
                    field[y - 1, x] and field[y + 1, x] and field[y, x - 1] and field[y, x + 1]
                )
                n_cut += is_cut
                n += is_cut or not (body[y - 1, x] and body[y + 1, x] and body[y, x - 1] and body[y, x + 1])
    return n, n_cut


def warm() -> None:
    """Compile every loop for the types in use, or load it from the cache."""
    table, bins = np.zeros(1, np.float32), np.zeros(3, np.int64)
    for kind in (np.uint16, np.uint32):
        plane, counts = look_up(np.zeros((3, 3), kind), table)
    count_values(table, counts, bins)
    no = np.zeros((3, 3), np.bool_)
    measure_roughness(plane, no, 0.0, 0.0)
    measure_outline(no, no)
