import numpy as np
import plain_features
import pytest
from feature_volumes import features_of, masked_volumes, noisy, volume_of
from hypothesis import given, settings

from pipeline.features.figures import estimate_noise, measure_soft_tissue_roughness
from pipeline.volume import Volume


@pytest.mark.parametrize("std", [3, 12, 40])
def test_white_noise_in_soft_tissue_is_estimated_within_five_per_cent(std: float) -> None:
    assert features_of(volume_of(np.rint(noisy(40, std))))["noise_hu"] == pytest.approx(std, rel=0.05)


def test_edges_and_air_hardly_move_the_noise_estimate() -> None:
    voxels = noisy(40, 12)
    voxels[:, 10:20, 10:40] += 1000
    voxels[:, 40:, :] -= 1040
    assert features_of(volume_of(voxels))["noise_hu"] == pytest.approx(12, rel=0.1)


def test_noise_is_undefined_without_soft_tissue() -> None:
    assert features_of(volume_of(noisy(-900, 10)))["noise_hu"] is None
    assert features_of(volume_of(noisy(40, 10, (64, 2, 64))))["noise_hu"] is None


def test_noise_is_that_of_the_whole_volume_bit_for_bit() -> None:
    volume = volume_of(noisy(40, 12, (40, 32, 32)), np.random.default_rng(0).random((40, 32, 32)) > 0.02)
    expected = plain_features.noise(volume)
    assert expected is not None
    assert features_of(volume)["noise_hu"] == expected


@settings(max_examples=60, deadline=None)
@given(masked_volumes)
def test_roughness_is_that_of_whole_planes(volume: Volume) -> None:
    for plane, valid in zip(volume.voxels, volume.valid, strict=True):
        np.testing.assert_array_equal(
            measure_soft_tissue_roughness(plane, valid), plain_features.roughness(plane, valid)
        )


def test_nothing_rough_gives_no_noise() -> None:
    assert estimate_noise([]) is None
