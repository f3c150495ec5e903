"""Single slices joined into one Enhanced CT object (DICOM PS3.3 A.38)."""

from collections.abc import Sequence
from pathlib import Path

from phantoms import uid
from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedCTImageStorage

PER_SLICE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope")
TOP_LEVEL_NO_MORE = (*PER_SLICE, "RescaleIntercept", "RescaleType", "SliceLocation", "SpacingBetweenSlices")


def as_enhanced(paths: Sequence[Path], target: Path) -> None:
    """Join slices, given lowest first, into one object whose frames are out of order; the files are removed."""
    slices = [dcmread(path) for path in paths]
    order = [*range(0, len(slices), 2), *range(1, len(slices), 2)]
    whole = dcmread(paths[0])
    for keyword in TOP_LEVEL_NO_MORE:
        del whole[keyword]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = uid("enhanced")
    whole.NumberOfFrames = len(slices)
    whole.ContentDate, whole.ContentTime = "20200102", "101500"
    whole.PixelData = b"".join(slices[k].PixelData for k in order)
    whole.SharedFunctionalGroupsSequence = [shared_groups(slices[0])]
    whole.PerFrameFunctionalGroupsSequence = [frame_groups(slices[k], k) for k in order]
    dimensions = Dataset()
    dimensions.DimensionOrganizationUID = uid("dimensions")
    whole.DimensionOrganizationSequence = [dimensions]
    index = Dataset()
    index.DimensionOrganizationUID = dimensions.DimensionOrganizationUID
    index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00200032, 0x00209113
    whole.DimensionIndexSequence = [index]
    for path in paths:
        path.unlink()
    whole.save_as(target)


def shared_groups(source: Dataset) -> Dataset:
    """Return what all frames have in common."""
    groups, orientation, measures, values, kind = (Dataset() for _ in range(5))
    orientation.ImageOrientationPatient = source.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = source.PixelSpacing, source.SliceThickness
    measures.SpacingBetweenSlices = source.SpacingBetweenSlices
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = (
        source.RescaleSlope,
        source.RescaleIntercept,
        "HU",
    )
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    kind.PixelPresentation, kind.VolumetricProperties, kind.VolumeBasedCalculationTechnique = (
        "MONOCHROME",
        "VOLUME",
        "NONE",
    )
    groups.PlaneOrientationSequence, groups.PixelMeasuresSequence = [orientation], [measures]
    groups.PixelValueTransformationSequence, groups.CTImageFrameTypeSequence = [values], [kind]
    return groups


def frame_groups(source: Dataset, z: int) -> Dataset:
    """Return what one frame has of its own: its place."""
    groups, position, content = (Dataset() for _ in range(3))
    position.ImagePositionPatient = source.ImagePositionPatient
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", z + 1, [z + 1]
    groups.PlanePositionSequence, groups.FrameContentSequence = [position], [content]
    return groups
