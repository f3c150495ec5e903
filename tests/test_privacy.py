import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR

from pipeline.privacy import (
    ALLOWED_ELEMENTS,
    KEPT_IDENTIFIERS,
    PseudonymKey,
    cap_age,
    clean_text,
    judge_text,
)


def test_the_secret_is_not_shown() -> None:
    assert "0f" not in repr(PseudonymKey(b"\x0f" * 32))


def test_a_hash_without_key_is_the_same_for_everyone() -> None:
    assert PseudonymKey().keyed_hash("1.2.3") == "6b0b5403cb1b7acac5c1"


PARTS = st.lists(st.text(max_size=4), max_size=3)


@given(PARTS, PARTS, st.binary(max_size=64))
@settings(max_examples=200)
def test_hashes_are_equal_only_where_the_parts_are(one: list[str], other: list[str], secret: bytes) -> None:
    key = PseudonymKey(secret)
    assert re.fullmatch("[0-9a-f]{20}", key.keyed_hash(*one))
    assert (key.keyed_hash(*one) == key.keyed_hash(*other)) == (one == other)


def test_parts_do_not_run_together() -> None:
    key = PseudonymKey()
    assert len({key.keyed_hash(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", ""))}) == 4


def test_an_unpaired_surrogate_can_be_hashed() -> None:
    assert PseudonymKey().keyed_hash("\ud800") != PseudonymKey().keyed_hash("?")


def test_allowed_elements_are_known_and_hold_no_date_time_uid_name_or_long_text() -> None:
    vrs = {keyword: dictionary_VR(keyword) for keyword in ALLOWED_ELEMENTS}
    assert set(vrs.values()) <= {"CS", "DS", "IS", "FD", "US", "US or SS", "SH", "LO", "AS"}
    assert {keyword for keyword, vr in vrs.items() if vr in {"SH", "LO"}} == {
        "ConvolutionKernel",
        "FilterType",
        "Manufacturer",
        "ManufacturerModelName",
        "RescaleType",
        "SoftwareVersions",
    }


@pytest.mark.parametrize(
    "keyword",
    [
        *KEPT_IDENTIFIERS,
        "AccessionNumber",
        "ContrastBolusAgent",
        "DeviceSerialNumber",
        "InstitutionName",
        "PatientBirthDate",
        "PatientName",
        "ProtocolName",
        "SeriesDescription",
        "StationName",
        "StudyDate",
    ],
)
def test_identifying_elements_are_not_allowed(keyword: str) -> None:
    assert dictionary_VR(keyword)
    assert keyword not in ALLOWED_ELEMENTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B30f", "B30f"),
        ("a\x00b\x1bc\nd\x9fe", "abcde"),
        ("a\u202eb\u200fc\u2066d", "abcd"),
        ("a\ud800b", "ab"),
        ("שלום é=<>", "שלום é=<>"),
        ("x" * 1025, "x" * 1024),
        ("\n" + "x" * 1024, "x" * 1024),
    ],
)
def test_cleaning_removes_what_cannot_be_seen_and_cuts(text: str, expected: str) -> None:
    assert clean_text(text) == expected


@given(st.text())
@settings(max_examples=100)
def test_cleaned_text_can_be_encoded_and_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean_text(text)
    assert once.encode().decode() == once
    assert clean_text(once) == once


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("045Y", "045Y"),
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("104Y", "090Y"),
        ("900M", "900M"),
        ("1080M", "090Y"),
        ("1079M", "1079M"),
        ("4697W", "090Y"),
        ("999W", "999W"),
        ("33000D", "090Y"),
        ("003D", "003D"),
        (" 093Y ", "090Y"),
        ("93", None),
        ("93y", None),
        ("", None),
        ("ninety", None),
    ],
)
def test_an_age_above_89_years_becomes_90(age: str, expected: str | None) -> None:
    assert cap_age(age) == expected


@pytest.mark.parametrize(
    ("value", "vr"),
    [
        ("../../../../tmp/pwned", "LO"),
        (".", "LO"),
        ("..", "SH"),
        ("P" * 65, "LO"),
        ("P" * 17, "SH"),
        ("P" * 17, "CS"),
        ("Do^e=" + "P" * 65, "PN"),
        ("@SUM(1,1)", "LO"),
        ("=1", "LT"),
        ("+1", "ST"),
        ("-1", "UT"),
        (' "><img src=x onerror=alert(1)>', "LO"),
        ("e\u0301", "LO"),
        ("a\nb", "LT"),
        ("a\x00b", "LO"),
        ("a\u202eb", "UC"),
        ("a\ud800b", "LO"),
        ("A\\B", "CS"),
        *((f"a{character}b", "LO") for character in "/\\<>\"'&;|$`%{}"),
    ],
)
def test_text_that_files_spreadsheets_or_pages_could_mistake_is_unsafe(value: Any, vr: str) -> None:
    assert judge_text(value, vr, single_valued=True)


@pytest.mark.parametrize(
    ("value", "vr"),
    [("PET/CT Onko", "LO"), ("a\r\nb", "ST"), ("P" * 17, "SH"), ("Doe's 60%", "LO"), ("e\u0301", "LO")],
)
def test_what_is_only_unusual_is_not_unsafe(value: str, vr: str) -> None:
    assert judge_text(value, vr, single_valued=True) == "unusual"


@pytest.mark.parametrize(("value", "vr"), [("=1+1", "LO"), ("<b>", "ST"), ("..", "LO"), ("a\nb", "LO"), ("a\\b", "SH")])
def test_what_programs_may_mistake_is_unsafe(value: str, vr: str) -> None:
    assert judge_text(value, vr, single_valued=True) == "unsafe"


@pytest.mark.parametrize(
    ("value", "vr"),
    [
        ("", "LO"),
        ("Doe^Jane=山田^花=やまだ^はな", "PN"),
        ("P" * 64, "PN"),
        ("P" * 64, "LO"),
        ("é ß שלום", "LO"),
        ("padded to even length ", "LO"),
        ("padded with null\0", "LO"),
        ("...", "LO"),
        ("a-b+c=d@e", "LO"),
        ("x" * 20_000, "UT"),
        ("1.2.3", "UI"),
        ("-5", "DS"),
        ("20240101", "DA"),
        ("\x00\x01", "OB"),
    ],
)
def test_ordinary_text_and_what_is_no_text_is_not_unsafe(value: Any, vr: str) -> None:
    assert not judge_text(value, vr, single_valued=True)


def test_a_backslash_parts_the_values_of_a_multi_valued_element_and_each_is_looked_at() -> None:
    assert not judge_text("ORIGINAL\\PRIMARY\\AXIAL", "CS", single_valued=False)
    assert judge_text("ORIGINAL\\-PRIMARY", "CS", single_valued=False)
    assert judge_text("ORIGINAL\\" + "P" * 17, "CS", single_valued=False)
