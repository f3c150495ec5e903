"""Weighted sums of planes: within a plane along y and x, and between planes.

Each sum is taken in float64 and rounded once to float32, so that a constant stays constant, and without reordering, so
that the same machine code gives the same bits whatever the width of its registers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.compiled import compiled

Plane = NDArray[np.float32]
Firsts = NDArray[np.intp]
Weights = NDArray[np.float64]
Single = np.float32

BLOCK = 1024
"""Pixels that are summed at a time: their sums stay in the nearest cache."""


@compiled
def _row(source: Plane, y: int, weights: Weights, target: Weights) -> None:
    """Fill ``target`` [x] with the weighted sum of as many rows as there are weights, from row y on."""
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


@compiled
def _columns(row: Weights, columns: Firsts, weights: Weights, target: Plane) -> None:
    """Fill ``target`` [i] with the weighted sums of as many values as there are weights, from ``columns[i]`` on."""
    if weights.shape[1] == 2:
        for i in range(target.size):
            x = columns[i]
            target[i] = np.float32(weights[i, 0] * row[x] + weights[i, 1] * row[x + 1])
        return
    for i in range(target.size):
        x = columns[i]
        total = weights[i, 0] * row[x]
        for t in range(1, weights.shape[1]):
            total += weights[i, t] * row[x + t]
        target[i] = np.float32(total)


@compiled
def in_plane(
    source: Plane, rows: Firsts, row_weights: Weights, columns: Firsts, column_weights: Weights, target: Plane
) -> None:
    """Fill ``target`` [y, x] with weighted sums along y, then along x.

    Pixel [j, i] sums ``row_weights[j, s] * column_weights[i, t] * source[rows[j] + s, columns[i] + t]``.
    """
    row = np.empty(source.shape[1], np.float64)
    for j in range(target.shape[0]):
        _row(source, rows[j], row_weights[j], row)
        _columns(row, columns, column_weights, target[j])


@compiled
def between(planes: NDArray[np.float32], slots: Firsts, weights: Weights, target: NDArray[np.float32]) -> None:
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


@compiled
def between_measured(
    layers: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]],
    slots: Firsts,
    weights: Weights,
    least: float,
    target: NDArray[np.float32],
    share: NDArray[np.float32],
) -> None:
    """As ``between``, of measured values: their sum over their weight, or of all where that is not above ``least``.

    ``layers`` are, [slot, p], all values, measured values and the weight of these; and [slot] whether a plane was
    measured everywhere, so that its values are all it holds.  ``share`` [p] is filled with the measured weight.
    """
    plain, sums, shares, whole = layers
    totals = np.empty((3, BLOCK), np.float64)
    for start in range(0, target.size, BLOCK):
        size = min(BLOCK, target.size - start)
        totals[:] = 0
        for t in range(slots.size):
            slot, weight = slots[t], weights[t]
            part = slice(start, start + size)
            _add(weight, plain[slot, part], totals[0])
            if whole[slot]:
                _add(weight, plain[slot, part], totals[1])
                totals[2] += weight
            else:
                _add(weight, sums[slot, part], totals[1])
                _add(weight, shares[slot, part], totals[2])
        for p in range(size):
            enough = totals[2, p] > least
            target[start + p] = np.float32(totals[1, p] / totals[2, p] if enough else totals[0, p])
            share[start + p] = np.float32(totals[2, p])


@compiled
def _add(weight: float, values: NDArray[np.float32], totals: Weights) -> None:
    for p in range(values.size):
        totals[p] += weight * values[p]


@compiled
def _clamped(value: Any, low: Any, high: Any) -> Any:
    if value < low:
        return low
    return high if value > high else value  # noqa: FURB136  numba's min and max look for not-a-number first


@compiled
def lined(
    values: NDArray[np.float32], line: tuple[Single, Single, Single, Single], target: NDArray[np.float32]
) -> None:
    """Fill ``target`` [p] with ``clip(a * values + b, low, high)`` for a line (a, b, low, high), all in float32."""
    a, b, low, high = line
    for p in range(target.size):
        target[p] = _clamped(values[p] * a + b, low, high)


@compiled
def whole_numbers(values: NDArray[np.float32], packing: tuple[float, float], target: NDArray[Any]) -> None:
    """Fill ``target`` [p] with ``(values - offset) / step``, rounded to nearest (even), saturated, never wrapped.

    ``packing`` is (step, offset).  Values are finite.
    """
    step, offset = packing
    low, high = np.float64(np.iinfo(target.dtype).min), np.float64(np.iinfo(target.dtype).max)
    if step == 1 and offset == 0:
        _rounded(values, np.float32(low), np.float32(high), target)
        return
    for p in range(target.size):
        target[p] = np.int32(np.rint(_clamped((np.float64(values[p]) - offset) / step, low, high)))


@compiled
def _rounded(values: NDArray[np.float32], low: Single, high: Single, target: NDArray[Any]) -> None:
    for p in range(target.size):
        target[p] = np.int32(np.rint(_clamped(values[p], low, high)))


def warm() -> None:
    """Load every kernel for the types that the pipeline uses, from the cache or by compiling."""
    plane, first, weight = np.zeros((2, 2), np.float32), np.zeros(2, np.intp), np.ones((2, 1))
    in_plane(plane, first, weight, first, weight, plane.copy())
    between(plane, first, weight[:, 0], plane[0].copy())
    layers = (plane, plane, plane, np.ones(2, np.bool_))
    between_measured(layers, first, weight[:, 0], 0.5, plane[0].copy(), plane[0].copy())
    lined(plane[0], (Single(1), Single(0), Single(0), Single(1)), plane[0].copy())
    for dtype in (np.int16, np.uint8, np.uint16):
        whole_numbers(plane[0], (1.0, 0.0), np.zeros(2, dtype))
