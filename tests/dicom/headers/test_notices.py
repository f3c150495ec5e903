import pytest
from dicom_bytes import read_element, values

from pipeline.dicom.headers.parts import Reader, read_identity
from pipeline.dicom.headers.read import check_element, check_keywords, check_uids, is_uid
from pipeline.vocabulary import SeriesWarning

SOUND = {
    "PatientID": b"P-1",
    "StudyInstanceUID": b"1.2",
    "SeriesInstanceUID": b"1.2.3\0",
    "SOPInstanceUID": b"1.2.3.4\0",
}


def warnings(vr: str | None = None, **changes: bytes | None) -> set[SeriesWarning]:
    """Return the warnings of a sound header with other elements; None takes one out."""
    told = SOUND | changes
    read = values(
        *(read_element(word, raw, vr if word in changes else None) for word, raw in told.items() if raw is not None)
    )
    each = (check_element(element, read.encodings)[0] for element in read.elements.values())
    reader = Reader(read)
    return {*check_keywords(reader).union(check_uids(read_identity(reader)), *each)}


def test_a_sound_header_gives_no_cause() -> None:
    assert warnings() == set()


@pytest.mark.parametrize(
    ("keyword", "raw", "warning"),
    [
        ("PatientID", None, SeriesWarning.W_ID_MISSING),
        ("PatientID", b"  ", SeriesWarning.W_ID_MISSING),
        ("StudyInstanceUID", None, SeriesWarning.W_UID_INVALID),
        ("SeriesInstanceUID", b"../../etc", SeriesWarning.W_UID_INVALID),
        ("SOPInstanceUID", b"", SeriesWarning.W_UID_INVALID),
        ("LossyImageCompression", b"01", SeriesWarning.W_LOSSY),
        ("PhotometricInterpretation", b"MONOCHROME1 ", SeriesWarning.W_MONOCHROME1),
        ("BurnedInAnnotation", b"YES ", SeriesWarning.W_BURNED_IN),
        ("KVP", b"abc", SeriesWarning.W_TAG_UNPARSED),
        ("XRayTubeCurrent", b"1e999", SeriesWarning.W_TAG_UNPARSED),
        ("StudyDate", b"20231301", SeriesWarning.W_TAG_UNPARSED),
        ("StudyDate", b"00000000", SeriesWarning.W_TAG_UNPARSED),
        ("StudyDate", b"=1+1", SeriesWarning.W_TAG_UNPARSED),
        ("PatientBirthDate", b"unknown ", SeriesWarning.W_TAG_UNPARSED),
        ("ContentTime", b"256000", SeriesWarning.W_TAG_UNPARSED),
        ("AcquisitionDateTime", b"20230230120000", SeriesWarning.W_TAG_UNPARSED),
        ("SeriesDescription", b"M\xfcller", SeriesWarning.W_CHARSET),
        ("SeriesDescription", b"=cmd|' /C calc'!A0", SeriesWarning.W_TEXT_SANITISED),
        ("PatientID", b"a\\b", SeriesWarning.W_TEXT_SANITISED),
        ("PatientID", b"..", SeriesWarning.W_TEXT_SANITISED),
    ],
)
def test_each_cause_has_its_warning(keyword: str, raw: bytes | None, warning: SeriesWarning) -> None:
    assert warnings(**{keyword: raw}) == {warning}


@pytest.mark.parametrize(
    ("keyword", "raw"),
    [
        ("LossyImageCompression", b"00"),
        ("StudyDate", b""),
        ("StudyDate", b"20240229"),
        ("StudyDate", b"1997.04.24"),
        ("DateOfLastCalibration", b"20240229\\20240301"),
        ("ContentTime", b"07"),
        ("ContentTime", b"070907.0705 "),
        ("ContentTime", b"23:59:60"),
        ("AcquisitionDateTime", b"20240229235960.123456+0100"),
        ("AcquisitionDateTime", b"2024"),
        ("BurnedInAnnotation", b"NO"),
        ("KVP", b""),
        ("RescaleSlope", b"one"),
        ("PixelSpacing", b"0,8"),
        ("ImageType", b"ORIGINAL\\PRIMARY\\AXIAL"),
        ("WindowCenter", b"40\\-600"),
    ],
)
def test_what_is_in_order_or_refused_elsewhere_is_not_warned_of(keyword: str, raw: bytes) -> None:
    assert warnings(**{keyword: raw}) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.840.10008.1.2", True),
        ("1", True),
        ("1." * 31 + "12", True),
        ("1." * 32 + "1", False),
        ("", False),
        ("1..2", False),
        (".1", False),
        ("1.", False),
        ("1.2\n", False),
        ("1.a", False),
        ("\u0661.\u0662", False),
    ],
)
def test_a_uid_is_numbers_and_dots_and_not_long(text: str, *, expected: bool) -> None:
    assert is_uid(text) is expected
