from dataclasses import dataclass
from typing import Any

import numpy as np
import plain_pixels
import pytest
from headers import SOUND, changed
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.hounsfield import to_hounsfield
from pipeline.dicom.pixels.stored import StoredSlice
from pipeline.dicom.policy import HounsfieldOptions

OPTIONS = HounsfieldOptions()
N = 16


@dataclass(frozen=True, eq=False)
class Read:
    hu: NDArray[np.float32]
    valid: NDArray[np.bool_]
    has_odd_padding: bool


def header_of(stored: NDArray[Any], **changes: Any) -> SliceHeader:
    rows, columns = stored.shape
    return changed(changed(SOUND, pixels={"rows": rows, "columns": columns}), **changes)


def read(stored: NDArray[Any], options: HounsfieldOptions = OPTIONS, **changes: Any) -> Read:
    found = to_hounsfield(StoredSlice.of(stored), header_of(stored, **changes), options)
    valid = np.ones(stored.shape, bool) if found.valid is None else found.valid
    return Read(found.hu, valid, found.has_odd_padding)


def tissue(value: int = 1064) -> NDArray[np.int64]:
    """Return stored values around tissue, no two neighbours alike."""
    return value + np.arange(N * N).reshape(N, N) % 7


def rimmed(value: int, inside: NDArray[np.int64] | None = None, width: int = 3) -> NDArray[np.int64]:
    """Return a slice with a rim of one value, as wide as a reconstruction circle leaves in the corners."""
    stored = np.full((N, N), value)
    core = slice(width, -width)
    stored[core, core] = (tissue() if inside is None else inside)[core, core]
    return stored


def rim(width: int = 3) -> NDArray[np.bool_]:
    mask = np.ones((N, N), bool)
    mask[width:-width, width:-width] = False
    return mask


@settings(deadline=None)
@given(st.floats(0.01, 20), st.floats(-9000, 9000), st.integers(-(1 << 15), (1 << 16) - 1))
def test_hounsfield_units_are_slope_times_stored_plus_intercept(slope: float, intercept: float, value: int) -> None:
    stored = np.full((4, 4), value)
    found = read(stored, HounsfieldOptions(padding_hu=7), rescale={"slope": slope, "intercept": intercept})
    expected = np.where(found.valid, np.float32(value * slope + intercept), np.float32(7))
    np.testing.assert_array_equal(found.hu, expected)
    assert found.hu.dtype == np.float32


def test_whole_numbers_stay_exact_beyond_16_bits() -> None:
    stored = np.array([[100_000, 16_777_215], [3, 4]])
    np.testing.assert_array_equal(read(stored, rescale={"intercept": 0}).hu, stored)


def test_what_has_no_padding_is_measured_throughout() -> None:
    found = read(tissue())
    assert found.valid.all()
    assert not found.has_odd_padding


def test_declared_padding_at_the_border_is_not_measured() -> None:
    found = read(rimmed(0), rescale={"padding": 0})
    np.testing.assert_array_equal(~found.valid, rim())
    assert (found.hu[rim()] == -1024).all()
    assert not found.has_odd_padding


def test_padding_becomes_what_the_configuration_says() -> None:
    found = read(rimmed(0), HounsfieldOptions(padding_hu=-2000), rescale={"padding": 0})
    assert (found.hu[rim()] == -2000).all()
    np.testing.assert_array_equal(found.hu[~rim()], (tissue() - 1024)[~rim()])


def test_a_range_of_padding_has_either_end_first() -> None:
    stored = rimmed(-2000)
    stored[0, :] = -1950
    for ends in ({"padding": -2000, "padding_limit": -1900}, {"padding": -1900, "padding_limit": -2000}):
        found = read(stored, rescale=ends | {"intercept": 0})
        np.testing.assert_array_equal(~found.valid, rim())
        assert not found.has_odd_padding


def test_the_padding_value_inside_the_body_is_tissue_and_told() -> None:
    inside = tissue()
    inside[8, 8] = inside[8, 9] = 0
    found = read(rimmed(0, inside), rescale={"padding": 0, "intercept": 0})
    np.testing.assert_array_equal(~found.valid, rim())
    assert (found.hu[8, 8:10] == 0).all()
    assert found.has_odd_padding


def test_padding_inside_the_body_but_outside_the_circle_is_padding() -> None:
    inside = tissue()
    inside[3, 3] = 0
    stored = rimmed(1100, inside)
    options = {"rescale": {"padding": 0}, "plane": {"row_spacing": 1.0, "column_spacing": 1.0}}
    assert read(stored, **options).valid[3, 3]
    assert read(stored, reconstruction_diameter=14.0, **options).valid[3, 3]
    assert not read(stored, reconstruction_diameter=12.0, **options).valid[3, 3]


