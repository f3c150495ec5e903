import tracemalloc
from dataclasses import asdict, fields, replace
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.axes import Xyz, Zyx
from pipeline.features import BIN_LIMIT_HU, Features, Histogram, air_peak, features_of, histogram_of, noise
from pipeline.geometry import Geometry
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Status
from pipeline.volume import Mask, Volume

AXES = Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0))


def volume_of(voxels: np.ndarray, measured: Mask | None = None) -> Volume:
    geometry = Geometry(Zyx(*voxels.shape), Zyx(1.0, 1.0, 1.0), Xyz(0, 0, 0), AXES)
    known = np.ones(voxels.shape, np.bool_) if measured is None else measured
    return Volume(voxels.astype(np.float32), known, geometry)


def noisy(mean: float, std: float, shape: tuple[int, int, int] = (4, 64, 64)) -> np.ndarray:
    return np.random.default_rng(7).normal(mean, std, shape)


voxel_blocks = arrays(np.float32, st.tuples(*[st.integers(1, 6)] * 3), elements=st.floats(-3000, 5000, width=32))
masked_volumes = voxel_blocks.flatmap(
    lambda voxels: arrays(np.bool_, voxels.shape).map(lambda measured: volume_of(voxels, measured))
)
histograms = voxel_blocks.map(lambda voxels: histogram_of(volume_of(voxels)))


def test_a_bin_counts_the_voxels_that_round_to_it() -> None:
    histogram = histogram_of(volume_of(np.array([[[-1.4, -0.6, 0.4, 1.2, 1.3, 2.6]]])))
    assert histogram.first_bin_hu == -1
    assert histogram.counts.tolist() == [2, 1, 2, 0, 1]


@given(masked_volumes)
@settings(max_examples=60)
def test_every_measured_voxel_is_counted_once_and_no_other(volume: Volume) -> None:
    histogram = histogram_of(volume)
    assert histogram.total == volume.measured.sum()
    expected, counts = np.unique(np.rint(volume.voxels[volume.measured]), return_counts=True)
    assert histogram.bins_hu[histogram.counts > 0].tolist() == expected.tolist()
    assert histogram.counts[histogram.counts > 0].tolist() == counts.tolist()


def test_a_hostile_rescale_slope_does_not_ask_for_endless_bins() -> None:
    histogram = histogram_of(volume_of(np.array([[[-1e30, 0.0, 1e30]]])))
    assert histogram.counts.size == 2 * BIN_LIMIT_HU + 1
    assert histogram.counts[[0, BIN_LIMIT_HU, -1]].tolist() == [1, 1, 1]


@given(st.lists(histograms, max_size=4))
@settings(max_examples=40)
def test_merged_histograms_count_everything_in_any_order(parts: list[Histogram]) -> None:
    merged = reduce(Histogram.merge, parts, Histogram.empty())
    backwards = reduce(Histogram.merge, reversed(parts), Histogram.empty())
    assert merged.total == sum(part.total for part in parts)
    assert merged.first_bin_hu == backwards.first_bin_hu
    assert np.array_equal(merged.counts, backwards.counts)
    for part in parts:
        assert (merged.count_between(-3000, 5001) >= part.count_between(-3000, 5001)).all()


@given(voxel_blocks, st.floats(0, 100))
@settings(max_examples=60)
def test_a_percentile_is_within_half_a_bin_of_the_voxels_own(voxels: np.ndarray, percent: float) -> None:
    exact = np.percentile(np.rint(voxels), percent, method="inverted_cdf")
    assert histogram_of(volume_of(voxels)).percentile(percent) == exact


def test_a_histogram_knows_mean_and_spread_of_whole_numbers_exactly() -> None:
    values = np.rint(noisy(40, 300))
    histogram = histogram_of(volume_of(values))
    assert histogram.mean_hu == pytest.approx(values.mean(), rel=1e-12)
    assert histogram.std_hu == pytest.approx(values.std(), rel=1e-12)


