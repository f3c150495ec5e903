"""RT Structure Set to labels on a series' slices (DICOM PS3.3 A.19, C.8.8.5 and C.8.8.6)."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.dataelem import RawDataElement

from pipeline.limits import Limits
from pipeline.masks.contours import draw_contours, draw_odd_even
from pipeline.masks.drawn import DrawnMask, DrawnRegion, RegionChoice, name_region
from pipeline.masks.grid import Floats, MaskMismatchError, SourceGrid
from pipeline.masks.regions import RegionVoxels, compose_mask
from pipeline.vocabulary import SeriesWarning

BETWEEN_SHARE = 0.25
"""A contour this share of a slice interval away from any slice was drawn on something else."""

FLAT_MM = 1e-6
"""Points that lie on one line within this enclose nothing."""

XOR = "CLOSEDPLANAR_XOR"
CLOSED = frozenset({"", "CLOSED_PLANAR", "CLOSEDPLANAR", "INTERPOLATED_PLANAR", XOR})
"""Contours that enclose something; one without a type is taken for closed."""

NOT_CLOSED = frozenset({"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"})
"""Contours that enclose nothing by their nature: leaving them out loses nothing."""

OPEN, UNKNOWN_TYPE, UNREADABLE, NO_POINTS, FEW_POINTS, NO_AREA, BEYOND, BETWEEN, NOT_PLANAR, REFUSED, OTHER_FRAME = (
    "open",
    "unknown_type",
    "unreadable",
    "no_points",
    "few_points",
    "no_area",
    "beyond_scan",
    "between_slices",
    "not_in_a_slice",
    "region_refused",
    "other_frame_of_reference",
)
"""Why a contour is skipped."""

ELSEWHERE = frozenset({BETWEEN, NOT_PLANAR})
"""A region with such a contour was drawn on other planes than these slices: none of it is drawn."""


@dataclass(frozen=True)
class Contour:
    """A closed contour on a slice: ``points`` [n, 2] are (x, y) in pixel indices."""

    k: int
    points: Floats
    is_xor: bool


class SkippedError(Exception):
    """A contour that cannot be drawn; ``off_mm`` is how far it lies from the nearest slice, where that is why."""

    def __init__(self, reason: str, off_mm: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.off_mm = off_mm


def read_structures(dataset: Any, grid: SourceGrid, choice: RegionChoice, limits: Limits) -> DrawnMask | None:
    """Return the mask of the regions wanted, in the order of their numbers; None where no region is wanted.

    Pixels whose centres lie inside a contour belong to it.  A contour that cannot be drawn is skipped and counted; a
    region with a contour between two slices is left out whole.  Raises MaskMismatchError where all regions lie
    elsewhere, or in another frame of reference, or where the mask is too large.
    """
    wanted = _find_wanted(dataset, choice)
    if not wanted:
        return None
    if not any(grid.has_frame_of_reference(_name_frame(roi)) for roi, _ in wanted):
        grid.require_frame_of_reference(_name_frame(wanted[0][0]))
    contours = _collect_contours(dataset)
    regions = []
    farthest_mm = 0.0
    for roi, number in wanted:
        region = DrawnRegion(name_region(roi.get("ROIName"), roi.ROINumber), number)
        own = contours[int(roi.ROINumber)]
        if grid.has_frame_of_reference(_name_frame(roi)):
            voxels, off_mm = draw_region(region, own, grid)
            farthest_mm = max(farthest_mm, off_mm)
        else:
            skipped = {OTHER_FRAME: len(own)} if own else {}
            voxels = RegionVoxels(replace(region, skipped=skipped), grid.shape)
        regions.append(voxels)
    if farthest_mm and not any(one.region.n_used for one in regions):
        msg = f"no contour lies on a slice: one is {farthest_mm:.2f} mm from the nearest slice"
        raise MaskMismatchError(msg)
    mask = compose_mask(regions, grid, limits, n_layers=choice.n_layers if choice.layers else None)
    has_orphans = any(contours[number] for number in contours.keys() - _list_numbers(dataset))
    return replace(mask, warnings=mask.warnings.union(_find_warnings(regions, has_orphans=has_orphans)))


def _list_numbers(dataset: Any) -> set[int]:
    return {int(roi.ROINumber) for roi in dataset.get("StructureSetROISequence") or ()}


def _collect_contours(dataset: Any) -> Mapping[int | None, list[Any]]:
    """Return the contours of each region by its number, None where they have none; a region may have several items."""
    found: defaultdict[int | None, list[Any]] = defaultdict(list)
    for item in dataset.get("ROIContourSequence") or ():
        number = item.get("ReferencedROINumber")
        found[None if number is None else int(number)].extend(item.get("ContourSequence") or ())
    return found


def _find_wanted(dataset: Any, choice: RegionChoice) -> list[tuple[Any, int]]:
    """Return the regions wanted and their numbers, in the order of the object's own."""
    found = sorted(dataset.get("StructureSetROISequence") or (), key=lambda roi: int(roi.ROINumber))
    numbers = choice.assign_numbers([name_region(roi.get("ROIName"), roi.ROINumber) for roi in found])
    return [(roi, number) for roi, number in zip(found, numbers, strict=True) if number is not None]