def test_the_circle_is_round_in_millimetres() -> None:
    found = read(
        np.where(np.eye(N, dtype=bool), 0, tissue()),
        rescale={"padding": 0},
        plane={"row_spacing": 2.0, "column_spacing": 1.0},
        reconstruction_diameter=20.0,
    )
    outside = [k for k in range(N) if np.hypot(2.0 * (k - 7.5), k - 7.5) > 10]
    assert set(np.flatnonzero(~np.diag(found.valid))) == set(outside)


@pytest.mark.parametrize("hu", [-1500, -2000, -2048, -3024, -8192])
def test_a_plateau_below_air_in_the_corners_is_padding_though_nobody_declared_it(hu: int) -> None:
    found = read(rimmed(hu), rescale={"intercept": 0})
    np.testing.assert_array_equal(~found.valid, rim())
    assert found.has_odd_padding


@pytest.mark.parametrize("hu", [-1024, -1000, 0])
def test_a_plateau_of_air_or_water_that_nobody_declared_was_measured(hu: int) -> None:
    found = read(rimmed(hu), rescale={"intercept": 0})
    assert found.valid.all()
    assert not found.has_odd_padding


def test_repaired_padding_is_told_where_it_occurs() -> None:
    repaired = {"padding": 0, "padding_repaired": True}
    assert read(rimmed(0), rescale=repaired).has_odd_padding
    assert not read(tissue(), rescale=repaired).has_odd_padding


def test_a_slice_of_nothing_but_padding_has_no_measured_voxel() -> None:
    found = read(np.full((N, N), -2000), rescale={"padding": -2000, "intercept": 0})
    assert not found.valid.any()
    assert (found.hu == -1024).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_the_smallest_slices_are_read(shape: tuple[int, int]) -> None:
    assert read(np.full(shape, 1024)).hu.shape == shape


def test_the_stored_values_are_left_as_they_were() -> None:
    stored = rimmed(0)
    before = stored.copy()
    read(stored, rescale={"padding": 0})
    np.testing.assert_array_equal(stored, before)


def test_air_in_the_bowel_that_reads_like_padding_stays_and_is_not_told() -> None:
    inside = tissue()
    inside[8, 8:10] = 0
    found = read(rimmed(0, inside), rescale={"padding": 0, "intercept": -1024})
    np.testing.assert_array_equal(~found.valid, rim())
    assert not found.has_odd_padding


def test_the_noise_of_air_in_a_corner_is_no_padding() -> None:
    stored = rimmed(-1000)
    stored[0, 0] = stored[-1, 0] = -1300
    found = read(stored, rescale={"intercept": 0})
    assert found.valid.all()
    assert not found.has_odd_padding


def test_where_every_voxel_was_measured_there_is_no_mask() -> None:
    stored = tissue()
    assert to_hounsfield(StoredSlice.of(stored), header_of(stored), OPTIONS).valid is None


few_values = st.sampled_from([-3000, -2000, -1999, -1024, -950, 0, 40, 1000, 63536])
rescales = st.fixed_dictionaries(
    {
        "slope": st.sampled_from([1, 2, 0.5, 1.37, -1]),
        "intercept": st.sampled_from([0, -1024, -1000.5, -8192]),
        "padding": st.none() | few_values,
        "padding_limit": st.none() | few_values,
        "padding_repaired": st.booleans(),
    }
)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda shape: arrays(np.int32, shape, elements=few_values | st.integers(-70_000, 70_000), fill=few_values)
    ),
    rescales,
    st.none() | st.floats(1, 12),
)
def test_slices_are_what_whole_planes_come_to(
    stored: NDArray[np.int32], rescale: dict[str, Any], diameter: float | None
) -> None:
    header = header_of(stored, rescale=rescale, reconstruction_diameter=diameter)
    found = to_hounsfield(StoredSlice.of(stored), header, OPTIONS)
    expected = plain_pixels.to_hounsfield(stored.astype(np.int64), header, OPTIONS.padding_hu)
    np.testing.assert_array_equal(found.hu, expected.hu)
    assert found.has_odd_padding == expected.has_odd_padding
    np.testing.assert_array_equal(True if found.valid is None else found.valid, expected.measured)
    counted = np.repeat(found.values_hu, found.counts)
    np.testing.assert_array_equal(np.sort(counted), np.sort(expected.hu[expected.measured]))
