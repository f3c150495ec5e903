from typing import Any

import numpy as np
import pytest
from masked import grid, marked, segments

from pipeline.dicom.masks.seg import read_segmentation
from pipeline.limits import Limits
from pipeline.masks.drawn import RegionChoice
from pipeline.masks.grid import Labels, MaskMismatchError, SourceGrid

LIVER, TUMOUR = marked(grid(), 1) > 0, marked(grid(), 2) > 0


def labels_of(dataset: Any, source: SourceGrid, roi: str | None) -> Labels | None:
    mask = read_segmentation(dataset, source, RegionChoice(roi), Limits())
    return None if mask is None else mask.labels


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("tilt", [0.0, 1.3])
def test_frames_lie_on_the_slices_that_they_name_in_any_order(kind: str, tilt: float) -> None:
    source = grid(tilt=tilt)
    found = labels_of(segments(source, {"liver": LIVER, "tumour": TUMOUR}, kind), source, None)
    np.testing.assert_array_equal(found, np.where(TUMOUR, 2, LIVER))


def test_segments_are_chosen_by_their_labels_and_keep_their_numbers() -> None:
    source = grid()
    dataset = segments(source, {"liver": LIVER, "tumour": TUMOUR})
    np.testing.assert_array_equal(labels_of(dataset, source, "tum"), TUMOUR * 2)
    assert labels_of(dataset, source, "kidney") is None


def test_a_map_of_labels_is_read_as_it_is() -> None:
    source = grid()
    dataset = segments(source, {"a": LIVER, "b": TUMOUR}, "FRACTIONAL")
    labels = marked(source, 3, 3)
    dataset.SegmentationType, dataset.NumberOfFrames = "LABELMAP", 4
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:4]
    dataset.PixelData = labels[::-1].tobytes()
    np.testing.assert_array_equal(labels_of(dataset, source, None), labels)
    np.testing.assert_array_equal(labels_of(dataset, source, "b"), np.where(labels == 2, 2, 0))


def other_size(source: SourceGrid, dataset: Any) -> None:
    del source
    dataset.Columns = 9


def other_spacing(source: SourceGrid, dataset: Any) -> None:
    del source
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.9, 0.75]


def turned(source: SourceGrid, dataset: Any) -> None:
    plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [*-source.row, *source.column]


def moved(source: SourceGrid, dataset: Any) -> None:
    plane = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    plane.ImagePositionPatient = list(source.corners[3] + [0, 0, 1.0])


def in_another_frame(source: SourceGrid, dataset: Any) -> None:
    del source
    dataset.FrameOfReferenceUID = "9.9"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_size, "frames of the SEG are 6 x 9"),
        (other_spacing, "another pixel spacing"),
        (turned, "turned against the slices"),
        (moved, r"1\.00 mm from the nearest slice"),
        (in_another_frame, "another frame of reference"),
    ],
)
def test_what_does_not_lie_on_the_slices_is_refused(change: Any, message: str) -> None:
    source = grid()
    dataset = segments(source, {"liver": LIVER})
    change(source, dataset)
    with pytest.raises(MaskMismatchError, match=message):
        labels_of(dataset, source, None)
