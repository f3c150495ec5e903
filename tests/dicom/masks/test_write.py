from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import phantoms
import pytest
from multiframe import join_frames
from pydicom import Dataset
from segmentations import read_segmentation

from pipeline.errors import UsageError

pytest.importorskip("highdicom", reason="needs the extra seg")

from pipeline.dicom.masks.write import SourceImage, build_segmentation


def sources(folder: Path, **wanted: Any) -> list[SourceImage]:
    return [SourceImage(str(path)) for path in phantoms.write_series(folder / "series", n=4, **wanted).paths]


def opened(content: bytes) -> Any:
    return read_segmentation(BytesIO(content))


def test_every_value_is_a_segment(tmp_path: Path) -> None:
    labels = np.zeros((4, 32, 32), np.uint16)
    labels[1, 2, 3], labels[2, 4:6, 7] = 40, 7
    found = opened(build_segmentation(sources(tmp_path), labels))
    assert [found.get_segment_description(n).segment_label for n in (1, 2)] == ["label 7", "label 40"]
    assert found.NumberOfFrames == 2


def test_the_patients_name_is_not_in_a_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    build_segmentation(sources(tmp_path), np.ones((4, 32, 32), np.uint8))
    assert [str(warning.message) for warning in recwarn if "ANON" in str(warning.message)] == []


def test_what_may_be_empty_may_lack(tmp_path: Path) -> None:
    def strip(dataset: Dataset, _z: int) -> None:
        for keyword in ("PatientName", "PatientBirthDate", "AccessionNumber", "StudyTime"):
            delattr(dataset, keyword)

    found = opened(build_segmentation(sources(tmp_path, change=strip), np.ones((4, 32, 32), np.uint8)))
    assert found.PatientName == ""


def test_the_object_is_named_by_the_file_meta_information_where_the_header_does_not(tmp_path: Path) -> None:
    def blank(dataset: Dataset, _: int) -> None:
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.SOPClassUID = dataset.SOPInstanceUID = ""

    labels = np.ones((4, 32, 32), np.uint8)
    found = opened(build_segmentation(sources(tmp_path, change=blank), labels))
    (series,) = found.ReferencedSeriesSequence
    assert len({one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence}) == 4


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"])
def test_an_empty_element_of_type_1_is_refused_by_its_name(tmp_path: Path, keyword: str) -> None:
    def blank(dataset: Dataset, _: int) -> None:
        setattr(dataset, keyword, "")

    with pytest.raises(UsageError, match=f"have no {keyword}: "):
        build_segmentation(sources(tmp_path, change=blank), np.ones((4, 32, 32), np.uint8))


def test_sources_without_a_frame_of_reference_are_refused(tmp_path: Path) -> None:
    def strip(dataset: Dataset, _z: int) -> None:
        del dataset.FrameOfReferenceUID

    with pytest.raises(UsageError, match="have no FrameOfReferenceUID"):
        build_segmentation(sources(tmp_path, change=strip), np.ones((4, 32, 32), np.uint8))


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the mask is empty"):
        build_segmentation(sources(tmp_path), np.zeros((4, 32, 32), np.uint8))


def test_frames_of_one_object_are_told_in_their_own_order(tmp_path: Path) -> None:
    shared = ["PixelMeasuresSequence", "PlaneOrientationSequence"]
    series = phantoms.write_series(tmp_path / "series", n=4)
    path = join_frames(series, tmp_path / "enhanced.dcm", (2, 0, 3, 1), shared)
    labels = np.zeros((4, 32, 32), np.uint8)
    labels[0, 5, 6], labels[3, 7, 8] = 1, 1
    in_order = [SourceImage(str(path), frame) for frame in (2, 4, 1, 3)]
    found = opened(build_segmentation(in_order, labels))
    places = [
        float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        for group in found.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(places) == [-100.0, -92.5]
    lowest = found.pixel_array[places.index(-100.0)]
    assert np.argwhere(lowest).tolist() == [[5, 6]]


def test_several_objects_of_many_frames_are_refused(tmp_path: Path) -> None:
    images = [SourceImage(image.path, 1) for image in sources(tmp_path)]
    with pytest.raises(UsageError, match="several multi-frame objects"):
        build_segmentation(images, np.ones((4, 32, 32), np.uint8))
