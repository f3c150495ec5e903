import struct
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from dicom_bytes import element, endless, file_bytes, found_file, item, put_file, us
from hypothesis import given
from hypothesis import strategies as st
from phantoms import write_series
from pydicom.uid import RLELossless

from pipeline.dicom.files.encoding import DEFLATED_LE, IMPLICIT_LE, IMPLICIT_LITTLE, tag_text
from pipeline.dicom.files.listing import ListedElement, Listing, describe_bytes, list_elements
from pipeline.limits import Limits
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Reason

CHARSET = element(0x00080005, "CS", b"ISO_IR 192")


def listed(path: Path, data_set: bytes, transfer_syntax: str | None = None) -> Listing:
    content = file_bytes(data_set, transfer_syntax) if transfer_syntax else file_bytes(data_set)
    return list_elements(put_file(path / "one.dcm", content), Limits())


def values_of(listing: Listing) -> dict[str, str]:
    return {name: told.value for name, told in listing.elements.items() if not name.startswith("TransferSyntax")}


@pytest.mark.parametrize(
    ("tag", "vr", "raw", "name", "told"),
    [
        (0x00080060, "CS", b"CT", "Modality", "CT"),
        (0x00080008, "CS", b"ORIGINAL \\PRIMARY ", "ImageType", "ORIGINAL\\PRIMARY"),
        (0x00281053, "DS", b"1.000000", "RescaleSlope", "1.000000"),
        (0x00280010, "US", us(512), "Rows", "512"),
        (0x00280034, "IS", b"4\\3 ", "PixelAspectRatio", "4\\3"),
        (0x00189345, "FD", struct.pack("<d", 12.5), "CTDIvol", "12.5"),
        (0x00100010, "PN", b"", "PatientName", ""),
        (0x00280010, "UN", us(512), "Rows", "512"),
        (0x00280010, "US", b"\1\2\3", "Rows", describe_bytes(b"\1\2\3")),
        (0x00204000, "LT", b"one\\two", "ImageComments", "one\\two"),
        (0x00420011, "OB", b"\0\1\2\3", "EncapsulatedDocument", describe_bytes(b"\0\1\2\3")),
        (0x60020010, "US", us(64), "OverlayRows(6002,0010)", "64"),
        (0x00090001, "UN", b"", "(0009,0001)", ""),
    ],
)
def test_an_element_is_told_as_it_is_written(
    tag: int, vr: str, raw: bytes, name: str, told: str, tmp_path: Path
) -> None:
    assert values_of(listed(tmp_path, element(tag, vr, raw))) == {name: told}


def test_control_characters_go_and_a_digest_says_that_something_went(tmp_path: Path) -> None:
    raw = b"red \x1b[31m text"
    found = values_of(listed(tmp_path, element(0x00081030, "LO", raw)))
    assert found == {"StudyDescription": f"red [31m text ({describe_bytes(raw)})"}


def test_texts_that_differ_behind_the_cut_are_told_apart(tmp_path: Path) -> None:
    one, other = (values_of(listed(tmp_path, element(0x00204000, "LT", b"x" * 2000 + end))) for end in (b"a ", b"b "))
    assert one != other


def test_a_value_too_long_to_be_kept_is_told_by_all_its_bytes(tmp_path: Path) -> None:
    raw = bytes(1 << 20) + b"\1\2"
    found = values_of(listed(tmp_path, element(0x00420011, "OB", raw)))
    assert found == {"EncapsulatedDocument": f"{len(raw)} bytes, sha256 {sha256(raw).hexdigest()[:16]}"}


