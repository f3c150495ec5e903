from math import ceil

import numpy as np
import pytest
import torsos
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.features.anatomy import SAMPLE_MM, Samples, find_body, find_lungs, search_bytes, strides
from pipeline.geometry import Zyx
from pipeline.volume import Mask, Volume

TORSO = torsos.torso()


def body(volume: Volume) -> Mask:
    return find_body(Samples.of(volume))


def lungs(volume: Volume) -> Mask:
    return find_lungs(Samples.of(volume))


def test_the_body_is_the_tissue_without_lungs_and_table() -> None:
    found = body(TORSO)
    tissue = TORSO.voxels == torsos.TISSUE_HU
    assert not found[TORSO.voxels == torsos.LUNG_HU].any()
    assert (found & tissue).sum() > 0.99 * tissue.sum()
    assert not found[TORSO.voxels == torsos.AIR_HU].any()
    assert (found & (TORSO.voxels == torsos.TABLE_HU)).sum() < 0.15 * (TORSO.voxels == torsos.TABLE_HU).sum()


def test_the_smaller_piece_is_not_the_body() -> None:
    hu = TORSO.voxels.copy()
    hu[:, :12, :12] = 40
    assert not body(volumes.volume(hu, TORSO.geometry))[:, :12, :12].any()


def test_invalid_voxels_are_no_tissue() -> None:
    valid = torsos.cut_off(TORSO.geometry, 70)
    assert not body(Volume(TORSO.voxels, valid, TORSO.geometry))[~valid].any()


def test_in_air_there_is_no_body_and_there_are_no_lungs() -> None:
    air = volumes.volume(np.full(TORSO.geometry.shape, -1000, np.float32), TORSO.geometry)
    assert not body(air).any()
    assert not lungs(air).any()


@pytest.mark.parametrize("n", [1, 2])
def test_the_lungs_are_the_air_within_the_body(n: int) -> None:
    torso = torsos.torso(lungs=n)
    np.testing.assert_array_equal(lungs(torso), torso.voxels == torsos.LUNG_HU)


def test_gas_beside_the_lungs_is_no_lung() -> None:
    hu = TORSO.voxels.copy()
    gas = (slice(18, 22), slice(47, 53), slice(62, 68))
    hu[gas] = -1000
    assert not lungs(volumes.volume(hu, TORSO.geometry))[gas].any()


def test_less_than_a_newborns_lungs_are_none() -> None:
    assert not lungs(torsos.torso(lung_scale=0.5)).any()


def test_air_that_reaches_the_border_of_a_slice_lies_outside() -> None:
    hu = TORSO.voxels.copy()
    hu[:, 50] = -1000  # the body is open to both sides
    assert not lungs(volumes.volume(hu, TORSO.geometry)).any()


def test_a_round_field_of_view_makes_no_lungs() -> None:
    torso = torsos.torso(lungs=0)
    assert not lungs(Volume(torso.voxels, torsos.cut_off(torso.geometry, 90), torso.geometry)).any()


def test_lungs_may_reach_the_first_and_the_last_slice() -> None:
    middle = volumes.volume(TORSO.voxels[15:25], TORSO.geometry.regrid(Zyx(15, 0, 0), Zyx(1, 1, 1), Zyx(10, 100, 130)))
    assert lungs(middle)[[0, -1]].any(axis=(1, 2)).all()


FINE = volumes.grid((12, 30, 28), (0.7, 0.45, 0.9))


@pytest.mark.parametrize(("spacing_mm", "stride"), [(0.45, 4), (0.7, 2), (1.0, 2), (1.01, 1), (2.0, 1), (8.0, 1)])
def test_samples_are_at_most_two_millimetres_apart(spacing_mm: float, stride: int) -> None:
    assert strides(volumes.grid((4, 4, 4), (spacing_mm, 1, 1))).z == stride
    assert stride * spacing_mm <= SAMPLE_MM or stride == 1


@pytest.mark.parametrize("order", [Zyx(0, 1, 2), Zyx(1, 0, 2), Zyx(2, 1, 0)])
def test_the_axis_from_foot_to_head_is_first(order: Zyx[int]) -> None:
    upright = torsos.grid(Zyx(5, 20, 30), Zyx(3.0, 1.5, 1.5))
    samples = Samples.of(torsos.torso(torsos.turned(upright, order)))
    assert samples.hu.shape[0] == upright.shape.z


def test_a_sample_stands_for_the_voxels_from_it_to_the_next() -> None:
    samples = Samples.of(volumes.noise(volumes.grid((4, 40, 40), (5, 1, 1))))
    assert samples.sample_ml == pytest.approx(5 * 2 * 2 / 1000)


def test_interpolated_voxels_are_used_in_a_search() -> None:
    nothing, everything = np.zeros(FINE.shape, np.bool_), np.ones(FINE.shape, np.bool_)
    voxels = volumes.noise(FINE).voxels
    assert not Samples.of(Volume(voxels, nothing, FINE)).seen.any()
    assert Samples.of(Volume(voxels, nothing, FINE, usable=everything)).seen.all()


@settings(max_examples=40, deadline=None)
@given(st.data(), st.floats(0, 6))
def test_a_box_holds_the_voxels_that_were_found_and_the_margin(data: st.DataObject, margin_mm: float) -> None:
    low = tuple(data.draw(st.integers(0, n - 5)) for n in FINE.shape)
    high = tuple(data.draw(st.integers(first + 4, n - 1)) for first, n in zip(low, FINE.shape, strict=True))
    hu = np.full(FINE.shape, -1000, np.float32)
    hu[tuple(slice(first, last + 1) for first, last in zip(low, high, strict=True))] = 0
    samples = Samples.of(volumes.volume(hu, FINE))
    box = samples.box_around(samples.hu > -500, margin_mm)
    assert box is not None
    for start, n, first, last, size, mm, k in zip(
        *box, low, high, FINE.shape, FINE.spacing_mm, strides(FINE), strict=True
    ):
        margin = ceil(margin_mm / mm)
        assert max(0, first - margin - k + 1) <= start <= max(0, first - margin)
        assert min(size, last + 1 + margin) <= start + n <= min(size, last + margin + k)


def test_around_nothing_there_is_no_box() -> None:
    samples = Samples.of(volumes.noise(FINE))
    assert samples.box_around(np.zeros_like(samples.seen), 5) is None


def test_a_search_on_fine_voxels_takes_less_than_the_volume() -> None:
    assert search_bytes(volumes.grid((300, 512, 512), (1.25, 0.75, 0.75))) < 300 * 512 * 512 * 4.1
