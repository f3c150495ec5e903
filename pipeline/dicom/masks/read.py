"""A file that holds a SEG or an RTSTRUCT to labels on the slices of the series that it belongs to."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pipeline.dicom.masks.references import open_object
from pipeline.dicom.masks.rtstruct import read_structures
from pipeline.dicom.masks.seg import read_segmentation
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, RegionChoice
from pipeline.masks.grid import MaskMismatchError, SourceGrid
from pipeline.vocabulary import MaskReason

Reader = Callable[[Any, SourceGrid, RegionChoice, Limits], DrawnMask | None]

_READERS: dict[str, Reader] = {"SEG": read_segmentation, "RTSTRUCT": read_structures}

FILE_SHARE = 0.5
"""Of the memory that a series may take, a file may take this share while it is read."""


def read_mask(
    path: Path, kind: Literal["SEG", "RTSTRUCT"], grid: SourceGrid, choice: RegionChoice, limits: Limits
) -> DrawnMask | None:
    """Return the mask of a file that belongs to the series; None where it holds no region that is wanted.

    Raises MaskMismatchError where it does not lie on the slices or cannot be read.
    """
    try:
        _require_size(path, limits)
        with warnings.catch_warnings():  # pydicom's quote values
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
