import tracemalloc

import numpy as np
import pytest
from feature_volumes import features_of, masked_volumes, noisy, volume_of
from hypothesis import given, settings

from pipeline.features.figures import RunningFeatures
from pipeline.record import RECORD_COLUMNS, SeriesRecord
from pipeline.vocabulary import Status
from pipeline.volume import Volume


@given(masked_volumes)
@settings(max_examples=60, deadline=None)
def test_statistics_use_valid_voxels_only(volume: Volume) -> None:
    features = features_of(volume)
    values = volume.voxels[volume.valid].astype(np.float64)
    assert features["padding_share"] == pytest.approx(1 - values.size / volume.voxels.size)
    if not values.size:
        assert (features["hu_min"], features["hu_max"], features["hu_mean"], features["hu_std"]) == (None,) * 4
        return
    assert (features["hu_min"], features["hu_max"]) == (values.min(), values.max())
    assert features["hu_mean"] == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
    assert features["hu_std"] == pytest.approx(values.std(), rel=1e-6, abs=1e-6)


def test_features_are_columns_of_a_record() -> None:
    features = features_of(volume_of(noisy(0, 10)))
    record = SeriesRecord(series_key="0" * 20, status=Status.OK, **features)
    assert features.keys() <= RECORD_COLUMNS.keys()
    assert {type(value) for value in features.values()} == {float, int, type(None)}
    assert record.hu_mean == features["hu_mean"]


def test_invalid_voxels_change_only_their_share() -> None:
    voxels = noisy(40, 10)
    padded = np.concatenate([voxels, np.full_like(voxels, -1024)], axis=2)
    valid = np.arange(padded.shape[2]) < voxels.shape[2]
    features = features_of(volume_of(padded, np.broadcast_to(valid, padded.shape)))
    assert features == {**features_of(volume_of(voxels)), "padding_share": 0.5}


def test_body_and_metal_are_shares_of_valid_voxels() -> None:
    features = features_of(volume_of(np.array([[[-1000, -300, -299, 0, 3000, 3001, 5000, 40]]])))
    assert (features["body_share"], features["metal_share"]) == (6 / 8, 2 / 8)


def test_blank_and_repeated_slices_are_counted() -> None:
    voxels = noisy(0, 10, (6, 8, 8))
    voxels[1] = -1000
    voxels[4] = voxels[3]
    features = features_of(volume_of(voxels))
    assert (features["blank_slices"], features["repeated_slices"]) == (1, 1)


def test_a_slice_is_blank_when_only_its_padding_differs() -> None:
    voxels = np.zeros((2, 4, 4))
    voxels[:, 0] = -1024
    voxels[1, 3, 3] = 7
    assert features_of(volume_of(voxels, voxels != -1024))["blank_slices"] == 1


def test_slices_may_pass_in_any_order() -> None:
    voxels = noisy(40, 300, (7, 8, 8)).astype(np.float32)
    forwards, backwards = RunningFeatures(7), RunningFeatures(7)
    for running, order in ((forwards, range(7)), (backwards, reversed(range(7)))):
        for k in order:
            running.add(k, voxels[k], None, *np.unique(voxels[k], return_counts=True))
    assert forwards.features(0) == backwards.features(0)


def test_memory_of_features_does_not_grow_with_slices() -> None:
    plane = noisy(0, 10, (1, 64, 64)).astype(np.float32)[0]
    values_hu, counts = np.unique(plane, return_counts=True)
    running = RunningFeatures(1000)
    tracemalloc.start()
    for k in range(1000):
        running.add(k, plane, None, values_hu, counts)
    running.features(0)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 50 * plane.nbytes
