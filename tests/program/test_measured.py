from collections.abc import Callable

import numpy as np
import pytest
import volumes

from pipeline.errors import SeriesRefusedError
from pipeline.features.spread import measured_extremes, measured_mean, measured_mean_and_std
from pipeline.vocabulary import Reason
from pipeline.volume import Mask, Voxels

FAR = volumes.half_measured(volumes.grid((20, 30, 30)))


def test_statistics_are_those_of_the_measured_voxels_alone() -> None:
    values = FAR.voxels[FAR.measured].astype(np.float64)
    assert measured_mean(FAR.voxels, FAR.measured) == pytest.approx(values.mean())
    assert measured_mean_and_std(FAR.voxels, FAR.measured) == pytest.approx((values.mean(), values.std()))
    assert measured_extremes(FAR.voxels, FAR.measured) == (values.min(), values.max())


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    voxels = np.where(np.indices((4, 50, 50)).sum(axis=0) % 2 == 0, np.float32(3000), np.float32(3000.25))
    assert measured_mean_and_std(voxels, np.ones(voxels.shape, np.bool_))[1] == pytest.approx(0.125, rel=1e-9)


@pytest.mark.parametrize("statistic", [measured_mean, measured_mean_and_std, measured_extremes])
def test_nothing_measured_is_a_reason(statistic: Callable[[Voxels, Mask], object]) -> None:
    with pytest.raises(SeriesRefusedError, match="no voxel") as refused:
        statistic(FAR.voxels, np.zeros_like(FAR.measured))
    assert refused.value.reason is Reason.HU_IMPLAUSIBLE


@pytest.mark.parametrize("statistic", [measured_mean_and_std, measured_extremes])
def test_a_constant_has_no_spread_to_divide_by(statistic: Callable[[Voxels, Mask], object]) -> None:
    with pytest.raises(SeriesRefusedError, match="same value"):
        statistic(np.full((3, 4, 5), 7, np.float32), np.ones((3, 4, 5), np.bool_))
