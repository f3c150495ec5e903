"""A file that holds a SEG or an RTSTRUCT: what it refers to, and its regions as labels on the slices of a series."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pydicom
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pipeline.dicom.masks.rtstruct import read_structures
from pipeline.dicom.masks.seg import read_segmentation
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, RegionChoice, name_region
from pipeline.masks.grid import MaskMismatchError, SourceGrid
from pipeline.masks.links import References
from pipeline.sources.files import open_at_hand
from pipeline.vocabulary import MaskReason

DATES = (
    ("StructureSetDate", "StructureSetTime"),
    ("ContentDate", "ContentTime"),
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("SeriesDate", "SeriesTime"),
)
"""Where an object says when it was made, the best first."""

Reader = Callable[[Any, SourceGrid, RegionChoice, Limits], DrawnMask | None]

_READERS: dict[str, Reader] = {"SEG": read_segmentation, "RTSTRUCT": read_structures}

FILE_SHARE = 0.5
"""Of the memory that a series may take, a file may take this share while it is read."""


def open_object(file: str | os.PathLike[str] | BinaryIO, *, with_pixels: bool = True) -> Any:
    """Return a data set, also of a file without preamble or meta information; then it says how it is encoded.

    Raises what pydicom raises for a damaged file, ValueError for one that does not say what it is.
    """
    with warnings.catch_warnings():  # pydicom's quote values, which may name a person
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(file, force=True, stop_before_pixels=not with_pixels)
    if not (dataset.get("Modality") or dataset.get("SOPClassUID")):
        msg = "it does not say what it is"
        raise ValueError(msg)
    if "TransferSyntaxUID" not in dataset.file_meta:
        is_implicit, is_little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit
    return dataset


def read_references(place: str, limits: Limits) -> References:
    """Return what a mask object refers to; one that cannot be read says so."""
    try:
        with open_at_hand(place) as path, warnings.catch_warnings():
            if os.stat(path).st_size > limits.max_file_mb * 2**20:  # noqa: PTH116  made of text
                return References(unread=MaskReason.TOO_LARGE)
            warnings.simplefilter("ignore")
            return _describe(open_object(path, with_pixels=False))
    except Exception:  # noqa: BLE001  damaged objects raise errors of any kind
        return References(unread=MaskReason.UNREADABLE)


def _describe(dataset: Any) -> References:
    return References(
        series_uids=_unique(_iterate_series(dataset)),
        image_uids=_unique(_iterate_listed_images(dataset)) or _unique(_iterate_source_images(dataset)),
        frame_uids=_unique(_iterate_frames(dataset)),
        regions=_unique(_iterate_names(dataset)),
        made=_find_date(dataset),
    )


def _unique(values: Iterable[Any]) -> tuple[str, ...]:
    """Return the values once each, without empty ones, in order."""
    return tuple(sorted({text for value in values if (text := str(value or "").strip(" \0"))}))


def _items(dataset: Any, *keywords: str) -> Iterator[Any]:
    """Yield the items of a sequence, of one within each of its items, and so on."""
    if not keywords:
        yield dataset
        return
    for item in dataset.get(keywords[0]) or ():
        yield from _items(item, *keywords[1:])


RT_SERIES = ("ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence", "RTReferencedSeriesSequence")


def _iterate_series(dataset: Any) -> Iterator[Any]:
    for keywords in (RT_SERIES, ("ReferencedSeriesSequence",)):
        for item in _items(dataset, *keywords):
            yield item.get("SeriesInstanceUID")


def _iterate_listed_images(dataset: Any) -> Iterator[Any]:
    """Yield the images that an object lists for a whole series."""
    for keywords in ((*RT_SERIES, "ContourImageSequence"), ("ReferencedSeriesSequence", "ReferencedInstanceSequence")):
        for item in _items(dataset, *keywords):
            yield item.get("ReferencedSOPInstanceUID")


SOURCE_IMAGES = (
    ("ROIContourSequence", "ContourSequence", "ContourImageSequence"),
    ("PerFrameFunctionalGroupsSequence", "DerivationImageSequence", "SourceImageSequence"),
    ("SharedFunctionalGroupsSequence", "DerivationImageSequence", "SourceImageSequence"),
    ("SourceImageSequence",),
    ("ReferencedImageSequence",),
)
"""Where an object names the image that a contour or a frame was drawn on."""


def _iterate_source_images(dataset: Any) -> Iterator[Any]:
    for keywords in SOURCE_IMAGES:
        for item in _items(dataset, *keywords):
            yield item.get("ReferencedSOPInstanceUID")


def _iterate_frames(dataset: Any) -> Iterator[Any]:
    yield dataset.get("FrameOfReferenceUID")
    for item in _items(dataset, "ReferencedFrameOfReferenceSequence"):
        yield item.get("FrameOfReferenceUID")
    for item in _items(dataset, "StructureSetROISequence"):
        yield item.get("ReferencedFrameOfReferenceUID")


def _iterate_names(dataset: Any) -> Iterator[Any]:
    for item in _items(dataset, "StructureSetROISequence"):
        yield name_region(item.get("ROIName"), item.get("ROINumber"))
    for item in _items(dataset, "SegmentSequence"):
        yield name_region(item.get("SegmentLabel"), item.get("SegmentNumber"))


def _find_date(dataset: Any) -> str:
    """Return when an object was made, as digits that sort; empty where it does not say."""
    for date, time in DATES:
        day = "".join(filter(str.isdigit, str(dataset.get(date) or "")))
        if len(day) == 8:
            whole, _, part = str(dataset.get(time) or "").partition(".")
            return day + "".join(filter(str.isdigit, whole)).ljust(6, "0") + part.strip().ljust(6, "0")
    return ""


def read_mask(
    place: str | os.PathLike[str],
    kind: Literal["SEG", "RTSTRUCT"],
    grid: SourceGrid,
    choice: RegionChoice,
    limits: Limits,
) -> DrawnMask | None:
    """Return the mask of a file that belongs to the series; None where it holds no region that is wanted.

    Raises MaskMismatchError where it does not lie on the slices or cannot be read.
    """
    try:
        with open_at_hand(os.fspath(place)) as path, warnings.catch_warnings():  # pydicom's quote values
            _require_size(Path(path), limits)
            warnings.simplefilter("ignore")
            return _READERS[kind](open_object(path), grid, choice, limits)
    except MaskMismatchError:
        raise
    except MemoryError as error:
        msg = f"there is not enough memory to read the {kind}"
        raise MaskMismatchError(msg, MaskReason.TOO_LARGE) from error
    except Exception as error:  # damaged objects raise errors of any kind
        msg = f"the {kind} cannot be read ({type(error).__name__})"
        raise MaskMismatchError(msg, MaskReason.UNREADABLE) from error


def _require_size(path: Path, limits: Limits) -> None:
    """Refuse a file that is over the limit, or that would take more than FILE_SHARE of what a series may."""
    n_mb = path.stat().st_size / 2**20
    if n_mb > limits.max_file_mb:
        msg = f"the file is larger than max_file_mb {limits.max_file_mb}"
        raise MaskMismatchError(msg, MaskReason.TOO_LARGE)
    if n_mb > limits.series_memory_mb * FILE_SHARE:
        msg = f"the file is larger than half of series_memory_mb {limits.series_memory_mb}"
        raise MaskMismatchError(msg, MaskReason.TOO_LARGE)