def test_the_empty_histogram_says_nothing() -> None:
    empty = Histogram.empty()
    assert (empty.total, empty.mean_hu, empty.std_hu, empty.percentile(50)) == (0, None, None, None)
    assert empty.share_above(0) is None
    assert air_peak(empty) is None


@given(masked_volumes)
@settings(max_examples=60)
def test_extremes_mean_and_spread_are_those_of_the_measured_voxels(volume: Volume) -> None:
    features = features_of(volume)
    values = volume.voxels[volume.measured].astype(np.float64)
    assert features.padding_share == pytest.approx(1 - values.size / volume.voxels.size)
    if not values.size:
        assert (features.hu_min, features.hu_max, features.hu_mean, features.hu_std) == (None,) * 4
        return
    assert (features.hu_min, features.hu_max) == (values.min(), values.max())
    assert features.hu_mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
    assert features.hu_std == pytest.approx(values.std(), rel=1e-6, abs=1e-6)


def test_features_fit_into_a_record_under_their_own_names_as_plain_numbers() -> None:
    features = features_of(volume_of(noisy(0, 10)))
    record = SeriesRecord(series_key="0" * 20, status=Status.OK, **asdict(features))
    assert {field.name for field in fields(Features)} <= set(SeriesRecord.__dataclass_fields__)
    assert {type(value) for value in asdict(features).values()} == {float, int, type(None)}
    assert record.hu_mean == features.hu_mean


def test_a_histogram_that_was_counted_before_is_used() -> None:
    volume = volume_of(noisy(-1000, 10))
    assert features_of(volume, histogram_of(volume)) == features_of(volume)


def test_what_is_not_measured_changes_nothing_but_its_share() -> None:
    voxels = noisy(40, 10)
    padded = np.concatenate([voxels, np.full_like(voxels, -1024)], axis=2)
    measured = np.arange(padded.shape[2]) < voxels.shape[2]
    features = features_of(volume_of(padded, np.broadcast_to(measured, padded.shape)))
    assert features == replace(features_of(volume_of(voxels)), padding_share=0.5)


@pytest.mark.parametrize("std", [0, 5, 30, 50])
def test_the_air_around_the_patient_is_found_at_its_place(std: float) -> None:
    voxels = np.concatenate([noisy(-996, std), noisy(40, 15)])
    assert air_peak(histogram_of(volume_of(voxels))) == pytest.approx(-996, abs=0.3 * std)


def test_the_air_is_found_between_the_empty_bins_of_a_slope_of_two() -> None:
    voxels = 2 * np.rint(noisy(-1000, 20) / 2)
    assert air_peak(histogram_of(volume_of(voxels))) == pytest.approx(-1000, abs=6)


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
    assert air_peak(histogram_of(volume_of(voxels))) is None


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


def test_body_and_metal_are_shares_of_the_measured_voxels() -> None:
    features = features_of(volume_of(np.array([[[-1000, -300, -299, 0, 3000, 3001, 5000, 40]]])))
    assert (features.body_share, features.metal_share) == (6 / 8, 2 / 8)


def test_blank_and_repeated_slices_are_counted() -> None:
    voxels = noisy(0, 10, (6, 8, 8))
    voxels[1] = -1000
    voxels[4] = voxels[3]
    features = features_of(volume_of(voxels))
    assert (features.blank_slices, features.repeated_slices) == (1, 1)


def test_a_slice_is_blank_when_only_its_padding_differs() -> None:
    voxels = np.zeros((2, 4, 4))
    voxels[:, 0] = -1024
    voxels[1, 3, 3] = 7
    assert features_of(volume_of(voxels, voxels != -1024)).blank_slices == 1


def test_the_memory_of_the_figures_is_a_part_of_the_volumes() -> None:
    volume = volume_of(noisy(0, 10, (600, 64, 64)))
    tracemalloc.start()
    features_of(volume)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < volume.voxels.nbytes / 2
