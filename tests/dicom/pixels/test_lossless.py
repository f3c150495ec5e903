from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jpeg_lossless import DEEP, PREDICTORS, Form, encoded
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGLossless

from pipeline.dicom.pixels.decode import decode_lossless, find_scan
from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import Reason

FORM = Form()
COMMENT, JFIF = b"\xff\xfe\0\4hi", b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def noise(rows: int = 9, columns: int = 11, bits: int = 12) -> NDArray[np.integer[Any]]:
    return np.random.default_rng(bits).integers(0, 1 << bits, (rows, columns)).astype(np.uint16)


def values_of(codestream: bytes) -> NDArray[np.uint16]:
    scan = find_scan(codestream)
    assert scan is not None
    return decode_lossless(codestream, scan)


def by_gdcm(codestream: bytes, values: NDArray[np.integer[Any]], precision: int) -> NDArray[Any]:
    decoder = get_decoder(JPEGLossless)
    rows, columns = values.shape
    return decoder.as_array(
        encapsulate([codestream], has_bot=False), raw=True, decoding_plugin="gdcm", rows=rows, columns=columns,
        samples_per_pixel=1, photometric_interpretation="MONOCHROME2", number_of_frames=1, bits_allocated=16,
        bits_stored=precision, pixel_representation=0, pixel_keyword="PixelData",
    )[0]  # fmt: skip


def is_refused(codestream: bytes) -> bool:
    with pytest.raises(SeriesRefusedError) as caught:
        values_of(codestream)
    return caught.value.reason is Reason.PIXEL_DECODE


@pytest.mark.parametrize("precision", [8, 12, 16])
@pytest.mark.parametrize("predictor", PREDICTORS)
def test_every_predictor_gives_what_was_encoded_and_what_gdcm_gives(predictor: int, precision: int) -> None:
    values = noise(bits=precision)
    codestream = encoded(values, Form(precision, predictor))
    np.testing.assert_array_equal(values_of(codestream), values)
    np.testing.assert_array_equal(by_gdcm(codestream, values, precision), values)


@pytest.mark.parametrize(
    "form",
    [
        Form(shift=1), Form(16, 7, shift=4), Form(restart_rows=1), Form(16, 4, restart_rows=2),
        Form(shift=2, restart_rows=4), Form(fill=b"\xff"), Form(fill=b"\xff\xff\xff", predictor=5),
        Form(before=COMMENT + JFIF),
    ],
    ids=str,
)  # fmt: skip
def test_every_form_gives_what_was_encoded_and_what_gdcm_gives(form: Form) -> None:
    values = noise(20, bits=form.precision) >> form.shift << form.shift
    codestream = encoded(values, form)
    np.testing.assert_array_equal(values_of(codestream), values)
    np.testing.assert_array_equal(by_gdcm(codestream, values, form.precision), values)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(lambda shape: arrays(np.uint16, shape)),
    st.sampled_from([*PREDICTORS]), st.integers(2, 16), st.sampled_from([FORM.lengths, DEEP]), st.integers(0, 3),
)  # fmt: skip
def test_any_values_come_back(
    values: NDArray[np.uint16], predictor: int, precision: int, lengths: bytes, restart_rows: int
) -> None:
    values = values & np.uint16((1 << precision) - 1)
    form = Form(precision, predictor, restart_rows=restart_rows, lengths=lengths)
    np.testing.assert_array_equal(values_of(encoded(values, form)), values)


def test_signed_values_may_be_written_with_their_sign_beyond_the_precision() -> None:
    values = (noise().astype(int) - 2048).astype(np.int16).view(np.uint16)
    np.testing.assert_array_equal(values_of(encoded(values, FORM)), values)


def test_the_end_marker_may_be_missing_where_no_value_is() -> None:
    values = noise()
    np.testing.assert_array_equal(values_of(encoded(values, FORM).removesuffix(b"\xff\xd9")), values)


