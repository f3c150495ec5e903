"""Volumes for the tests of what is measured on them: voxels in HU on a grid of 1 mm."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.features.figures import Features, RunningFeatures
from pipeline.features.statistics import Histogram
from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.volume import Mask, Volume

AXES = Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0))


def volume_of(voxels: np.ndarray, valid: Mask | None = None) -> Volume:
    geometry = Geometry(Zyx(*voxels.shape), Zyx(1.0, 1.0, 1.0), Xyz(0, 0, 0), AXES)
    known = np.ones(voxels.shape, np.bool_) if valid is None else valid
    return Volume(voxels.astype(np.float32), known, geometry)


def features_of(volume: Volume) -> Features:
    """Return the features of a volume whose slices pass one by one."""
    repeated = sum(np.array_equal(before, after) for before, after in pairwise(volume.voxels))
    return _passed(volume).features(repeated)


def histogram_of(volume: Volume) -> Histogram:
    """Return the histogram of a volume whose slices pass one by one."""
    return _passed(volume).histogram()


def _passed(volume: Volume) -> RunningFeatures:
    running = RunningFeatures(len(volume.voxels))
    for k, (plane, valid) in enumerate(zip(volume.voxels, volume.valid, strict=True)):
        values_hu, counts = np.unique(plane[valid], return_counts=True)
        running.add(k, plane, None if valid.all() else valid, values_hu, counts)
    return running


def noisy(mean: float, std: float, shape: tuple[int, int, int] = (4, 64, 64)) -> np.ndarray:
    return np.random.default_rng(7).normal(mean, std, shape)


voxel_blocks = arrays(np.float32, st.tuples(*[st.integers(1, 6)] * 3), elements=st.floats(-3000, 5000, width=32))
masked_volumes = voxel_blocks.flatmap(
    lambda voxels: arrays(np.bool_, voxels.shape).map(lambda valid: volume_of(voxels, valid))
)
