from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from masked import grid, marked, segments
from pydicom.uid import RLELossless

from pipeline.dicom.masks.seg import read_segmentation
from pipeline.geometry import Zyx
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, RegionChoice
from pipeline.masks.grid import Labels, MaskMismatchError, SourceGrid
from pipeline.vocabulary import SeriesWarning

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


def mask_of(dataset: Any, source: SourceGrid, choice: RegionChoice) -> DrawnMask:
    mask = read_segmentation(dataset, source, choice, Limits())
    assert mask is not None
    return mask


def test_frames_that_begin_within_a_byte_are_unpacked() -> None:
    source = replace(grid(5), shape=Zyx(5, 5, 7))
    one, other = marked(source, 3) > 0, marked(source, 4) > 0
    mask = mask_of(segments(source, {"a": one, "b": other}), source, RegionChoice(layers=True))
    np.testing.assert_array_equal(mask.labels, np.stack([one, other]))


def test_compressed_frames_are_decoded_one_by_one() -> None:
    source = grid()
    dataset = segments(source, {"liver": LIVER, "tumour": TUMOUR}, "FRACTIONAL")
    dataset["PixelData"].VR = "OB"
    dataset.compress(RLELossless, encoding_plugin="pydicom")
    np.testing.assert_array_equal(mask_of(dataset, source, RegionChoice()).labels, np.where(TUMOUR, 2, LIVER))


def test_the_smaller_segment_lies_on_top_and_the_loss_is_counted() -> None:
    source = grid()
    body, tumour = np.ones(source.shape, bool), TUMOUR
    mask = mask_of(segments(source, {"tumour": tumour, "body": body}), source, RegionChoice())
    np.testing.assert_array_equal(mask.labels, np.where(tumour, 1, 2))
    assert [(one.n_used, one.n_voxels, one.n_lost) for one in mask.regions] == [
        (4, tumour.sum(), 0),
        (4, body.sum(), tumour.sum()),
    ]
    assert mask.warnings == {SeriesWarning.W_LABEL_OVERLAP}


def test_a_pixel_that_is_half_in_a_fractional_segment_belongs_to_it() -> None:
    source = grid()
    dataset = segments(source, {"liver": LIVER}, "FRACTIONAL")
    for value, is_marked in ((99, False), (100, True)):
        dataset.PixelData = (LIVER[::-1] * value).astype(np.uint8).tobytes()
        assert mask_of(dataset, source, RegionChoice()).labels.any() == is_marked


def test_segments_on_every_second_slice_are_sparse() -> None:
    source = grid(7)
    every_second = np.zeros(source.shape, bool)
    every_second[::2, 1:4, 1:4] = True
    mask = mask_of(segments(source, {"a": every_second}), source, RegionChoice())
    assert mask.warnings == {SeriesWarning.W_LABEL_SPARSE}


def test_a_frame_on_a_slice_that_is_missing_from_the_scan_is_kept_for_its_plane() -> None:
    whole = grid(5)
    full = np.zeros(whole.shape, bool)
    full[1:4, 1:4, 1:4] = True
    kept = [0, 1, 3, 4]
    gappy = replace(whole, shape=Zyx(4, 6, 8), corners=whole.corners[kept], missing={2: whole.corners[2]})
    mask = mask_of(segments(whole, {"a": full}), gappy, RegionChoice())
    np.testing.assert_array_equal(mask.labels, full[kept])
    np.testing.assert_array_equal(mask.between[2], full[2])


def test_pixel_data_that_is_too_short_is_refused() -> None:
    source = grid()
    dataset = segments(source, {"liver": LIVER})
    dataset.PixelData = dataset.PixelData[:-4]
    with pytest.raises(MaskMismatchError, match="too short for 4 frames"):
        read_segmentation(dataset, source, RegionChoice(), Limits())
