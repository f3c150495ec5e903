from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from dicom_bytes import found_file, read_element, us
from multiframe import MACROS, join_frames
from phantoms import write_series
from pydicom.dataset import Dataset

from pipeline.dicom.files.encoding import Element
from pipeline.dicom.files.values import Flaw, tag_of
from pipeline.dicom.headers.parts import split_frames
from pipeline.dicom.headers.read import read_headers
from pipeline.dicom.headers.slice import ENHANCED_CT_IMAGE, SliceHeader
from pipeline.limits import Limits
from pipeline.vocabulary import Reason

Elements = dict[int, Element]
LIMITS = Limits()


def elements(*each: Element) -> Elements:
    return {element.tag: element for element in each}


def sequence(keyword: str, *items: Elements) -> Element:
    return Element(tag_of(keyword), "SQ", 0, 0, items=items)


def rescale(intercept: bytes) -> Element:
    """Make a macro that holds one element."""
    return sequence("PixelValueTransformationSequence", elements(read_element("RescaleIntercept", intercept)))


def shared(*macros: Element) -> Element:
    return sequence("SharedFunctionalGroupsSequence", elements(*macros))


def per_frame(*groups: Elements) -> Element:
    return sequence("PerFrameFunctionalGroupsSequence", *groups)


def intercepts(*each: Element) -> list[bytes]:
    tag = tag_of("RescaleIntercept")
    return [frame[tag].value if tag in frame else b"" for frame in split_frames(elements(*each))]


def test_without_functional_groups_there_are_no_frames() -> None:
    assert split_frames(elements(read_element("Rows", us(4)))) == []
    assert split_frames(elements(shared(rescale(b"-1024")))) == []


def test_a_shared_group_speaks_for_every_frame() -> None:
    assert intercepts(shared(rescale(b"-1024")), per_frame({}, {}, {})) == [b"-1024"] * 3


def test_a_frame_s_own_group_wins_over_the_shared_one_and_both_over_the_top() -> None:
    top = read_element("RescaleIntercept", b"1")
    own = elements(rescale(b"3"))
    assert intercepts(top, shared(rescale(b"2")), per_frame({}, own)) == [b"2", b"3"]
    assert intercepts(top, per_frame({}, own)) == [b"1", b"3"]


def test_frames_keep_what_stands_at_the_top() -> None:
    rows = read_element("Rows", us(4))
    (frame,) = split_frames(elements(rows, per_frame(elements(rescale(b"0")))))
    assert frame[rows.tag] == rows


def test_empty_groups_and_macros_say_nothing() -> None:
    empty = sequence("PixelValueTransformationSequence")
    assert intercepts(sequence("SharedFunctionalGroupsSequence"), per_frame(elements(empty))) == [b""]
    assert intercepts(shared(rescale(b"2")), per_frame(elements(empty))) == [b"2"]


@pytest.mark.parametrize(
    "shared", [(), ("PixelMeasuresSequence",), [name for name in MACROS if "Position" not in name]]
)
def test_frames_are_read_as_slices_wherever_their_elements_stand(tmp_path: Path, shared: tuple[str, ...]) -> None:
    series = write_series(tmp_path / "series", n=4)
    path = join_frames(series, tmp_path / "enhanced", order=(2, 0, 3, 1), shared=shared)
    frames = read_headers(found_file(path), LIMITS, frozenset())
    assert [frame.frame for frame in frames] == [frame.instance_number for frame in frames] == [1, 2, 3, 4]
    assert [frame.plane.position.z for frame in frames if frame.plane.position] == [-95.0, -100.0, -92.5, -97.5]
    assert {frame.identity.sop_class_uid for frame in frames} == {ENHANCED_CT_IMAGE}
    assert [frame.flaws for frame in frames] == [{}] * 4
    assert {(frame.rescale.slope, frame.rescale.intercept, frame.plane.row_spacing) for frame in frames} == {
        (1, -1024, 0.8)
    }


def spoilt_frames(folder: Path, spoil: Callable[[Dataset], None], limits: Limits = LIMITS) -> SliceHeader:
    """Join three slices, spoil the object, and return the header of its first frame."""
    path = join_frames(write_series(folder / "series", n=3), folder / "enhanced", order=(0, 1, 2))
    dataset = pydicom.dcmread(path)
    spoil(dataset)
    dataset.save_as(path)
    first, *_ = read_headers(found_file(path), limits, frozenset())
    return first


def test_a_multi_frame_object_without_functional_groups_is_refused(tmp_path: Path) -> None:
    def spoil(dataset: Dataset) -> None:
        del dataset.PerFrameFunctionalGroupsSequence

    refused = spoilt_frames(tmp_path, spoil)
    assert refused.refusal == (Reason.MULTIFRAME, "functional groups describe 0 of 3 frames")


def test_a_group_for_every_frame_is_needed(tmp_path: Path) -> None:
    refused = spoilt_frames(tmp_path, lambda dataset: setattr(dataset, "NumberOfFrames", 4))
    assert refused.refusal == (Reason.MULTIFRAME, "functional groups describe 3 of 4 frames")


def test_an_empty_functional_group_leaves_its_elements_missing(tmp_path: Path) -> None:
    def spoil(dataset: Dataset) -> None:
        dataset.PerFrameFunctionalGroupsSequence[0].PlaneOrientationSequence = []

    assert spoilt_frames(tmp_path, spoil).flaws == {"ImageOrientationPatient": Flaw.MISSING}


def test_more_frames_than_slices_may_be_are_over_the_limit(tmp_path: Path) -> None:
    refused = spoilt_frames(tmp_path, lambda _: None, Limits(max_slices=2))
    assert refused.refusal == (Reason.LIMIT, "3 frames are over max_slices 2")
    bomb = spoilt_frames(tmp_path, lambda dataset: setattr(dataset, "NumberOfFrames", 2147483647))
    assert bomb.refusal is not None
    assert bomb.refusal[0] is Reason.LIMIT
