"""DICOM Segmentation to labels on a series' slices (DICOM PS3.3 A.51, C.8.20)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.utils import iter_pixels

from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, DrawnRegion, RegionChoice, name_region
from pipeline.masks.grid import MaskMismatchError, SourceGrid
from pipeline.masks.regions import RegionVoxels, compose_mask
from pipeline.vocabulary import MaskReason, SeriesWarning


def read_segmentation(dataset: Any, grid: SourceGrid, choice: RegionChoice, limits: Limits) -> DrawnMask | None:
    """Return the mask of the segments wanted, which keep their numbers; None where no segment is wanted.

    A fractional segment holds what is at least half in it.  Frames are unpacked one by one.  Raises
    MaskMismatchError where a frame is no slice of the series, or where the mask is too large.
    """
    segments = _find_wanted(dataset, grid, choice)
    if not segments:
        return None
    _require_grid(dataset, grid)
    n_used: Counter[int] = Counter()
    for frame, groups in zip(iter_frames(dataset), dataset.PerFrameFunctionalGroupsSequence, strict=True):
        for own, plane in _split_frame(dataset, frame, groups, segments):
            if plane.any():
                segments[own].put(grid.slice_at(_position(dataset, groups)), plane)
                n_used[own] += 1
    for own, voxels in segments.items():
        voxels.region = replace(voxels.region, n_used=n_used[own])
    mask = compose_mask(list(segments.values()), grid, limits, n_layers=choice.n_layers if choice.layers else None)
    sparse = {SeriesWarning.W_LABEL_SPARSE} if any(one.is_sparse for one in segments.values()) else set()
    return replace(mask, warnings=mask.warnings | sparse)


def _find_wanted(dataset: Any, grid: SourceGrid, choice: RegionChoice) -> dict[int, RegionVoxels]:
    """Return the segments wanted, empty, by their own numbers; number 0 is the background of a label map."""
    names = {
        int(segment.SegmentNumber): name_region(segment.get("SegmentLabel"), segment.SegmentNumber)
        for segment in dataset.SegmentSequence
    }
    names.pop(0, None)
    numbers = choice.assign_numbers(list(names.values()), list(names))
    found = {}
    for (own, name), number in zip(names.items(), numbers, strict=True):
        if number is not None:
            found[own] = RegionVoxels(DrawnRegion(name, number), grid.shape)
    return found


def iter_frames(dataset: Any) -> Iterator[NDArray[Any]]:
    """Yield the frames [y, x], each unpacked when it is its turn."""
    is_packed = dataset.BitsAllocated == 1 and not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    return _unpack_frames(dataset) if is_packed else iter_pixels(dataset, raw=True)


def _unpack_frames(dataset: Any) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of one bit a pixel, which follow each other without a gap (PS3.5 8.1.1)."""
    shape = int(dataset.Rows), int(dataset.Columns)
    n_pixels = shape[0] * shape[1]
    content = np.frombuffer(dataset.PixelData, np.uint8)
    n_frames = int(dataset.NumberOfFrames)
    if len(content) * 8 < n_frames * n_pixels:
        msg = f"the pixel data of the SEG is too short for {n_frames} frames"
        raise MaskMismatchError(msg, MaskReason.UNREADABLE)
    for start in range(0, n_frames * n_pixels, n_pixels):
        first, skip = divmod(start, 8)
        bits = np.unpackbits(content[first : (start + n_pixels + 7) // 8], bitorder="little")
        yield bits[skip : skip + n_pixels].reshape(shape)


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


def _position(dataset: Any, groups: Any) -> NDArray[np.float64]:
    return np.array(_item(dataset, groups, "PlanePositionSequence").ImagePositionPatient, float)


def _split_frame(
    dataset: Any, frame: NDArray[Any], groups: Any, segments: dict[int, RegionVoxels]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the pixels of each segment that a frame may hold, by the segment's own number."""
    kind = dataset.get("SegmentationType")
    if kind == "LABELMAP":
        for own in segments.keys() & set(np.unique(frame).tolist()):
            yield own, frame == own
        return
    own = int(_item(dataset, groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)
    if own in segments:
        half = int(dataset.get("MaximumFractionalValue", 1)) / 2 if kind == "FRACTIONAL" else 1
        yield own, frame >= half
