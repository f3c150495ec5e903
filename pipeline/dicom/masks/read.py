"""A file that holds a SEG or an RTSTRUCT to labels on the slices of the series that it refers to."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pydicom

from pipeline.dicom.masks.rtstruct import find_structure_series, read_structures
from pipeline.dicom.masks.seg import find_segmentation_series, read_segmentation
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, RegionChoice
from pipeline.masks.grid import MaskMismatchError, SourceGrid
from pipeline.vocabulary import MaskReason

Reader = Callable[[Any, SourceGrid, RegionChoice, Limits], DrawnMask | None]

_READERS: dict[str, tuple[Callable[[Any], set[str]], Reader]] = {
    "SEG": (find_segmentation_series, read_segmentation),
    "RTSTRUCT": (find_structure_series, read_structures),
}


def read_mask(
    path: Path, kind: Literal["SEG", "RTSTRUCT"], grid: SourceGrid, choice: RegionChoice, limits: Limits
) -> DrawnMask | None:
    """Return a file's mask; None where the file refers to another series, or holds no region that is wanted.

    Raises MaskMismatchError where it refers to this series, and does not lie on its slices or cannot be read.
    """
    series_of, read = _READERS[kind]
    try:
        _require_size(path, limits)
        with warnings.catch_warnings():  # pydicom's quote values
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            return read(dataset, grid, choice, limits) if grid.series_uid in series_of(dataset) else None
    except MaskMismatchError:
        raise
    except Exception as error:  # damaged objects raise errors of any kind
        msg = f"the {kind} cannot be read ({type(error).__name__})"
        raise MaskMismatchError(msg, MaskReason.UNREADABLE) from error


def _require_size(path: Path, limits: Limits) -> None:
    if path.stat().st_size > limits.max_file_mb * 2**20:
        msg = f"the file is larger than max_file_mb {limits.max_file_mb}"
        raise MaskMismatchError(msg, MaskReason.TOO_LARGE)
