from functools import reduce

import numpy as np
import pytest
from feature_volumes import histogram_of, masked_volumes, noisy, volume_of, voxel_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.features.statistics import BIN_LIMIT_HU, Histogram, find_air_peak
from pipeline.volume import Volume

histograms = voxel_blocks.map(lambda voxels: histogram_of(volume_of(voxels)))


def test_a_bin_counts_the_voxels_that_round_to_it() -> None:
    histogram = histogram_of(volume_of(np.array([[[-1.4, -0.6, 0.4, 1.2, 1.3, 2.6]]])))
    assert histogram.first_bin_hu == -1
    assert histogram.counts.tolist() == [2, 1, 2, 0, 1]


@given(masked_volumes)
@settings(max_examples=60, deadline=None)
def test_every_valid_voxel_is_counted_once(volume: Volume) -> None:
    histogram = histogram_of(volume)
    assert histogram.total == volume.valid.sum()
    expected, counts = np.unique(np.rint(volume.voxels[volume.valid]), return_counts=True)
    assert histogram.bins_hu[histogram.counts > 0].tolist() == expected.tolist()
    assert histogram.counts[histogram.counts > 0].tolist() == counts.tolist()


def test_a_hostile_rescale_slope_does_not_allocate_endless_bins() -> None:
    histogram = histogram_of(volume_of(np.array([[[-1e30, 0.0, 1e30]]])))
    assert histogram.counts.size == 2 * BIN_LIMIT_HU + 1
    assert histogram.counts[[0, BIN_LIMIT_HU, -1]].tolist() == [1, 1, 1]


@given(st.lists(histograms, max_size=4))
@settings(max_examples=40, deadline=None)
def test_merged_histograms_count_everything_in_any_order(parts: list[Histogram]) -> None:
    merged = reduce(Histogram.merge, parts, Histogram.empty())
    backwards = reduce(Histogram.merge, reversed(parts), Histogram.empty())
    assert merged.total == sum(part.total for part in parts)
    assert merged.first_bin_hu == backwards.first_bin_hu
    assert np.array_equal(merged.counts, backwards.counts)
    for part in parts:
        assert (merged.count_between(-3000, 5001) >= part.count_between(-3000, 5001)).all()


@given(voxel_blocks, st.floats(0, 100))
@settings(max_examples=60, deadline=None)
def test_a_percentile_is_within_half_a_bin_of_the_voxels_own(voxels: np.ndarray, percent: float) -> None:
    exact = np.percentile(np.rint(voxels), percent, method="inverted_cdf")
    assert histogram_of(volume_of(voxels)).percentile(percent) == exact


def test_mean_and_deviation_of_whole_numbers_are_exact() -> None:
    values = np.rint(noisy(40, 300))
    histogram = histogram_of(volume_of(values))
    assert histogram.mean_hu == pytest.approx(values.mean(), rel=1e-12)
    assert histogram.std_hu == pytest.approx(values.std(), rel=1e-12)


def test_the_empty_histogram_says_nothing() -> None:
    empty = Histogram.empty()
    assert (empty.total, empty.mean_hu, empty.std_hu, empty.percentile(50)) == (0, None, None, None)
    assert empty.share_above(0) is None
    assert find_air_peak(empty) is None


@pytest.mark.parametrize("std", [0, 5, 30, 50])
def test_the_air_around_the_patient_is_found_at_its_place(std: float) -> None:
    voxels = np.concatenate([noisy(-996, std), noisy(40, 15)])
    assert find_air_peak(histogram_of(volume_of(voxels))) == pytest.approx(-996, abs=0.3 * std)


def test_the_air_is_found_between_the_empty_bins_of_a_slope_of_two() -> None:
    voxels = 2 * np.rint(noisy(-1000, 20) / 2)
    assert find_air_peak(histogram_of(volume_of(voxels))) == pytest.approx(-1000, abs=6)


@pytest.mark.parametrize(
    "voxels",
    [
        pytest.param(noisy(40, 15), id="no air at all"),
        pytest.param(noisy(-850, 40), id="lung alone: a flank that rises to the rim"),
        pytest.param(np.linspace(-1200, -800, 40_000).reshape(4, 100, 100), id="a plain"),
        pytest.param(np.r_[noisy(40, 15).ravel(), -1000].reshape(1, 1, -1), id="a single voxel"),
    ],
)
def test_no_air_peak_is_named_where_none_stands_out(voxels: np.ndarray) -> None:
    assert find_air_peak(histogram_of(volume_of(voxels))) is None
