from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zarr

from pipeline.dataset.sampling import Foreground


@pytest.fixture
def label(tmp_path: Path) -> "zarr.Array":
    array = np.zeros((9, 10, 11), np.uint8)
    array[0, 0, 0] = 3
    array[8, 9, 10] = 1
    array[4, 4, 2:8] = 1
    return zarr.create_array(tmp_path / "label", data=array, chunks=(4, 4, 4))


def test_every_voxel_of_the_foreground_is_as_likely(label: "zarr.Array") -> None:
    foreground = Foreground.of(label)
    rng = np.random.default_rng(0)
    drawn = Counter(foreground.draw(label, rng) for _ in range(1600))
    assert foreground.n_voxels == 8
    assert set(drawn) == {tuple(map(int, at)) for at in np.argwhere(label[...] > 0)}
    assert all(140 < n < 260 for n in drawn.values())


def test_an_empty_label_has_no_voxel(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "label", data=np.zeros((5, 5, 5), np.uint8), chunks=(2, 2, 2))
    assert Foreground.of(array).n_voxels == 0
