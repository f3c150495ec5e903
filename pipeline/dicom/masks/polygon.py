"""A polygon to the pixels whose centres lie inside it."""

from math import ceil

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fill_polygon(points: Floats, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels [y, x] have their centres inside a closed polygon; ``points`` [n, 2] are (x, y) indices.

    A centre is inside where a ray along the row crosses the outline an odd number of times, so a polygon that runs
    over itself, or out and back along one line to leave a hole, means what it draws.  Law: polygons that share an edge
    share no pixel, and leave none between them.
    """
    (n_rows, n_columns), following = shape, np.roll(points, -1, axis=0)
    flips = np.zeros((n_rows, n_columns + 1), np.int64)
    for ends in zip(points.tolist(), following.tolist(), strict=True):
        (x0, y0), (x1, y1) = sorted(ends, key=lambda end: end[1])  # so that both who share an edge round it alike
        if y0 == y1:
            continue
        rows = np.arange(max(0, ceil(y0)), min(n_rows, ceil(y1)), dtype=np.intp)
        crossings = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
        flips[rows, np.clip(np.ceil(crossings), 0, n_columns).astype(np.intp)] += 1
    odd: NDArray[np.bool_] = np.cumsum(flips, axis=1)[:, :n_columns] % 2 == 1
    return odd
