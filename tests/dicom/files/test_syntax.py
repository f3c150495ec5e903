import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from pipeline.dicom.files.encoding import (
    COMPRESSED_SYNTAXES,
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    LOSSY_SYNTAXES,
    NATIVE_SYNTAXES,
    RLE_LOSSLESS,
)
from pipeline.dicom.pixels.decode import DECODERS


def test_a_syntax_is_native_or_compressed_and_never_both() -> None:
    assert all(not UID(syntax).is_compressed for syntax in NATIVE_SYNTAXES)
    assert all(UID(syntax).is_encapsulated for syntax in COMPRESSED_SYNTAXES)
    assert NATIVE_SYNTAXES.isdisjoint(COMPRESSED_SYNTAXES)


def test_the_names_are_those_of_the_standard() -> None:
    names = [UID(syntax).keyword for syntax in (IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE, RLE_LOSSLESS)]
    assert names == [
        "ImplicitVRLittleEndian",
        "ExplicitVRLittleEndian",
        "DeflatedExplicitVRLittleEndian",
        "ExplicitVRBigEndian",
        "RLELossless",
    ]


@pytest.mark.parametrize("syntax", sorted(COMPRESSED_SYNTAXES - {RLE_LOSSLESS}), ids=lambda syntax: UID(syntax).keyword)
def test_every_compressed_syntax_has_its_decoder_installed(syntax: str) -> None:
    assert DECODERS.get(syntax, "gdcm") in get_decoder(syntax).available_plugins


def test_what_is_always_lossy_is_known_as_such() -> None:
    assert {UID(syntax).keyword for syntax in LOSSY_SYNTAXES} == {
        "JPEGBaseline8Bit",
        "JPEGExtended12Bit",
        "JPEGLSNearLossless",
    }
