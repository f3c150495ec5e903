"""Grids, and DICOM objects that mark regions in them, made in code."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, SegmentationStorage, generate_uid

from pipeline.geometry import Zyx
from pipeline.masks.grid import SourceGrid

SERIES, FRAME = "1.2.3.4", "1.2.3.5"


def grid(n: int = 4, tilt: float = 0.0, **told: Any) -> SourceGrid:
    """Return slices of 6 rows of 8, 3 mm apart; with ``tilt`` each lies that much lower along y."""
    corners = np.array([(-10.0, -20.0 + tilt * k, 50.0 + 3.0 * k) for k in range(n)])
    usual = {"frame_of_reference_uid": FRAME, "series_uid": SERIES}
    x, y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    return SourceGrid(Zyx(n, 6, 8), corners, x, y, (0.9, 0.7), **(usual | told))


def marked(source: SourceGrid, seed: int = 0, values: int = 2) -> NDArray[np.uint8]:
    """Return labels without any order."""
    return np.random.default_rng(seed).integers(0, values, source.shape).astype(np.uint8)


def structures(outlines: dict[str, Sequence[NDArray[np.float64]]], series: str = SERIES, frame: str = FRAME) -> Dataset:
    """Return an RTSTRUCT; outlines are [n, 3] in LPS millimetres, by the regions' names."""
    dataset = _object(RTStructureSetStorage, "RTSTRUCT")
    referenced, study, of_frame = Dataset(), Dataset(), Dataset()
    referenced.SeriesInstanceUID = series
    study.RTReferencedSeriesSequence = [referenced]
    of_frame.FrameOfReferenceUID = frame
    of_frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [of_frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(outlines.items(), start=1):
        region, drawn = Dataset(), Dataset()
        region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = number, name, frame
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(points) for points in contours]
        dataset.StructureSetROISequence.append(region)
        dataset.ROIContourSequence.append(drawn)
    return dataset


def outline(source: SourceGrid, k: int, indices: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return a contour on slice ``k`` through (x, y) indices, in LPS millimetres."""
    y_mm, x_mm = source.spacing_mm
    return np.array([source.corners[k] + x * x_mm * source.row + y * y_mm * source.column for x, y in indices])


def segments(source: SourceGrid, masks: dict[str, NDArray[np.bool_]], kind: str = "BINARY") -> Dataset:
    """Return a SEG of a segment a mask [z, y, x], by their labels; frames from the last slice to the first."""
    dataset = _object(SegmentationStorage, "SEG")
    referenced = Dataset()
    referenced.SeriesInstanceUID = source.series_uid
    dataset.ReferencedSeriesSequence = [referenced]
    dataset.FrameOfReferenceUID = source.frame_of_reference_uid
    dataset.SegmentationType = kind
    dataset.SegmentSequence, dataset.PerFrameFunctionalGroupsSequence = [], []
    dataset.SharedFunctionalGroupsSequence = [_shared(source)]
    frames = []
    for number, (name, mask) in enumerate(masks.items(), start=1):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, name
        dataset.SegmentSequence.append(segment)
        for k in reversed(range(source.shape.z)):
            dataset.PerFrameFunctionalGroupsSequence.append(_frame(source, k, number))
            frames.append(mask[k])
    _put_frames(dataset, np.array(frames), kind)
    return dataset


def _put_frames(dataset: Dataset, frames: NDArray[np.bool_], kind: str) -> None:
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    if kind == "FRACTIONAL":
        dataset.MaximumFractionalValue = 200
    packed = np.packbits(frames.ravel(), bitorder="little") if bits == 1 else (frames * 200).astype(np.uint8)
    content = packed.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)


def _shared(source: SourceGrid) -> Dataset:
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(source.spacing_mm)
    orientation.ImageOrientationPatient = [*source.row, *source.column]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    return shared


def _frame(source: SourceGrid, k: int, number: int) -> Dataset:
    groups, position, segment = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = list(source.corners[k])
    segment.ReferencedSegmentNumber = number
    groups.PlanePositionSequence, groups.SegmentIdentificationSequence = [position], [segment]
    return groups


def _contour(points: NDArray[np.float64]) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
    return contour


def _object(sop_class: str, modality: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[modality])
    dataset.Modality = modality
    dataset.PatientID, dataset.StudyInstanceUID = "P-1", "1.2.3"
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[modality, "series"])
    return dataset
