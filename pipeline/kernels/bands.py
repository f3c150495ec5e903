"""Weighted sums of planes: within a plane along y and x, and between planes.

Each sum is computed in float64 and rounded once to float32, so that a constant stays constant, and in the order
written, so that results do not depend on the width of registers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.compiled import compile_loop

PlaneArray = NDArray[np.float32]
Firsts = NDArray[np.intp]
Weights = NDArray[np.float64]
Places = NDArray[np.bool_]
Extents = NDArray[np.uint8]
Pixels = NDArray[np.int32]
"""Indices of pixels in a plane, row by row, rising."""
Bands = tuple[Firsts, Weights, Firsts, Weights]
"""For rows, then columns: the first sample of each, and the weights of the samples from there on."""
Single = np.float32

NONE, SOME, ALL = 0, 1, 2
"""Whether none, some or all of the samples of a pixel are valid."""


@compile_loop
def _row(source: PlaneArray, y: int, weights: Weights, target: Weights) -> None:
    """Fill ``target`` [x] with the weighted sum of rows from y on, one for each weight."""
    if weights.size == 2:
        w0, w1 = weights[0], weights[1]
        for x in range(target.size):
            target[x] = w0 * source[y, x] + w1 * source[y + 1, x]
        return
    for x in range(target.size):
        target[x] = weights[0] * source[y, x]
    for s in range(1, weights.size):
        for x in range(target.size):
            target[x] += weights[s] * source[y + s, x]


@compile_loop
def _columns(row: Weights, columns: Firsts, weights: Weights, target: PlaneArray) -> None:
    """Fill ``target`` [i] with the weighted sums of values from ``columns[i]`` on, one for each weight."""
    if weights.shape[1] == 2:
        for i in range(target.size):
            x = np.uint64(columns[i])  # an unsigned index needs no check for negative values
            target[i] = np.float32(weights[i, 0] * row[x] + weights[i, 1] * row[x + np.uint64(1)])
        return
    for i in range(target.size):
        x = columns[i]
        total = weights[i, 0] * row[x]
        for t in range(1, weights.shape[1]):
            total += weights[i, t] * row[x + t]
        target[i] = np.float32(total)


@compile_loop
def blend_in_plane(
    source: PlaneArray, rows: Firsts, row_weights: Weights, columns: Firsts, column_weights: Weights, target: PlaneArray
) -> None:
    """Fill ``target`` [y, x] with weighted sums along y, then along x.

    Pixel [j, i] sums ``row_weights[j, s] * column_weights[i, t] * source[rows[j] + s, columns[i] + t]``.
    """
    row = np.empty(source.shape[1], np.float64)
    for j in range(target.shape[0]):
        _row(source, rows[j], row_weights[j], row)
        _columns(row, columns, column_weights, target[j])


@compile_loop
def blend_between_planes(
    planes: NDArray[np.float32], slots: Firsts, weights: Weights, target: NDArray[np.float32]
) -> None:
    """Fill ``target`` [p] with the sum of ``weights[t] * planes[slots[t]]``, planes being [slot, p]."""
    if slots.size == 2:
        first, second = planes[slots[0]], planes[slots[1]]
        for p in range(target.size):
            target[p] = np.float32(weights[0] * first[p] + weights[1] * second[p])
        return
    for p in range(target.size):
        total = weights[0] * planes[slots[0], p]
        for t in range(1, slots.size):
            total += weights[t] * planes[slots[t], p]
        target[p] = np.float32(total)


@compile_loop
def classify_extents(valid: Places, axes: Bands, target: Extents) -> None:
    """Fill ``target`` [y, x] with how many samples of each pixel are valid: `NONE`, `SOME` or `ALL`."""
    rows, row_weights, columns, column_weights = axes
    n_rows, n_columns = row_weights.shape[1], column_weights.shape[1]
    counts = np.empty(valid.shape[1], np.int32)
    for j in range(target.shape[0]):
        counts[:] = 0
        for y in range(rows[j], rows[j] + n_rows):
            for x in range(counts.size):
                counts[x] += valid[y, x]
        for i in range(target.shape[1]):
            n = 0
            for x in range(columns[i], columns[i] + n_columns):
                n += counts[x]
            target[j, i] = _extent(n, n_rows * n_columns)


@compile_loop
def _extent(n: int, of: int) -> int:
    if n == 0:
        return NONE
    return ALL if n == of else SOME


@compile_loop
def blend_valid_in_plane(source: PlaneArray, valid: Places, axes: Bands, pixels: Pixels, target: PlaneArray) -> None:
    """As ``blend_in_plane``, of valid samples only, and only at ``pixels``."""
    rows, row_weights, columns, column_weights = axes
    j, width = 0, target.shape[1]
    for pixel in pixels:
        while pixel >= (j + 1) * width:
            j += 1
        i, total = pixel - j * width, 0.0
        for t in range(column_weights.shape[1]):
            column, x = 0.0, columns[i] + t
            for s in range(row_weights.shape[1]):
                column += row_weights[j, s] * (source[rows[j] + s, x] * valid[rows[j] + s, x])
            total += column_weights[i, t] * column
        target[j, i] = np.float32(total)


@compile_loop
def add_valid(
    weight: float,
    layers: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]],
    pixels: Pixels,
    totals: Weights,
) -> None:
    """Add the valid values of a plane, and their weight, both times ``weight``, to ``totals`` [2, k] of ``pixels`` [k].

    ``layers`` [p] are the sums of all values, the sums of valid values, the weight of these, and whether none, some or
    all samples of a pixel are valid.  The second and third are used only where it is `SOME`.
    """
    plain, sums, shares, parts = layers
    for k in range(pixels.size):
        p = pixels[k]
        if parts[p] == ALL:
            totals[0, k] += weight * plain[p]
            totals[1, k] += weight
        elif parts[p] == SOME:
            totals[0, k] += weight * sums[p]
            totals[1, k] += weight * shares[p]


@compile_loop
def divide_by_weight(
    totals: Weights, limits: tuple[float, float], pixels: Pixels, target: NDArray[np.float32], enough: Places
) -> None:
    """Divide sums by their weight, from ``totals`` [2, k] of ``pixels`` [k], into ``target`` [p].

    ``limits`` are the weight above which the quotient is stored, and the weight from which ``enough`` [p] is True.
    """
    for k in range(pixels.size):
        if totals[1, k] > limits[0]:
            target[pixels[k]] = np.float32(totals[0, k] / totals[1, k])
        enough[pixels[k]] = totals[1, k] >= limits[1]


@compile_loop
def _clamp(value: Any, low: Any, high: Any) -> Any:
    if value < low:
        return low
    return high if value > high else value  # noqa: FURB136  numba's min and max look for not-a-number first


@compile_loop
def apply_line(
    values: NDArray[np.float32], line: tuple[Single, Single, Single, Single], target: NDArray[np.float32]
) -> None:
    """Fill ``target`` [p] with ``clip(a * values + b, low, high)`` for a line (a, b, low, high), all in float32."""
    a, b, low, high = line
    for p in range(target.size):
        target[p] = _clamp(values[p] * a + b, low, high)


@compile_loop
def round_to_integers(values: NDArray[np.float32], packing: tuple[float, float], target: NDArray[Any]) -> None:
    """Fill ``target`` [p] with ``(values - offset) / step``, rounded to nearest (even), saturated, never wrapped.

    ``packing`` is (step, offset).  Values are finite.
    """
    step, offset = packing
    low, high = np.float64(np.iinfo(target.dtype).min), np.float64(np.iinfo(target.dtype).max)
    if step == 1 and offset == 0:
        _round(values, np.float32(low), np.float32(high), target)
        return
    for p in range(target.size):
        target[p] = np.int32(np.rint(_clamp((np.float64(values[p]) - offset) / step, low, high)))


@compile_loop
def _round(values: NDArray[np.float32], low: Single, high: Single, target: NDArray[Any]) -> None:
    for p in range(target.size):
        target[p] = np.int32(np.rint(_clamp(values[p], low, high)))


def warm() -> None:
    """Compile every loop for the types in use, or load it from the cache."""
    plane, first, weight = np.zeros((2, 2), np.float32), np.zeros(2, np.intp), np.ones((2, 1))
    blend_in_plane(plane, first, weight, first, weight, plane.copy())
    blend_between_planes(plane, first, weight[:, 0], plane[0].copy())
    valid, parts, totals = np.ones((2, 2), np.bool_), np.zeros((2, 2), np.uint8), np.zeros((2, 2))
    pixels = np.zeros(2, np.int32)
    classify_extents(valid, (first, weight, first, weight), parts)
    blend_valid_in_plane(plane, valid, (first, weight, first, weight), pixels, plane.copy())
    add_valid(0.5, (plane[0], plane[0], plane[0], parts[0]), pixels, totals)
    divide_by_weight(totals, (0.5, 0.5), pixels, plane[0].copy(), valid[0])
    apply_line(plane[0], (Single(1), Single(0), Single(0), Single(1)), plane[0].copy())
    for dtype in (np.int16, np.uint8, np.uint16):
        round_to_integers(plane[0], (1.0, 0.0), np.zeros(2, dtype))
