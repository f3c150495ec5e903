import numpy as np
import pytest
import torsos
import volumes

from pipeline.features.anatomy import Samples, find_body, find_lungs
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


def test_what_was_not_measured_is_no_tissue() -> None:
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