def _name_frame(roi: Any) -> str:
    return str(roi.get("ReferencedFrameOfReferenceUID") or "")


def draw_region(region: DrawnRegion, contours: Sequence[Any], grid: SourceGrid) -> tuple[RegionVoxels, float]:
    """Return a region with the contours that lie on slices, and how far the farthest of the others is, in mm."""
    skipped: Counter[str] = Counter()
    by_slice: defaultdict[int, list[Contour]] = defaultdict(list)
    farthest_mm = 0.0
    for item in contours:
        try:
            contour = _read_contour(item, grid)
            by_slice[contour.k].append(contour)
        except SkippedError as error:
            skipped[error.reason] += 1
            farthest_mm = max(farthest_mm, error.off_mm)
    n_read = sum(map(len, by_slice.values()))
    if not ELSEWHERE.isdisjoint(skipped):
        skipped[REFUSED] += n_read
        n_read = 0
        by_slice.clear()
    voxels = RegionVoxels(replace(region, n_used=n_read, skipped=dict(+skipped)), grid.shape)
    shape = (grid.shape.y, grid.shape.x)
    for k, drawn in by_slice.items():
        plane = draw_contours([one.points for one in drawn if not one.is_xor], shape)
        plane ^= draw_odd_even([one.points for one in drawn if one.is_xor], shape)
        voxels.put(k, plane)
    return voxels, farthest_mm


def _read_contour(item: Any, grid: SourceGrid) -> Contour:
    """Return a contour on its slice; raises SkippedError where it encloses nothing there."""
    kind = str(item.get("ContourGeometricType") or "").strip(" \0").upper()
    if kind in NOT_CLOSED:
        raise SkippedError(OPEN)
    if kind not in CLOSED:
        raise SkippedError(UNKNOWN_TYPE)
    points = _read_points(item)
    k, indices = _place(points, grid)
    return Contour(k, indices, kind == XOR)


def _read_points(item: Any) -> Floats:
    """Return the points of a contour, [n, 3] in LPS millimetres."""
    try:
        values = np.array(_list_values(item), float)
    except (TypeError, ValueError, OverflowError) as error:
        raise SkippedError(UNREADABLE) from error
    if not values.size:
        raise SkippedError(NO_POINTS)
    if values.size % 3 or not np.isfinite(values).all():
        raise SkippedError(UNREADABLE)
    if values.size < 9:
        raise SkippedError(FEW_POINTS)
    points = values.reshape(-1, 3)
    if np.linalg.matrix_rank(points - points.mean(axis=0), tol=FLAT_MM) < 2:
        raise SkippedError(NO_AREA)
    return points


def _list_values(item: Any) -> Sequence[Any]:
    """Return the numbers of ContourData; the text is split here, for pydicom takes ten times as long."""
    if "ContourData" not in item:
        return []
    element = item.get_item("ContourData")
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        text = element.value.strip(b" \0")
        return text.split(b"\\") if text else []
    return np.atleast_1d(element.value if element.value is not None else []).tolist()  # type: ignore[no-any-return]


def _place(points: Floats, grid: SourceGrid) -> tuple[int, Floats]:
    """Return the slice that a contour was drawn on, and its points as (x, y) indices in it."""
    heights, places = points @ grid.normal, grid.all_corners @ grid.normal
    k = int(np.abs(places - heights.mean()).argmin())
    from_corner = points - grid.all_corners[k]
    y_mm, x_mm = grid.spacing_mm
    indices = np.stack([from_corner @ grid.row / x_mm, from_corner @ grid.column / y_mm], axis=1)
    interval = float(np.diff(np.sort(places)).min()) if len(places) > 1 else grid.tolerance_mm
    allowed_mm = max(BETWEEN_SHARE * interval, grid.tolerance_mm)
    off_mm = float(np.abs(heights - places[k]).max())
    if off_mm > allowed_mm:
        if heights.max() < places.min() or heights.min() > places.max():
            raise SkippedError(BEYOND, off_mm)
        raise SkippedError(BETWEEN if np.ptp(heights) <= allowed_mm else NOT_PLANAR, off_mm)
    if np.any(indices.max(axis=0) < -0.5) or np.any(indices.min(axis=0) > (grid.shape.x - 0.5, grid.shape.y - 0.5)):
        raise SkippedError(BEYOND)
    return k, indices


def _find_warnings(regions: Sequence[RegionVoxels], *, has_orphans: bool) -> Iterator[SeriesWarning]:
    """Yield what is to be said of regions of which a part is missing, or of contours of no region."""
    if has_orphans or any(set(one.region.skipped) - {OPEN} for one in regions):
        yield SeriesWarning.W_LABEL_PARTIAL
    if any(one.is_sparse or one.has_skipped_slice for one in regions):
        yield SeriesWarning.W_LABEL_SPARSE
