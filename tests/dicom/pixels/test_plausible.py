import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from phantoms import truth_volume

from pipeline.dicom.pixels.plausible import (
    Rescaling,
    bin_centres_hu,
    check_hounsfield,
    has_odd_range,
)
from pipeline.features.tissue import PLAUSIBLE_HU

Counts = NDArray[np.int64]
SCANNER = Rescaling(slope=1, intercept=-1024, signed=False, bits_stored=12)


def counted(hu: NDArray[np.int64]) -> tuple[int, Counts]:
    first = int(hu.min())
    return first, np.bincount((hu - first).ravel()).astype(np.int64)


def two_values(low_hu: int, high_hu: int, share_high: float) -> tuple[int, Counts]:
    counts = np.zeros(high_hu - low_hu + 1, np.int64)
    counts[0], counts[-1] = round(10_000 * (1 - share_high)), round(10_000 * share_high)
    return low_hu, counts


def test_a_body_in_air_is_plausible_and_of_usual_range() -> None:
    histogram = counted(truth_volume(12, 32, 32).astype(np.int64))
    assert check_hounsfield(*histogram, rescaling=None) is None
    assert not has_odd_range(*histogram)


@pytest.mark.parametrize("hu", [-1000, 0, 40])
def test_a_constant_volume_is_implausible(hu: int) -> None:
    assert check_hounsfield(hu, np.array([500]), rescaling=None) == "every measured voxel has the same value"


def test_a_volume_without_a_measured_voxel_is_implausible() -> None:
    assert check_hounsfield(0, np.zeros(0, np.int64), rescaling=None) is not None


@pytest.mark.parametrize(("share", "expected"), [(0.49, True), (0.51, False)])
@pytest.mark.parametrize("outside_hu", [PLAUSIBLE_HU[0] - 1, PLAUSIBLE_HU[1] + 1])
def test_most_voxels_lie_between_air_and_metal(outside_hu: int, share: float, *, expected: bool) -> None:
    low, high = sorted((outside_hu, 0))
    histogram = two_values(low, high, share if high == outside_hu else 1 - share)
    assert (check_hounsfield(*histogram, rescaling=None) is None) is expected


@pytest.mark.parametrize(
    ("histogram", "expected"),
    [
        (two_values(-1000, 3101, 0.009), False),
        (two_values(-1000, 3101, 0.011), True),
        (two_values(-1000, 900, 0.19), False),
        (two_values(-1000, 900, 0.21), True),
        (two_values(-1101, 40, 0.995), False),
        (two_values(-1101, 40, 0.98), True),
    ],
)
def test_stray_values_and_much_that_is_dense_are_an_odd_range(histogram: tuple[int, Counts], *, expected: bool) -> None:
    assert has_odd_range(*histogram) is expected


@given(st.integers(-900, 0), st.integers(1, 300))
def test_a_narrow_cut_through_tissue_or_lung_without_any_air_is_plausible(low_hu: int, width: int) -> None:
    counts = np.full(width + 1, 10, np.int64)
    assert check_hounsfield(low_hu, counts, rescaling=None) is None
    assert not has_odd_range(low_hu, counts)


def test_bins_are_told_by_their_centres() -> None:
    np.testing.assert_array_equal(bin_centres_hu(-3, np.zeros(3, np.int64)), [-3, -2, -1])


def test_an_image_converted_to_8_bits_is_implausible_where_the_reading_is_known() -> None:
    counts = np.ones(255, np.int64)
    assert check_hounsfield(-1024, counts, rescaling=None) is None
    assert check_hounsfield(-1024, counts, SCANNER) == "stored values fill 0 to 255: the image was converted to 8 bits"


def test_a_named_error_is_told_before_the_range() -> None:
    signs = two_values(40, 64536, 0.6)
    assert check_hounsfield(*signs, rescaling=None) == "60% of the voxels lie outside -1100 to 3100 HU"
    detail = check_hounsfield(*signs, Rescaling(slope=1, intercept=0, signed=False, bits_stored=16))
    assert detail is not None
    assert detail.startswith("signed values are labelled unsigned: a score of ")
