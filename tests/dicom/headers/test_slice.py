import pytest
from headers import SOUND, changed, series_of, slice_at

from pipeline.dicom.headers.slice import CT_CLASSES, CT_IMAGE, ENHANCED_CT_IMAGE, SCREENS, Pixels

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


@pytest.mark.parametrize("sop_class", sorted(CT_CLASSES))
@pytest.mark.parametrize("modality", ["CT", ""])
def test_a_ct_class_is_ct_unless_its_modality_says_otherwise(sop_class: str, modality: str) -> None:
    assert changed(SOUND, identity={"sop_class_uid": sop_class, "modality": modality}).is_ct
    assert not changed(SOUND, identity={"sop_class_uid": sop_class, "modality": "MR"}).is_ct


@pytest.mark.parametrize(("modality", "expected"), [("CT", True), ("", False), ("MR", False)])
def test_without_a_class_the_modality_decides(modality: str, *, expected: bool) -> None:
    assert changed(SOUND, identity={"sop_class_uid": "", "modality": modality}).is_ct is expected


def test_another_class_is_no_ct_whatever_its_modality_says() -> None:
    assert not changed(SOUND, identity={"sop_class_uid": MR_IMAGE}).is_ct


@pytest.mark.parametrize("word", sorted(SCREENS))
def test_a_page_of_text_is_no_ct(word: str) -> None:
    assert not changed(SOUND, identity={"image_type": ("DERIVED", "SECONDARY", word)}).is_ct


@pytest.mark.parametrize(
    ("image_type", "expected"),
    [
        (("ORIGINAL", "PRIMARY", "LOCALIZER"), True),
        (("ORIGINAL", "PRIMARY", "AXIAL", "LOCALIZER"), True),
        (("LOCALIZER", "PRIMARY", "AXIAL"), False),
        (("ORIGINAL", "PRIMARY", "AXIAL"), False),
        ((), False),
    ],
)
def test_a_localizer_says_so_from_the_third_value_on(image_type: tuple[str, ...], *, expected: bool) -> None:
    assert changed(SOUND, identity={"image_type": image_type}).is_localizer is expected


def test_the_images_of_a_series_are_its_ct_slices_that_are_no_localizers() -> None:
    localizer = slice_at(1, identity={"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")})
    report = slice_at(2, identity={"sop_class_uid": MR_IMAGE})
    series = series_of(slice_at(0), localizer, report, slice_at(3))
    assert series.images == (series.slices[0], series.slices[3])


@pytest.mark.parametrize(("bits", "samples", "expected"), [(16, 1, 24), (32, 1, 48), (8, 3, 36), (16, 0, 24)])
def test_a_native_frame_has_rows_times_columns_values(bits: int, samples: int, expected: int) -> None:
    assert Pixels(rows=3, columns=4, samples=samples, bits_allocated=bits).frame_bytes == expected


def test_multi_frame_objects_are_ct() -> None:
    assert {CT_IMAGE, ENHANCED_CT_IMAGE} < CT_CLASSES
