"""RT Structure Set to labels on a series' slices (DICOM PS3.3 A.19, C.8.8.5 and C.8.8.6)."""

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.masks.drawn import DrawnMask, DrawnRegion, RegionChoice
from pipeline.masks.grid import Floats, MaskMismatchError, SourceGrid, narrow_labels

BETWEEN_SHARE = 0.25
"""A contour this share of a slice interval away from any slice was drawn on something else."""

CLOSED = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})
"""Contours that enclose something; points and open lines do not."""


def find_structure_series(dataset: Any) -> set[str]:
    """Return the SeriesInstanceUIDs on which the contours were drawn."""
    return {
        str(series.SeriesInstanceUID)
        for frame in dataset.get("ReferencedFrameOfReferenceSequence", ())
        for study in frame.get("RTReferencedStudySequence", ())
        for series in study.get("RTReferencedSeriesSequence", ())
    }


def read_structures(dataset: Any, grid: SourceGrid, choice: RegionChoice) -> DrawnMask | None:
    """Return the mask of the regions wanted, in the order of their numbers; None where no region is wanted.

    Pixels whose centres lie inside a contour belong to it; contours of one region on one slice are even-odd, so an
    inner one is a hole.  Where regions overlap, the last stands.  Raises MaskMismatchError where contours lie on no
    slice or in another frame of reference.
    """
    labels = np.zeros(grid.shape, np.int64)
    contours = {int(roi.ReferencedROINumber): roi for roi in dataset.get("ROIContourSequence", ())}
    regions = []
    for roi, number in _find_wanted(dataset, grid, choice):
        region = np.zeros(grid.shape, np.bool_)
        n_used = 0
        for points in _outlines(contours.get(int(roi.ROINumber))):
            k, indices = _on_slice(points, grid)
            region[k] ^= fill_polygon(indices, (grid.shape.y, grid.shape.x))
            n_used += 1
        labels[region] = number
        regions.append(DrawnRegion(str(roi.get("ROIName", "")), number, n_used, n_voxels=int(region.sum())))
    return DrawnMask(narrow_labels(labels), tuple(regions)) if regions else None


def _find_wanted(dataset: Any, grid: SourceGrid, choice: RegionChoice) -> list[tuple[Any, int]]:
    """Return the regions wanted and their numbers, in the order of the object's own."""
    found = sorted(dataset.get("StructureSetROISequence", ()), key=lambda roi: int(roi.ROINumber))
    numbers = choice.assign_numbers([str(roi.get("ROIName", "")) for roi in found])
    wanted = [(roi, number) for roi, number in zip(found, numbers, strict=True) if number is not None]
    for roi, _ in wanted:
        grid.require_frame_of_reference(str(roi.get("ReferencedFrameOfReferenceUID", "")))
    return wanted


def _outlines(contours: Any) -> Iterator[Floats]:
    """Yield the closed contours of a region, [n, 3] in LPS millimetres."""
    for contour in contours.get("ContourSequence", ()) if contours is not None else ():
        if contour.get("ContourGeometricType") in CLOSED:
            yield np.array([float(value) for value in contour.ContourData]).reshape(-1, 3)


def _on_slice(points: Floats, grid: SourceGrid) -> tuple[int, Floats]:
    """Return the slice that a contour was drawn on, and its points as (x, y) indices in it."""
    heights, places = points @ grid.normal, grid.corners @ grid.normal
    k = int(np.abs(places - heights.mean()).argmin())
    interval = float(np.diff(places).min()) if len(places) > 1 else grid.tolerance_mm
    if np.abs(heights - places[k]).max() > max(BETWEEN_SHARE * interval, grid.tolerance_mm):
        msg = f"a contour lies {np.abs(heights - places[k]).max():.2f} mm from the nearest slice"
        raise MaskMismatchError(msg)
    from_corner = points - grid.corners[k]
    y_mm, x_mm = grid.spacing_mm
    return k, np.stack([from_corner @ grid.row / x_mm, from_corner @ grid.column / y_mm], axis=1)


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
