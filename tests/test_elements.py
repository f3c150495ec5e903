import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.elements import Observation, canonical, kind_of, list_required_elements


@pytest.mark.parametrize(
    ("raw", "vr", "expected"),
    [
        ("1.000000", "DS", "1"),
        (" -0.0 ", "DS", "0"),
        ("+1e3", "DS", "1000"),
        ("1.0\\0\\-0", "DS", "1\\0\\0"),
        ("1.000244", "DS", "1.000244"),
        ("00350", "IS", "350"),
        ("nan", "DS", "nan"),
        ("A  \\ B", "CS", "A\\B"),
        ("", "DS", ""),
    ],
)
def test_a_value_has_one_canonical_spelling(raw: str, vr: str, expected: str) -> None:
    assert canonical(raw, vr) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_canonical_number_is_the_number_and_its_own_canonical_spelling(value: float) -> None:
    spelled = canonical(repr(value), "DS")
    assert float(spelled) == value
    assert canonical(spelled, "DS") == spelled


def test_the_parts_of_an_observation_follow_the_whole() -> None:
    whole = Observation("0008,0008", "ImageType", "CS", "A \\B", "A\\B", has_parts=True)
    assert [(one.keyword, one.raw, one.canonical) for one in whole.with_parts()][1:] == [
        ("ImageType[1]", "A ", "A"),
        ("ImageType[2]", "B", "B"),
    ]
    long = whole._replace(raw="\\" * 20, canonical="\\" * 20)
    assert list(long.with_parts()) == [long]
    assert len(list(whole._replace(has_parts=False).with_parts())) == 1


def test_only_a_number_of_a_numeric_representation_is_a_number() -> None:
    assert Observation("", "KVP", "DS", "120.0", "120").number == 120
    assert Observation("", "PatientID", "LO", "120", "120").number is None
    assert Observation("", "KVP", "DS", "1\\2", "1\\2").number is None


@pytest.mark.parametrize(
    ("keyword", "module", "type_"),
    [
        ("ImageType", "CT Image", "1"),
        ("ImageType[3]", "CT Image", "1"),
        ("KVP", "CT Image", "2"),
        ("PatientID", "Patient", "2"),
        ("PixelSpacing", "Image Plane", "1"),
        ("ReferencedImageSequence.ReferencedSOPInstanceUID", "General Reference", "1"),
    ],
)
def test_an_element_has_its_place_in_the_standard(keyword: str, module: str, type_: str) -> None:
    kind = kind_of(keyword)
    assert kind is not None
    assert (kind.module, kind.type) == (module, type_)


def test_what_the_standard_does_not_name_has_no_place() -> None:
    assert kind_of("private:ACME:0029,10") is None


def test_every_ct_image_must_have_some_twenty_elements() -> None:
    required = list_required_elements()
    assert {"Rows", "SOPInstanceUID", "RescaleSlope"} <= set(required)
    assert not any("." in keyword for keyword in required)