def test_elements_in_sequences_have_a_path_and_the_character_set_of_what_holds_them(tmp_path: Path) -> None:
    inner = item(element(0x00081155, "UI", b"1.2\0")) + item(element(0x00081030, "LO", "Schädel ".encode()))
    listing = listed(tmp_path, CHARSET + endless(0x00081140, inner))
    assert values_of(listing) == {
        "SpecificCharacterSet": "ISO_IR 192",
        "ReferencedImageSequence": "2 items",
        "ReferencedImageSequence[1].ReferencedSOPInstanceUID": "1.2",
        "ReferencedImageSequence[2].StudyDescription": "Schädel",
    }
    assert listing.elements["ReferencedImageSequence[2].StudyDescription"].tag == "0008,1140[2].0008,1030"


def test_a_private_element_is_known_by_its_creator_wherever_its_block_lies(tmp_path: Path) -> None:
    blocks = [
        element(0x00430000 | block, "LO", b"ACME") + element(0x00430000 | block << 8 | 0x27, "LO", b"secret")
        for block in (0x10, 0x11)
    ]
    first, second = (values_of(listed(tmp_path, block)) for block in blocks)
    assert first["private:ACME:0043,27"] == second["private:ACME:0043,27"] == "secret"


def test_two_blocks_of_one_creator_are_both_listed(tmp_path: Path) -> None:
    creators = element(0x00430010, "LO", b"ACME") + element(0x00430011, "LO", b"ACME")
    data = element(0x00431027, "LO", b"one ") + element(0x00431127, "LO", b"two ")
    found = values_of(listed(tmp_path, creators + data))
    assert found["private:ACME:0043,27"] == "one"
    assert found["private:ACME:0043,27(0043,1127)"] == "two"


def test_pixels_are_told_by_shape_and_the_bytes_stored(tmp_path: Path) -> None:
    path = write_series(tmp_path / "native", n=3).paths[0]
    raw = path.read_bytes()[-2048:]
    told = list_elements(found_file(path), Limits()).elements["PixelData"].value
    assert told == f"32 x 32, {describe_bytes(raw)}"


def test_pixels_in_fragments_are_told_without_what_lies_between_them(tmp_path: Path) -> None:
    fragments = item() + item(b"\1\2\3\4") + item(b"\5\6")
    listing = listed(tmp_path, endless(0x7FE00010, fragments, vr="OB"), str(RLELossless))
    assert values_of(listing) == {"PixelData": describe_bytes(b"\1\2\3\4\5\6")}


def test_deflated_and_implicit_files_are_told_as_any_other(tmp_path: Path) -> None:
    pixels = element(0x7FE00010, "OW", b"\1\2\3\4")
    squeezed = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = listed(tmp_path, squeezed.compress(pixels) + squeezed.flush(), DEFLATED_LE)
    assert values_of(deflated) == {"PixelData": describe_bytes(b"\1\2\3\4")}
    rows = element(0x00280010, "US", us(7), encoding=IMPLICIT_LITTLE)
    assert values_of(listed(tmp_path, rows, IMPLICIT_LE)) == {"Rows": "7"}


def test_what_could_be_read_of_a_broken_file_is_listed_with_the_reason(tmp_path: Path) -> None:
    listing = listed(tmp_path, element(0x00080060, "CS", b"CT") + b"\x10\0\x20\0LO")
    assert values_of(listing) == {"Modality": "CT"}
    assert listing.refusal is not None
    assert listing.refusal[0] is Reason.CORRUPT


def test_a_file_that_deflates_wrongly_gives_no_pixels_and_no_error(tmp_path: Path) -> None:
    listing = listed(tmp_path, b"no deflated data at all", DEFLATED_LE)
    assert listing.refusal is not None
    assert values_of(listing) == {}


def test_a_file_that_is_gone_is_the_systems_word(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        list_elements(FoundFile(str(tmp_path / "gone"), 10, 1), Limits())


@given(st.integers(0, 0xFFFFFFFF))
def test_a_tag_is_written_as_two_groups_of_four_digits(tag: int) -> None:
    assert int(tag_text(tag).replace(",", ""), 16) == tag
    assert ListedElement((tag,), "").tag == tag_text(tag)
