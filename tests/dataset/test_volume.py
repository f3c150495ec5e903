from pathlib import Path

import nibabel
import numpy as np
import phantoms
import prepared
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepared import Moved, only

from pipeline.dataset import Cohort, CohortVolume, open_cohort
from pipeline.dataset.volume import PatchWindow, affine_xyz, to_cxyz
from pipeline.errors import UsageError

WINDOWS = "steps: [{window: {channels: [{preset: lung}, {preset: bone}]}}, {normalise: {to: zero_one}}]\n"


@pytest.fixture(scope="module")
def volume(packed: Cohort) -> CohortVolume:
    (key,) = packed.where(kernel_class="smooth").keys
    return packed.volume(key)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return phantoms.truth_volume(12, 32, 32, seed=2).clip(-1000, 400)


def test_packed_integers_are_normalised_floats_as_values(volume: CohortVolume, truth: np.ndarray) -> None:
    values = volume.values()
    assert (volume.array.dtype, values.dtype, volume.units) == (np.int16, np.float32, "normalised")
    np.testing.assert_allclose(values, (truth + 1000) / 1400, atol=1e-6)


def test_the_inverse_leads_back_to_hu(volume: CohortVolume, truth: np.ndarray) -> None:
    hu = volume.hounsfield()
    assert (hu.dtype, volume.is_invertible) == (np.float32, True)
    np.testing.assert_allclose(hu, truth, atol=1e-3)


def test_a_patch_is_a_part_of_the_values_with_padding_around(volume: CohortVolume) -> None:
    patch = volume.patch((-2, 4, 30), (6, 5, 4))
    assert (patch[:2] == 0).all()
    assert (patch[:, :, 2:] == 0).all()
    np.testing.assert_array_equal(patch[2:, :, :2], volume.values()[:4, 4:9, 30:])


def test_a_patch_beside_the_volume_is_padding(volume: CohortVolume) -> None:
    assert (volume.patch((0, 99, 0), (2, 2, 2)) == 0).all()
    assert not volume.label_patch("mask", (-9, 0, 0), (2, 2, 2)).any()


def test_labels_are_read_by_name(volume: CohortVolume) -> None:
    expected = prepared.lesion((12, 32, 32))
    assert set(volume.labels) == {"lesion"}
    np.testing.assert_array_equal(volume.label_patch("lesion", (2, 18, 4), (4, 6, 6)), expected[2:6, 18:24, 4:10])
    with pytest.raises(UsageError, match="has no tumour; its labels are: lesion"):
        volume.label("tumour")


def test_where_all_was_measured_the_mask_is_one_inside(volume: CohortVolume) -> None:
    assert volume.mask is None
    assert volume.measured().all()
    patch = volume.label_patch("mask", (-1, 0, 0), (2, 1, 1))
    assert patch.ravel().tolist() == [0, 1]


def test_a_stored_mask_is_read(moved: prepared.Moved) -> None:
    tilted = moved("orient")["tilted"]
    measured = tilted.measured()
    assert 0 < measured.mean() < 1
    np.testing.assert_array_equal(tilted.label_patch("mask", (2, 3, 4), (5, 6, 7)), measured[2:7, 3:9, 4:11])


def test_channels_are_named_and_each_leads_back_to_hu(tmp_path: Path) -> None:
    volume = only(prepared.prepared(tmp_path, WINDOWS + "store: {dtype: float32}\n", series={}))
    truth = phantoms.truth_volume(12, 32, 32)
    assert (volume.channels, volume.shape) == (("lung", "bone"), (2, 12, 32, 32))
    hu = volume.hounsfield()
    np.testing.assert_allclose(hu[0], truth.clip(-1350, 150), atol=1e-3)
    np.testing.assert_allclose(hu[1], truth.clip(-500, 1300), atol=1e-3)
    patch = volume.patch((-1, 0, 0), (2, 2, 2))
    np.testing.assert_allclose(patch[:, 0, 0, 0], [(-1024 + 1350) / 1500, 0], atol=1e-6)
    np.testing.assert_array_equal(patch[:, 1], volume.values()[:, 0, :2, :2])