@pytest.mark.parametrize("form", [FORM, Form(restart_rows=3)], ids=["one stretch", "restarts"])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9", b"\xff\xd9\0"], ids=["", "with an end marker", "padded"])
def test_a_codestream_is_refused_wherever_it_breaks_off(form: Form, end: bytes) -> None:
    whole = encoded(noise(), form)
    scan = find_scan(whole)
    assert scan is not None
    assert all(is_refused(whole[:length] + end) for length in range(scan.place, len(whole) - 2))


@pytest.mark.parametrize("form", [FORM, Form(restart_rows=3)], ids=["one stretch", "restarts"])
def test_a_codestream_with_a_byte_too_much_or_an_end_too_soon_is_refused(form: Form) -> None:
    whole = encoded(noise(), form)
    scan = find_scan(whole)
    assert scan is not None
    assert is_refused(whole.removesuffix(b"\xff\xd9") + b"\0\xff\xd9")
    assert all(is_refused(whole[:k] + b"\xff\xd9" + whole[k:]) for k in range(scan.place, len(whole) - 2, 7))


def test_restarts_that_are_out_of_turn_or_not_told_are_refused() -> None:
    whole = encoded(noise(), Form(restart_rows=3))
    assert is_refused(whole.replace(b"\xff\xd0", b"\xff\xd1"))
    assert is_refused(whole.replace(b"\xff\xdd\0\4\0\x21", b""))
    assert is_refused(whole.replace(b"\xff\xdd\0\4\0\x21", b"\xff\xdd\0\4\0\x20"))  # not a whole number of rows


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (b"\xff\xc3\0\x0b\x0c", b"\xff\xc3\0\x0b\x11"),
        (b"\0\x08\1\1\0\1\0\0", b"\0\x08\1\1\0\0\0\0"),
        (b"\0\x08\1\1\0\1\0\0", b"\0\x08\1\1\0\x08\0\0"),
        (b"\0\x08\1\1\0\1\0\0", b"\0\x08\1\1\0\1\0\x0c"),
        (b"\0\x08\1\1\0\1\0\0", b"\0\x08\1\2\0\1\0\0"),
        (b"\0\x08\1\1\0\1\0\0", b"\0\x08\1\1\x10\1\0\0"),
        (b"\xff\xda", b"\xff\xd9"),
        (FORM.lengths, bytes((0, 0, 0, 17, *bytes(12)))),
        (FORM.lengths, bytes((0, 0, 0, 0, 18, *bytes(11)))),
    ],
    ids=[
        "17 bits", "no predictor", "unknown predictor", "all bits shifted out", "other component", "no such table",
        "no scan", "too many codes", "codes of nothing",
    ],
)  # fmt: skip
def test_what_the_standard_does_not_allow_is_refused(said: bytes, instead: bytes) -> None:
    whole = encoded(noise(), FORM)
    assert said in whole
    assert is_refused(whole.replace(said, instead, 1))


def test_a_code_for_a_category_that_no_difference_has_is_refused_where_it_is_used() -> None:
    values = noise()
    far = values.astype(np.uint16)
    far[1, 1:3] = 0, 0x8000
    table = b"\x0e\x0f\x10"
    for category in (b"\x11", b"\x20", b"\xff"):
        unused, used = (encoded(each, FORM).replace(table, b"\x0e\x0f" + category, 1) for each in (values, far))
        np.testing.assert_array_equal(values_of(unused), values)
        assert is_refused(used)


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (b"\xff\xc3", b"\xff\xc1"),
        (b"\1\1\x11\0\xff\xc4", b"\3\1\x11\0\xff\xc4"),
        (b"\xff\xc4", b"\xff\xc1\0\x0b\x0c\0\x09\0\x09\1\1\x11\0\xff\xc4"),
        (b"\xff\xd8\xff", b"\xff\xd8\0"),
        (b"\xff\xd8", b"\0\0"),
    ],
    ids=["lossy", "colours", "two frames", "no segments", "no start"],
)
def test_what_is_no_grey_image_of_this_kind_is_left_to_others(said: bytes, instead: bytes) -> None:
    whole = encoded(noise(), FORM)
    assert said in whole
    assert find_scan(whole.replace(said, instead, 1)) is None
