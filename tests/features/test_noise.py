import numpy as np
import pytest
from measured import noisy, volume_of

from pipeline.features.noise import noise


@pytest.mark.parametrize("std", [3, 12, 40])
def test_white_noise_in_soft_tissue_is_estimated_within_five_per_cent(std: float) -> None:
    assert noise(volume_of(np.rint(noisy(40, std)))) == pytest.approx(std, rel=0.05)


def test_edges_and_air_hardly_move_the_noise_estimate() -> None:
    voxels = noisy(40, 12)
    voxels[:, 10:20, 10:40] += 1000
    voxels[:, 40:, :] -= 1040
    assert noise(volume_of(voxels)) == pytest.approx(12, rel=0.1)


def test_no_noise_is_named_without_soft_tissue_or_in_planes_too_small_for_it() -> None:
    assert noise(volume_of(noisy(-900, 10))) is None
    assert noise(volume_of(noisy(40, 10, (64, 2, 64)))) is None
