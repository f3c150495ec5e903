"""DICOM Segmentation to labels on a series' slices (DICOM PS3.3 A.51, C.8.20)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.masks.drawn import DrawnMask, DrawnRegion, RegionChoice
from pipeline.masks.grid import MaskMismatchError, SourceGrid, narrow_labels


def find_segmentation_series(dataset: Any) -> set[str]:
    """Return the SeriesInstanceUIDs that the segments were made of."""
    return {str(series.SeriesInstanceUID) for series in dataset.get("ReferencedSeriesSequence", ())}


def read_segmentation(dataset: Any, grid: SourceGrid, choice: RegionChoice) -> DrawnMask | None:
    """Return the mask of the segments wanted, which keep their numbers; None where no segment is wanted.

    A fractional segment holds what is more than half in it.  Where segments overlap, the highest number stands.
    Raises MaskMismatchError where a frame is no slice of the series.
    """
    names = {int(segment.SegmentNumber): str(segment.get("SegmentLabel", "")) for segment in dataset.SegmentSequence}
    numbers = dict(zip(names, choice.assign_numbers(list(names.values()), list(names)), strict=True))
    wanted = {own: number for own, number in numbers.items() if number is not None}
    if not wanted:
        return None
    _require_grid(dataset, grid)
    labels = np.zeros(grid.shape, np.int64)
    frames = np.asarray(dataset.pixel_array).reshape(-1, grid.shape.y, grid.shape.x)
    for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        values = _values(dataset, frame, groups, set(wanted))
        if values.any():
            k = grid.slice_at(_position(groups))
            np.maximum(labels[k], values, out=labels[k])
    regions = tuple(DrawnRegion(names[own], number) for own, number in wanted.items())
    return DrawnMask(narrow_labels(labels), regions)


def _require_grid(dataset: Any, grid: SourceGrid) -> None:
    """Refuse frames of another size, spacing or direction than the slices."""
    grid.require_frame_of_reference(str(dataset.get("FrameOfReferenceUID", "")))
    shape = (int(dataset.Rows), int(dataset.Columns))
    if shape != (grid.shape.y, grid.shape.x):
        msg = f"the frames of the SEG are {shape[0]} x {shape[1]}, the slices {grid.shape.y} x {grid.shape.x}"
        raise MaskMismatchError(msg)
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        spacing = np.array(_item(dataset, groups, "PixelMeasuresSequence").PixelSpacing, float)
        if np.abs(spacing - grid.spacing_mm).max() * max(shape) > grid.tolerance_mm:
            msg = "the frames of the SEG have another pixel spacing than the slices"
            raise MaskMismatchError(msg)
        turn = np.array(_item(dataset, groups, "PlaneOrientationSequence").ImageOrientationPatient, float)
        grid.require_directions(turn[:3], turn[3:])


def _item(dataset: Any, groups: Any, name: str) -> Any:
    """Return a functional group of a frame, its own or the one that all share (PS3.3 C.7.6.16)."""
    return (groups if name in groups else dataset.SharedFunctionalGroupsSequence[0])[name][0]


def _position(groups: Any) -> NDArray[np.float64]:
    return np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)


def _values(dataset: Any, frame: NDArray[Any], groups: Any, wanted: set[int]) -> NDArray[np.int64]:
    """Return a frame's pixels as segment numbers, 0 where no wanted segment is."""
    if dataset.get("SegmentationType") == "LABELMAP":
        return np.where(np.isin(frame, list(wanted)), frame, 0).astype(np.int64)
    number = int(_item(dataset, groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)
    if number not in wanted:
        return np.zeros(frame.shape, np.int64)
    most = int(dataset.get("MaximumFractionalValue", 1)) if dataset.get("SegmentationType") == "FRACTIONAL" else 1
    return np.where(frame > most / 2, number, 0)
