"""Flood fill over a slice, up, down, left and right, through pixels whose code is open.

A slice is given as ``codes`` [y, x], as in `pipeline.kernels.slices`, and a table says which codes are open.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.compiled import compile_loop
from pipeline.kernels.slices import Codes, Counts, Places, PlaneArray

Seen = NDArray[np.uint8]
"""The state of each pixel [y, x]: `UNSEEN`, `OPEN` or `SHUT`."""
Ground = tuple[Codes, Places, Seen]
"""The codes of a slice, which of them are open, and the state of each pixel."""
Stack = NDArray[np.int32]
"""Runs still to visit [n, 3]: row, first pixel, and the one after the last."""
Spans = NDArray[np.int32]
"""Runs of pixels in one state [n, 3]: first pixel and the one after the last, counted row by row, and the state."""

UNSEEN, OPEN, SHUT = 0, 1, 2
"""The state of a pixel: not reached, reached and open, or reached and closed."""


@compile_loop
def _run_through(row: Codes, is_open: Places, x: int) -> tuple[int, int]:
    """Return the first and the last pixel of the run of open codes around ``x``."""
    first, last = x, x
    while first > 0 and is_open[row[first - 1]]:
        first -= 1
    while last < row.size - 1 and is_open[row[last + 1]]:
        last += 1
    return first, last


@compile_loop
def _enter(ground: Ground, span: tuple[int, int, int], stack: Stack, depth: int) -> int:
    """Visit a span of a row: mark each open run in full with its closed ends, and push it on the stack."""
    y, x, stop = span
    row, is_open, seen = ground[0][y], ground[1], ground[2][y]
    while x < stop:
        if seen[x] == UNSEEN and is_open[row[x]]:
            first, last = _run_through(row, is_open, x)
            seen[max(first - 1, 0)] = seen[min(last + 1, row.size - 1)] = SHUT
            seen[first : last + 1] = OPEN
            stack[depth, 0], stack[depth, 1], stack[depth, 2] = y, first, last + 1
            depth, x = depth + 1, last
        elif seen[x] == UNSEEN:
            seen[x] = SHUT
        x += 1
    return depth


@compile_loop
def _walk(ground: Ground, stack: Stack, depth: int) -> int:
    """Visit the neighbours of the runs on the stack, up and down, until none is left; return the pixels visited."""
    rows, n_walked = ground[0].shape[0], 0
    while depth > 0:
        depth -= 1
        y, start, stop = stack[depth, 0], stack[depth, 1], stack[depth, 2]
        n_walked += stop - start
        if y > 0:
            depth = _enter(ground, (y - 1, start, stop), stack, depth)
        if y < rows - 1:
            depth = _enter(ground, (y + 1, start, stop), stack, depth)
    return n_walked


@compile_loop
def _prepare_walk(codes: Codes) -> tuple[Seen, Stack]:
    """Return a state of unseen pixels, and a stack with room for every possible run."""
    rows, columns = codes.shape
    return np.zeros((rows, columns), np.uint8), np.empty((rows * (columns // 2 + 1), 3), np.int32)


@compile_loop
def explore_from_border(codes: Codes, is_open: Places) -> Seen:
    """Return the state [y, x] of pixels after a flood fill from the border through open codes.

    `OPEN` pixels are connected to the border; `SHUT` pixels stopped the fill.
    A slice in which the seen pixels are open and shut alike gives the same state; unseen pixels do not matter.
    """
    seen, stack = _prepare_walk(codes)
    rows, columns = codes.shape
    ground, depth = (codes, is_open, seen), 0
    for y in range(rows):
        if y in {0, rows - 1}:
            depth = _enter(ground, (y, 0, columns), stack, depth)
        else:
            depth = _enter(ground, (y, 0, 1), stack, depth)
            depth = _enter(ground, (y, columns - 1, columns), stack, depth)
    _walk(ground, stack, depth)
    return seen


@compile_loop
def find_joined_to_border(codes: Codes, is_open: Places) -> Places:
    """Return the pixels [y, x] connected to the border through open codes."""
    joined: Places = explore_from_border(codes, is_open) == OPEN
    return joined


@compile_loop
def mark_open(codes: Codes, is_open: Places, where: Places, seen: Seen) -> None:
    """Mark the pixels ``where`` as open or shut in ``seen`` [y, x]."""
    for y in range(codes.shape[0]):
        for x in range(codes.shape[1]):
            if where[y, x]:
                seen[y, x] = OPEN if is_open[codes[y, x]] else SHUT


@compile_loop
def find_spans(seen: Seen) -> Spans:
    """Return the runs of seen pixels."""
    flat, spans, n = seen.ravel(), np.empty((seen.size, 3), np.int32), 0
    for p in range(flat.size):
        if flat[p] != UNSEEN:
            if p == 0 or flat[p] != flat[p - 1]:
                spans[n, 0], spans[n, 2] = p, flat[p]
                n += 1
            spans[n - 1, 1] = p + 1
    return spans[:n].copy()


@compile_loop
def matches_spans(codes: Codes, is_open: Places, spans: Spans) -> bool:
    """Return whether codes [y, x] are open in the open spans and shut in the others."""
    flat = codes.ravel()
    for k in range(len(spans)):
        code = -1
        for p in range(spans[k, 0], spans[k, 1]):
            if flat[p] != code:
                code = flat[p]
                if is_open[code] != (spans[k, 2] == OPEN):
                    return False
    return True


@compile_loop
def fill_spans(codes: Codes, spans: Spans, value: float, plane: PlaneArray, counts: Counts) -> None:
    """Fill ``plane`` [y, x] with a value in open spans, and subtract their codes from ``counts``."""
    flat, target = codes.ravel(), plane.ravel()
    code, n = 0, 0
    for k in range(len(spans)):
        if spans[k, 2] == OPEN:
            target[spans[k, 0] : spans[k, 1]] = value
            for p in range(spans[k, 0], spans[k, 1]):
                if flat[p] != code:  # runs of equal codes are subtracted at once, which is faster
                    counts[code] -= n
                    code, n = flat[p], 0
                n += 1
    counts[code] -= n


@compile_loop
def find_largest_piece(codes: Codes, is_open: Places) -> Places:
    """Return the largest connected piece [y, x] of open pixels, of equal ones the first; all False if there is none."""
    seen, stack = _prepare_walk(codes)
    ground, most, start = (codes, is_open, seen), 0, (0, 0, 0)
    for y in range(codes.shape[0]):
        for x in range(codes.shape[1]):
            if is_open[codes[y, x]] and seen[y, x] == UNSEEN:
                n_walked = _walk(ground, stack, _enter(ground, (y, x, x + 1), stack, 0))
                if n_walked > most:
                    most, start = n_walked, (y, x, x + 1)
    seen[:] = UNSEEN
    _walk(ground, stack, _enter(ground, start, stack, 0))
    largest: Places = seen == OPEN
    return largest


def warm() -> None:
    """Compile every loop for the types in use, or load it from the cache."""
    yes, no = np.ones(1, np.bool_), np.zeros((3, 3), np.bool_)
    plane, counts = np.zeros((3, 3), np.float32), np.zeros(1, np.int64)
    for kind in (np.uint16, np.uint32):
        codes = np.zeros((3, 3), kind)
        seen = explore_from_border(codes, yes)
        mark_open(codes, yes, no, seen)
        matches_spans(codes, yes, find_spans(seen))
        fill_spans(codes, find_spans(seen), 0.0, plane, counts)
    find_joined_to_border(find_largest_piece(no.view(np.uint8), yes).view(np.uint8), yes)
