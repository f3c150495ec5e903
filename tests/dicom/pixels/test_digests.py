from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline.dicom.pixels.hounsfield import Digests, hash_slice
from pipeline.dicom.pixels.stored import StoredSlice

STORED = np.array([[0, 100, 4095], [7, 7, 1024]])


def digests(stored: NDArray[Any], slope: float = 1, intercept: float = -1024) -> Digests:
    coded = StoredSlice.of(stored)
    return hash_slice(coded, (coded.values * slope + intercept).astype(np.float32))


def test_the_type_and_the_byte_order_of_stored_values_do_not_matter() -> None:
    all_alike = {digests(STORED.astype(dtype)) for dtype in ("<i2", ">i2", "<u2", ">u4", "<i8")}
    assert len(all_alike) == 1


@pytest.mark.parametrize(
    ("stored", "slope", "intercept"),
    [(STORED - 1024, 1, 0), (STORED * 2, 0.5, -1024), (STORED - 1024.0, 1.0, 0.0), (1024 - STORED, -1, 0)],
)
def test_equal_hounsfield_units_have_one_hash_whatever_they_are_stored_as(
    stored: NDArray[Any], slope: float, intercept: float
) -> None:
    found = digests(stored.astype(np.int64), slope, intercept)
    assert found.hounsfield == digests(STORED).hounsfield
    assert found.stored != digests(STORED).stored


def test_the_rescale_changes_the_units_and_not_what_is_stored() -> None:
    for slope, intercept in ((1, -1000), (1, -1024.5), (1.5, -1024)):
        found = digests(STORED, slope, intercept)
        assert found.stored == digests(STORED).stored
        assert found.hounsfield != digests(STORED).hounsfield


def test_values_too_far_apart_for_two_bytes_are_hashed_too() -> None:
    wide = STORED * 1000
    assert digests(wide) == digests(wide.astype(np.int32))
    assert digests(wide, intercept=0).hounsfield == digests(STORED, slope=1000, intercept=0).hounsfield
    assert digests(wide) != digests(wide + 1)


planes = arrays(np.int32, (2, 3), elements=st.integers(0, 2) | st.integers(-70_000, 70_000))


@settings(max_examples=100)
@given(planes, planes, st.sampled_from([1, 0.5, 2]), st.sampled_from([0, -1024, 0.25]))
def test_hashes_are_equal_just_where_values_are(
    one: NDArray[np.int32], other: NDArray[np.int32], slope: float, intercept: float
) -> None:
    found, against = digests(one, slope, intercept), digests(other)
    in_hu = [np.float32(one * slope + intercept), np.float32(other - 1024)]
    assert (found.stored == against.stored) == np.array_equal(one, other)
    assert (found.hounsfield == against.hounsfield) == np.array_equal(*in_hu)
