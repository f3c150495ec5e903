from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import volumes
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SeriesRefusedError
from pipeline.features.statistics import Spread, compute_extremes, compute_mean, compute_mean_and_std, merge_spreads
from pipeline.vocabulary import Reason
from pipeline.volume import Mask, Voxels

values = st.lists(st.floats(-3000, 5000), max_size=8)


def spread_of(part: list[float]) -> Spread:
    if not part:
        return Spread()
    mean = sum(part) / len(part)
    return Spread(len(part), min(part), max(part), mean, sum((value - mean) ** 2 for value in part))


@given(st.lists(values, max_size=5))
def test_merged_parts_are_spread_as_all_values_together(parts: list[list[float]]) -> None:
    found, expected = merge_spreads([spread_of(part) for part in parts]), spread_of([*chain.from_iterable(parts)])
    assert (found.n, found.low, found.high) == (expected.n, expected.low, expected.high)
    assert found.mean == pytest.approx(expected.mean, rel=1e-9, abs=1e-9)
    assert found.std == pytest.approx(expected.std, rel=1e-6, abs=1e-3)


@given(values)
def test_the_empty_spread_changes_nothing(part: list[float]) -> None:
    spread = spread_of(part)
    assert spread.merge(Spread()) == Spread().merge(spread) == spread


def test_one_value_or_none_is_flat() -> None:
    assert Spread().is_flat
    assert spread_of([40.0, 40.0]).is_flat
    assert not spread_of([40.0, 41.0]).is_flat


FAR = volumes.half_valid(volumes.grid((20, 30, 30)))


def test_features_use_valid_voxels_only() -> None:
    values = FAR.voxels[FAR.valid].astype(np.float64)
    assert compute_mean(FAR.voxels, FAR.valid) == pytest.approx(values.mean())
    assert compute_mean_and_std(FAR.voxels, FAR.valid) == pytest.approx((values.mean(), values.std()))
    assert compute_extremes(FAR.voxels, FAR.valid) == (values.min(), values.max())


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    voxels = np.where(np.indices((4, 50, 50)).sum(axis=0) % 2 == 0, np.float32(3000), np.float32(3000.25))
    assert compute_mean_and_std(voxels, np.ones(voxels.shape, np.bool_))[1] == pytest.approx(0.125, rel=1e-9)


@pytest.mark.parametrize("statistic", [compute_mean, compute_mean_and_std, compute_extremes])
def test_a_volume_without_valid_voxels_is_refused(statistic: Callable[[Voxels, Mask], object]) -> None:
    with pytest.raises(SeriesRefusedError, match="no voxel") as refused:
        statistic(FAR.voxels, np.zeros_like(FAR.valid))
    assert refused.value.reason is Reason.HU_IMPLAUSIBLE


@pytest.mark.parametrize("statistic", [compute_mean_and_std, compute_extremes])
def test_a_constant_has_no_spread_to_divide_by(statistic: Callable[[Voxels, Mask], object]) -> None:
    with pytest.raises(SeriesRefusedError, match="same value"):
        statistic(np.full((3, 4, 5), 7, np.float32), np.ones((3, 4, 5), np.bool_))
