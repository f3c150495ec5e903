from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import ngff_zarr
import numpy as np
import pytest
import stores
import volumes
import xarray as xr
import zarr
from ome_zarr_models.v05 import Image
from prepared import only, prepared
from stores import StoreContent

from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.prepare.pyramid import HALVED, build_label_levels, write_pyramid
from pipeline.program import execute
from pipeline.program.program import Program, StoredType
from pipeline.store import write
from pipeline.store.layout import StoreOptions
from pipeline.store.read import open_store
from pipeline.store.write import StoreReceipt
from pipeline.volume import ClampedLine, Volume, VolumeSpec

GEOMETRY = volumes.grid((11, 24, 19), (2.5, 0.7, 0.8))
OPTIONS = StoreOptions(chunks=(4, 8, 8))


def content(dtype: str = "int16", geometry: Geometry = GEOMETRY, *, whole: bool = True, **told: Any) -> StoreContent:
    source = volumes.noise(geometry) if whole else volumes.half_valid(geometry)
    return StoreContent(array=source.voxels.astype(dtype), valid=source.valid, geometry=geometry, attributes={}, **told)


def write_levels(folder: Path, given: StoreContent, n_levels: int, options: StoreOptions = OPTIONS) -> StoreReceipt:
    dtype = next(name for name in get_args(StoredType) if name == str(given.array.dtype))
    told = write.StoreContent(planes=given.plane, dtype=dtype, geometry=given.geometry, channels=given.channels)
    with write.create_store(folder, options) as store:
        store.write(told)
        return store.finish(told, {}, write_pyramid(store, told, n_levels, dtype))


def level(folder: Path, n: int) -> np.ndarray:
    return zarr.open_group(folder, mode="r")[str(n)][...]


def halved(array: np.ndarray, valid: np.ndarray, geometry: Geometry) -> execute.PreparedVolume:
    program = Program.compile([HALVED], VolumeSpec(geometry), "float32")
    return execute.execute_on_volume(program, Volume(array.astype(np.float32), valid, geometry))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("dtype", ["int16", "float16"])
def test_every_level_is_the_one_before_filtered_and_halved(tmp_path: Path, dtype: str, *, whole: bool) -> None:
    given = content(dtype, whole=whole)
    write_levels(tmp_path / "s", given, 4)
    array, valid, geometry = given.array, given.valid, given.geometry
    for n in (1, 2, 3):
        expected = halved(array, valid, geometry)
        array, valid, geometry = level(tmp_path / "s", n), expected.valid, expected.spec.geometry
        assert array.dtype == dtype
        wanted = np.rint(expected.array) if dtype == "int16" else expected.array.astype(dtype)
        np.testing.assert_array_equal(array, wanted)


def test_padding_does_not_leak_into_valid_voxels(tmp_path: Path) -> None:
    array, valid = np.full(GEOMETRY.shape, -1024, np.int16), np.zeros(GEOMETRY.shape, np.bool_)
    valid[:, :13], array[:, :13] = True, 40
    write_levels(tmp_path / "s", replace(content(), array=array, valid=valid), 3)
    for n in (1, 2):
        assert set(np.unique(level(tmp_path / "s", n))) <= {40, -1024}


def test_the_pyramid_ends_at_a_single_voxel(tmp_path: Path) -> None:
    given = content(geometry=volumes.grid((3, 5, 1)))
    write_levels(tmp_path / "s", given, 12)
    shapes = [array.shape for _, array in sorted(zarr.open_group(tmp_path / "s", mode="r").arrays())]
    assert shapes == [(3, 5, 1), (2, 3, 1), (1, 2, 1), (1, 1, 1)]


def test_the_same_content_gives_the_same_bytes_with_or_without_a_pyramid(tmp_path: Path) -> None:
    given = content(whole=False)
    assert write_levels(tmp_path / "a", given, 3) == write_levels(tmp_path / "b", given, 3)
    assert write_levels(tmp_path / "c", given, 1) == stores.write_store(tmp_path / "d", given, OPTIONS)


@pytest.mark.parametrize("channels", [None, ("brain", "bone")])
def test_a_reader_sees_every_level_where_it_lies(tmp_path: Path, channels: tuple[str, ...] | None) -> None:
    given = content(channels=channels)
    given = replace(given, array=np.stack([given.array, given.array + 1])) if channels else given
    write_levels(tmp_path / "s", given, 3)
    images = ngff_zarr.from_ngff_zarr(tmp_path / "s").images
    assert len(images) == 3
    for n, image in enumerate(images):
        assert image.data.shape == level(tmp_path / "s", n).shape
        assert image.axes_orientations["z"].value.value == "inferior-to-superior"
        assert image.axes_orientations["x"].value.value == "right-to-left"
        for side, axis in zip("zyx", range(3), strict=True):
            extent = image.scale[side] * image.data.shape[axis - 3]
            low = image.translation[side] - image.scale[side] / 2
            wanted = GEOMETRY.shape[axis] * GEOMETRY.spacing_mm[axis]
            assert extent == pytest.approx(wanted)
            assert low == pytest.approx(GEOMETRY.origin_mm[2 - axis] - GEOMETRY.spacing_mm[axis] / 2)
            assert image.axes_units[side] == "millimeter"


def test_a_validator_accepts_it(tmp_path: Path) -> None:
    write_levels(tmp_path / "s", content(), 3)
    (multiscale,) = Image.from_zarr(zarr.open_group(tmp_path / "s", mode="r")).ome_attributes.multiscales
    assert [dataset.path for dataset in multiscale.datasets] == ["0", "1", "2"]


def test_xarray_opens_one_level_when_told_to_drop_the_others(tmp_path: Path) -> None:
    given = content()
    write_levels(tmp_path / "s", given, 3)
    with xr.open_zarr(tmp_path / "s", consolidated=False, drop_variables=["1", "2"]) as dataset:
        np.testing.assert_array_equal(dataset["0"].values, given.array)


def test_a_run_writes_the_levels_of_its_configuration(tmp_path: Path) -> None:
    yaml = "steps: [{orient: {to: LPS}}, {clip: {low_hu: -1000, high_hu: 400}}, {normalise: {to: zero_one}}]\n"
    volume = only(prepared(tmp_path, yaml + "store: {dtype: int16, pyramid_levels: 3}\n", series={}))
    folder = volume.output.root / volume.row["store"]
    store = open_store(folder)
    assert store.geometry.shape == Zyx(12, 32, 32)
    assert level(folder, 2).shape == (3, 8, 8)
    assert store.array[...].mean() == pytest.approx(level(folder, 2).mean(), rel=0.05)
    packing = dict(store.array.attrs)
    assert dict(zarr.open_group(folder, mode="r")["2"].attrs) == packing != {}


def test_label_images_have_a_level_on_each_grid_of_the_volume() -> None:
    fine = Geometry(Zyx(4, 6, 5), Zyx(1.0, 1.0, 1.0), Xyz(0.0, 0.0, 0.0), LPS_AXES)
    coarse = HALVED.change(VolumeSpec(fine, lines=(ClampedLine(),))).geometry
    labels = np.zeros((2, *fine.shape), np.uint8)
    labels[0, :2], labels[1, 2:, :4] = 1, 1
    levels = build_label_levels(labels, (fine, coarse))
    assert [level.shape for level in levels] == [(2, 4, 6, 5), (2, *coarse.shape)]
    assert levels[1][0].all(axis=(1, 2)).tolist() == [True, False]
    assert levels[1][1, 1, :2].all()