def test_a_volume_in_hu_is_its_own_hu(moved: prepared.Moved) -> None:
    volume = moved("orient")["regular"]
    assert volume.units == "HU"
    np.testing.assert_array_equal(volume.hounsfield(), volume.values())
    assert (volume.patch((-1, 0, 0), (1, 1, 1)) == -1024).all()


def test_where_no_way_leads_back_that_is_said(tmp_path: Path) -> None:
    steps = "steps: [{window: {preset: lung}}, {clip: {low_hu: 500, high_hu: 600}}, {centre: {mean: 3}}]\n"
    volume = only(prepared.prepared(tmp_path, steps, series={}))
    assert not volume.is_invertible
    with pytest.raises(UsageError, match="no way leads back to HU"):
        volume.hounsfield()


def test_a_store_that_a_later_run_has_written_is_opened_anew(tmp_path: Path) -> None:
    before = only(prepared.prepared(tmp_path, prepared.STEPS["nothing"], series={}))
    assert before.shape == (12, 32, 32)
    prepared.prepared_from(tmp_path, tmp_path / "dicom", prepared.STEPS["resample"])
    assert only(open_cohort(tmp_path / "out")).shape == (15, 26, 23)


@pytest.mark.parametrize("stack", ["regular", "feet first", "coronal"])
def test_an_index_goes_to_the_same_place_in_either_order(stack: str, moved: Moved) -> None:
    volume = moved("orient")[stack]
    x, y, z = volume.geometry.world((3, 5, 7))
    np.testing.assert_allclose(affine_xyz(volume.geometry, volume.axes) @ [7, 5, 3, 1], [-x, -y, z, 1])
    assert "".join(nibabel.aff2axcodes(affine_xyz(volume.geometry, volume.axes))) == "LPS"


def test_axes_are_turned_and_channels_stay_in_front() -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert to_cxyz(array, "zyx")[1, 4, 3, 2] == array[1, 2, 3, 4]
    assert to_cxyz(array, "xzy")[1, 2, 4, 3] == array[1, 2, 3, 4]
    assert to_cxyz(array[0], "zyx").shape == (1, 5, 4, 3)


START = st.tuples(*[st.integers(-9, 9)] * 3)
SHAPE = st.tuples(*[st.integers(1, 8)] * 3)
ARRAY = np.arange(5 * 4 * 6).reshape(5, 4, 6) + 1


@given(start=START, shape=SHAPE)
def test_a_window_holds_what_padding_first_and_slicing_then_would(
    start: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    window = PatchWindow.on(ARRAY.shape, start, shape)
    padded = np.pad(ARRAY, 20, constant_values=-7)
    expected = padded[tuple(slice(first + 20, first + 20 + n) for first, n in zip(start, shape, strict=True))]
    np.testing.assert_array_equal(window.fill(ARRAY[window.taken], [-7]), expected)


def test_each_channel_has_its_own_outside() -> None:
    window = PatchWindow.on((5, 4, 6), (-1, 0, 0), (2, 1, 1))
    filled = window.fill(np.stack([ARRAY, ARRAY])[(..., *window.taken)], [-7, -8])
    assert filled[:, 0].ravel().tolist() == [-7, -8]
    assert filled[:, 1].ravel().tolist() == [1, 1]


def test_a_window_inside_is_what_was_taken_itself() -> None:
    window = PatchWindow.on((5, 4, 6), (1, 1, 1), (2, 2, 2))
    part = ARRAY[window.taken]
    assert window.fill(part, [0]) is part


def test_the_visibility_of_a_region_is_its_voxels_on_each_slice(volume: CohortVolume) -> None:
    found = volume.visibility("lesion")
    label = np.asarray(volume.label("lesion")[...])
    assert set(found) == {str(number) for number in np.unique(label[label > 0])}
    for number, voxels in found.items():
        np.testing.assert_array_equal(voxels, (label == int(number)).sum(axis=(1, 2)))
