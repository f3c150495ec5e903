from collections.abc import Callable

import numpy as np
import pytest
import volumes

from pipeline.errors import SeriesRefusedError
from pipeline.features.spread import compute_extremes, compute_mean, compute_mean_and_std
from pipeline.vocabulary import Reason
from pipeline.volume import Mask, Voxels

FAR = volumes.half_valid(volumes.grid((20, 30, 30)))


def test_statistics_are_those_of_the_measured_voxels_alone() -> None:
    values = FAR.voxels[FAR.valid].astype(np.float64)
    assert compute_mean(FAR.voxels, FAR.valid) == pytest.approx(values.mean())
    assert compute_mean_and_std(FAR.voxels, FAR.valid) == pytest.approx((values.mean(), values.std()))
    assert compute_extremes(FAR.voxels, FAR.valid) == (values.min(), values.max())


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    voxels = np.where(np.indices((4, 50, 50)).sum(axis=0) % 2 == 0, np.float32(3000), np.float32(3000.25))
    assert compute_mean_and_std(voxels, np.ones(voxels.shape, np.bool_))[1] == pytest.approx(0.125, rel=1e-9)


@pytest.mark.parametrize("statistic", [compute_mean, compute_mean_and_std, compute_extremes])
def test_nothing_measured_is_a_reason(statistic: Callable[[Voxels, Mask], object]) -> None:
    with pytest.raises(SeriesRefusedError, match="no voxel") as refused:
        statistic(FAR.voxels, np.zeros_like(FAR.valid))
    assert refused.value.reason is Reason.HU_IMPLAUSIBLE


@pytest.mark.parametrize("statistic", [compute_mean_and_std, compute_extremes])
def test_a_constant_has_no_spread_to_divide_by(statistic: Callable[[Voxels, Mask], object]) -> None:
    with pytest.raises(SeriesRefusedError, match="same value"):
        statistic(np.full((3, 4, 5), 7, np.float32), np.ones((3, 4, 5), np.bool_))
