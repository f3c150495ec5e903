from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from ome_zarr_models.v05 import Image
from stores import CHUNKED, SHAPE, content, write_store

from pipeline.geometry import Xyz, Zyx
from pipeline.store.read import open_store, read_planes


def test_an_oblique_geometry_comes_back_through_its_affine(tmp_path: Path) -> None:
    oblique = replace(content().geometry, axes=Zyx(Xyz(0, -0.6, 0.8), Xyz(0, 0.8, 0.6), Xyz(1, 0, 0)))
    write_store(tmp_path / "s", content(geometry=oblique), CHUNKED)
    np.testing.assert_allclose(open_store(tmp_path / "s").geometry.affine_lps, oblique.affine_lps, rtol=0, atol=1e-12)


def test_plain_zarr_and_dask_read_it(tmp_path: Path) -> None:
    written = content()
    write_store(tmp_path / "s", written, CHUNKED)
    group = zarr.open(tmp_path / "s", mode="r")
    assert group.attrs["ctprep"]["units"] == "HU"
    assert group["0"].metadata.dimension_names == ("z", "y", "x")
    np.testing.assert_array_equal(group["0"][...], written.array)
    np.testing.assert_array_equal(da.from_zarr(str(tmp_path / "s"), component="0").compute(), written.array)


def test_xarray_reads_it_and_unpacks_integers(tmp_path: Path) -> None:
    packed = content(scale_factor=0.01, add_offset=-1.0)
    write_store(tmp_path / "s", packed, CHUNKED)
    with xr.open_zarr(tmp_path / "s", consolidated=False) as dataset:
        assert dataset["0"].dims == ("z", "y", "x")
        np.testing.assert_allclose(dataset["0"].values, packed.array * 0.01 - 1, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(dataset["mask"].values, packed.valid)


@pytest.mark.parametrize("channels", [None, ("brain", "bone")])
def test_an_ome_ngff_validator_accepts_it(tmp_path: Path, channels: tuple[str, ...] | None) -> None:
    shape = SHAPE if channels is None else (2, *SHAPE)
    written = content(shape=shape, channels=channels)
    write_store(tmp_path / "s", written, CHUNKED)
    image = Image.from_zarr(zarr.open_group(tmp_path / "s", mode="r"))
    assert image.ome_attributes.version == "0.5"
    (multiscale,) = image.ome_attributes.multiscales
    assert [axis.name for axis in multiscale.axes] == list("czyx")[-len(shape) :]
    assert [dataset.path for dataset in multiscale.datasets] == ["0"]


def test_channels_lie_in_front_and_share_one_mask(tmp_path: Path) -> None:
    written = content(shape=(2, *SHAPE), channels=("brain", "bone"))
    write_store(tmp_path / "s", written, CHUNKED)
    store = open_store(tmp_path / "s")
    assert store.attributes["channels"] == ["brain", "bone"]
    assert store.array.chunks == (1, 2, 16, 16)
    assert store.mask.shape == SHAPE == store.geometry.shape
    np.testing.assert_array_equal(store.array[...], written.array)


def test_a_group_that_holds_a_group_for_an_array_is_refused(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), CHUNKED)
    group = zarr.open_group(tmp_path / "s", mode="a")
    del group["0"]
    group.create_group("0")
    with pytest.raises(TypeError, match="0 is no array"):
        open_store(tmp_path / "s")


def test_a_missing_store_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_store(tmp_path / "s")


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


def test_every_chunk_is_decoded_once_in_order(group: zarr.Group, monkeypatch: pytest.MonkeyPatch) -> None:
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
