"""DICOM segmentations read by highdicom."""

import weakref
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread


def read_segmentation(source: Path | BinaryIO) -> Any:
    """Read a DICOM SEG; the database that highdicom keeps of its frames is closed when nobody holds it any more."""
    from highdicom.seg import Segmentation

    found = Segmentation.from_dataset(dcmread(source), copy=False)
    weakref.finalize(found, found._db_con.close)
    return found
