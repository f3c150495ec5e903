from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from ome_zarr_models.v05 import Image
from stores import CHUNKED, SHAPE, content, write_store

from pipeline.geometry import Xyz, Zyx
from pipeline.store.read import open_store


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


def test_what_is_not_there_is_told_as_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_store(tmp_path / "s")
