from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from pipeline.store.read import read_planes


@pytest.fixture
def group(tmp_path: Path) -> zarr.Group:
    return zarr.create_group(tmp_path / "g")


@pytest.mark.parametrize("shape", [(7, 5, 6), (2, 7, 5, 6)])
def test_planes_come_back_with_their_masks(group: zarr.Group, shape: tuple[int, ...]) -> None:
    voxels = np.arange(np.prod(shape)).reshape(shape)
    mask = np.random.default_rng(0).integers(0, 2, shape[-3:]).astype(np.uint8)
    group.create_array("0", data=voxels, chunks=(*(1 for _ in shape[:-3]), 3, 4, 4))
    group.create_array("mask", data=mask, chunks=(3, 5, 6))
    for name in ("mask", "none", None):
        planes = read_planes(group, "0", name)
        for z in (*range(7), 2):
            plane, valid = planes(z)
            np.testing.assert_array_equal(plane, voxels.reshape(-1, *shape[-3:])[:, z])
            assert (valid is None) == (name != "mask")
            assert valid is None or (valid == mask[z]).all()


def test_asked_for_in_order_every_chunk_is_decoded_once(group: zarr.Group, monkeypatch: pytest.MonkeyPatch) -> None:
    group.create_array("0", data=np.zeros((7, 5, 6)), chunks=(3, 5, 6))
    read: list[Any] = []
    whole = zarr.Array.__getitem__

    def noted(array: "zarr.Array[Any]", selection: Any) -> Any:
        read.append(selection)
        return whole(array, selection)

    monkeypatch.setattr(zarr.Array, "__getitem__", noted)
    planes = read_planes(group, "0", None)
    for z in range(7):
        planes(z)
    assert [selection[1] for selection in read] == [slice(0, 3), slice(3, 6), slice(6, 9)]
