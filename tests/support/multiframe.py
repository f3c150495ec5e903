"""A multi-frame object for tests: the slices of a written series, joined as an Enhanced CT would hold them."""

from collections.abc import Sequence
from pathlib import Path

import pydicom
from phantoms import Series
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage

MACROS = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),
}
"""Which macro holds which elements (DICOM PS3.3 A.38.1.4)."""


def join_frames(
    series: Series, path: Path, order: Sequence[int], shared: Sequence[str] = ("PixelMeasuresSequence",)
) -> Path:
    """Write the slices of a native series as frames in the order told; macros are shared or a frame's own."""
    slices = [pydicom.dcmread(series.paths[z]) for z in order]
    whole = pydicom.dcmread(series.paths[0])
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    whole.NumberOfFrames = len(slices)
    whole.PixelData = b"".join(each.PixelData for each in slices)
    whole.SharedFunctionalGroupsSequence = [_group(slices[0], shared)]
    own = [name for name in MACROS if name not in shared]
    whole.PerFrameFunctionalGroupsSequence = [_group(each, own) for each in slices]
    for keyword in (keyword for keywords in MACROS.values() for keyword in keywords):
        del whole[keyword]
    whole.save_as(path)
    return path


def _group(dataset: Dataset, macros: Sequence[str]) -> Dataset:
    group = Dataset()
    for name in macros:
        macro = Dataset()
        for keyword in MACROS[name]:
            macro[keyword] = dataset[keyword]
        setattr(group, name, [macro])
    return group
