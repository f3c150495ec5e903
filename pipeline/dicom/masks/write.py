"""Masks on a series' own slices to DICOM SEG (PS3.3 A.51), through highdicom."""

import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import highdicom
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from pipeline import __version__
from pipeline.errors import UsageError
from pipeline.sources.files import open_at_hand

MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Of type 2 in the Patient and General Study Modules (PS3.3 C.7.1.1, C.7.2.1): where a slice lacks one, it is empty."""

MUST_BE_REPEATED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
)
"""Of type 1 where a SEG says whose images its frames lie on (PS3.3 C.7.2.1, C.7.4.1, C.12.1.1, C.12.4)."""
FROM_META = {"SOPClassUID": "MediaStorageSOPClassUID", "SOPInstanceUID": "MediaStorageSOPInstanceUID"}
"""What the file meta information says too (PS3.10 section 7.1)."""


@dataclass(frozen=True)
class SourceImage:
    """One slice: a file, or a frame of a multi-frame object, counted from 1."""

    path: str
    frame: int | None = None


def build_segmentation(sources: Sequence[SourceImage], labels: NDArray[Any]) -> bytes:
    """Return a binary DICOM SEG of labels [slice, row, column]; each value above 0 is a segment ``label N``.

    Slices without any label have no frame.  Raises UsageError where no label is left, or where the sources lack what
    a SEG must repeat of them.
    """
    values = np.unique(labels[labels > 0])
    if not len(values):
        msg = "the mask is empty on the source's slices: a DICOM SEG must hold at least one pixel"
        raise UsageError(msg)
    numbered = np.where(labels > 0, np.searchsorted(values, labels) + 1, 0).astype(np.uint16)
    images, frames = _images(sources, numbered)
    _require_type_1(images)
    try:
        with warnings.catch_warnings():  # highdicom's quote the patient's name
            warnings.simplefilter("ignore")
            found = _segmentation(images, frames, [int(value) for value in values])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = getattr(error, "name", None) or f"{type(error).__name__} in highdicom"
        msg = f"the source's headers lack what a DICOM SEG must repeat of them ({what})"
        raise UsageError(msg) from error
    content = BytesIO()
    with closing(found._db_con):  # noqa: SLF001  highdicom's index of frames in memory, which it never closes itself
        found.save_as(content)
    return content.getvalue()


def _images(sources: Sequence[SourceImage], labels: NDArray[Any]) -> tuple[list[pydicom.Dataset], NDArray[Any]]:
    """Return the sources' headers, and the labels in the order of their frames."""
    headers = {source.path: _header(source.path) for source in sources}
    images: list[pydicom.Dataset] = list(headers.values())
    if sources[0].frame is None:
        return images, labels
    if len(images) > 1:
        msg = "a series of several multi-frame objects cannot be described by one DICOM SEG"
        raise UsageError(msg)
    frames = np.zeros((int(images[0].NumberOfFrames), *labels.shape[1:]), labels.dtype)
    frames[[(source.frame or 1) - 1 for source in sources]] = labels
    return images, frames


def _header(path: str) -> pydicom.Dataset:
    with open_at_hand(path) as at_hand:
        header = pydicom.dcmread(at_hand, stop_before_pixels=True, force=True)
    for keyword in MAY_BE_EMPTY:
        if keyword not in header:
            setattr(header, keyword, None)
    for keyword, in_meta in FROM_META.items():
        if not header.get(keyword) and header.file_meta.get(in_meta):
            setattr(header, keyword, header.file_meta[in_meta].value)
    return header


def _require_type_1(images: Sequence[pydicom.Dataset]) -> None:
    missing = [keyword for keyword in MUST_BE_REPEATED if not all(image.get(keyword) for image in images)]
    if missing:
        msg = f"the source's headers have no {', '.join(missing)}: a DICOM SEG must repeat it, and it may not be empty"
        raise UsageError(msg)


def _segmentation(images: list[pydicom.Dataset], frames: NDArray[Any], values: list[int]) -> Any:
    return highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=frames,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(number, value) for number, value in enumerate(values, start=1)],
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="ctprep",
        manufacturer_model_name="ctprep",
        software_versions=__version__,
        device_serial_number="none",
        content_label="MASK",
        series_description="Mask written by ctprep",
    )


def _segment(number: int, value: int) -> Any:
    """Return a segment of which no more is known than its label."""
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"label {value}",
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="not stated", version="not stated", family=codes.DCM.ArtificialIntelligence
        ),
    )
