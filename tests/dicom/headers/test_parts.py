from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dicom_bytes import found_file, read_element, values
from phantoms import put_raw, write_series
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.parts import Reader, read_instance_number
from pipeline.dicom.headers.read import read_headers
from pipeline.dicom.headers.slice import CT_IMAGE, SliceHeader
from pipeline.geometry import Xyz
from pipeline.limits import Limits

REQUIRED = (
    "Modality",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
)


def header(folder: Path, change: Callable[[Dataset], Any] = lambda _: None, **wanted: Any) -> SliceHeader:
    """Write one slice, changed, and read its header."""
    series = write_series(folder, n=1, change=lambda dataset, _: change(dataset), **wanted)
    (read,) = read_headers(found_file(series.paths[0]), Limits(), frozenset())
    return read


def test_a_slice_is_read_as_it_was_written(tmp_path: Path) -> None:
    read = header(tmp_path)
    assert (read.refusal, read.flaws, read.warnings, read.frame) == (None, {}, frozenset(), None)
    assert read.identity.sop_class_uid == CT_IMAGE
    assert read.identity.modality == "CT"
    assert read.identity.patient_id == "P-1"
    assert read.identity.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert read.plane.position == Xyz(-11.2, -12.8, -100)
    assert (read.plane.row_direction, read.plane.column_direction) == (Xyz(1, 0, 0), Xyz(0, 1, 0))
    assert (read.plane.row_spacing, read.plane.column_spacing) == (0.8, 0.7)
    assert (read.plane.thickness, read.plane.spacing_between_slices, read.plane.gantry_tilt) == (2.5, 2.5, 0)
    assert (read.rescale.slope, read.rescale.intercept, read.rescale.kind) == (1, -1024, "HU")
    assert (read.pixels.rows, read.pixels.columns, read.pixels.length) == (32, 32, 2048)
    assert (read.pixels.bits_allocated, read.pixels.bits_stored, read.pixels.signed) == (16, 12, False)
    assert read.instance_number == 1
    assert read.reconstruction == ("STANDARD", 120.0, 2.5, None)


def test_pixels_are_where_the_header_says(tmp_path: Path) -> None:
    read = header(tmp_path, signed=True, bits_stored=16, intercept=0)
    content = Path(read.file.path).read_bytes()
    assert len(content) == read.pixels.offset + read.pixels.length
    assert read.pixels.signed


def test_compressed_pixels_are_known_as_such(tmp_path: Path) -> None:
    read = header(tmp_path, transfer_syntax=JPEG2000Lossless)
    assert read.pixels.encapsulated
    assert read.pixels.transfer_syntax == JPEG2000Lossless


@pytest.mark.parametrize("keyword", REQUIRED)
def test_a_required_element_that_is_absent_or_empty_is_missing(tmp_path: Path, keyword: str) -> None:
    assert header(tmp_path / "absent", lambda dataset: dataset.pop(keyword)).flaws == {keyword: Flaw.MISSING}
    assert header(tmp_path / "empty", lambda dataset: put_raw(dataset, keyword, b"")).flaws == {keyword: Flaw.MISSING}


UNUSABLE = {
    "Rows": (b"\0\0", b"\1\0\1\0"),
    "Columns": (b"\0\0",),
    "BitsAllocated": (b"\0\0",),
    "BitsStored": (b"\0\0",),
    "SamplesPerPixel": (b"\0\0",),
    "PixelRepresentation": (b"\2\0",),
    "ImageOrientationPatient": (b"1\\0\\0", b"1\\0\\0\\0\\1\\nan"),
    "ImagePositionPatient": (b"0\\0", b"0\\0\\up", b"0\\0\\1e999"),
    "PixelSpacing": (b"0\\0", b"-0.8\\0.8", b"0,8\\0,8", b"0.8", b"0.009\\0.8", b"101\\0.8"),
    "RescaleSlope": (b"0", b"-1", b"1\\1", b"one", b"NaN"),
    "RescaleIntercept": (b"NaN", b"zero", b"0\\0"),
}


@pytest.mark.parametrize(("keyword", "raw"), [(keyword, raw) for keyword, raws in UNUSABLE.items() for raw in raws])
def test_a_required_element_that_cannot_be_used_is_invalid(tmp_path: Path, keyword: str, raw: bytes) -> None:
    assert header(tmp_path, lambda dataset: put_raw(dataset, keyword, raw)).flaws == {keyword: Flaw.INVALID}


@pytest.mark.parametrize("vr", ["DS", "UL", "FD"])
def test_a_size_beyond_16_bits_is_invalid_in_any_representation(tmp_path: Path, vr: str) -> None:
    raw = {"DS": b"1e308", "UL": b"\xff\xff\xff\xff", "FD": b"\0\0\0\0\0\0\xe0\x7f"}[vr]
    for keyword in ("Rows", "BitsStored"):
        flaws = header(tmp_path, lambda dataset, keyword=keyword: put_raw(dataset, keyword, raw, vr)).flaws
        assert flaws == {keyword: Flaw.INVALID}


def test_the_sign_is_required_beside_pixels_only(tmp_path: Path) -> None:
    def spoil(dataset: Dataset) -> None:
        del dataset.PixelData, dataset.PixelRepresentation

    read = header(tmp_path, spoil)
    assert read.flaws == {}
    assert (read.pixels.offset, read.pixels.length) == (-1, 0)


def test_without_rescale_stored_values_stand_for_themselves(tmp_path: Path) -> None:
    def spoil(dataset: Dataset) -> None:
        del dataset.RescaleSlope, dataset.RescaleIntercept

    read = header(tmp_path, spoil)
    assert (read.rescale.slope, read.rescale.intercept) == (1, 0)
    assert read.flaws == {"RescaleSlope": Flaw.MISSING, "RescaleIntercept": Flaw.MISSING}


@pytest.mark.parametrize(
    ("raw", "expected"), [(b"7", 7), (b"3.0", 3), (b"", None), (b"first", None), (b"1e300", None), (b"-4", -4)]
)
def test_an_instance_number_is_a_number_of_32_bits_or_none(raw: bytes, expected: int | None) -> None:
    for vr in ("IS", "DS"):
        assert read_instance_number(Reader(values(read_element("InstanceNumber", raw, vr)))) == expected


def test_floating_point_pixels_are_known_as_such(tmp_path: Path) -> None:
    def spoil(dataset: Dataset) -> None:
        dataset.add_new("DoubleFloatPixelData", "OD", bytes(32 * 32 * 8))
        del dataset.PixelData

    assert not header(tmp_path, spoil).pixels.integer


def test_a_lookup_table_is_seen(tmp_path: Path) -> None:
    assert header(tmp_path, lambda dataset: setattr(dataset, "ModalityLUTSequence", [Dataset()])).rescale.has_lut
