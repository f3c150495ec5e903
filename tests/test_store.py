from dataclasses import replace
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from ome_zarr_models.v05 import Image
from stores import StoreContent, write_store

from pipeline.axes import Xyz, Zyx
from pipeline.errors import SeriesRefusedError
from pipeline.geometry import Geometry
from pipeline.ngff import PATIENT_AXES
from pipeline.store import write
from pipeline.store.files import hash_store, size_of_store
from pipeline.store.options import StoreOptions
from pipeline.store.read import open_store
from pipeline.vocabulary import Reason

SHAPE = (5, 20, 30)
CHUNKED = StoreOptions(chunks=(2, 16, 16))
ATTRIBUTES = {"units": "HU", "series_key": "00ff", "trail": [{"name": "orient", "to": "LPS"}], "inverse": None}


def content(shape: tuple[int, ...] = SHAPE, dtype: str = "int16", **changes: Any) -> StoreContent:
    rng = np.random.default_rng(7)
    made = StoreContent(
        array=rng.integers(0, 200, shape).astype(dtype),
        measured=rng.random(shape[-3:]) > 0.3,
        geometry=Geometry(Zyx(*shape[-3:]), Zyx(2.5, 0.8, 0.7), Xyz(-11.2, -12.8, -100.0), PATIENT_AXES),
        attributes=ATTRIBUTES,
    )
    return replace(made, **changes)


def data_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "zarr.json"]


@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("shards", ["auto", None, (2, 16, 32), (200, 160, 160)])
def test_a_store_gives_back_what_was_written(tmp_path: Path, dtype: str, shards: Any) -> None:
    written = content(dtype=dtype)
    receipt = write_store(tmp_path / "s", written, replace(CHUNKED, shards=shards))
    store = open_store(tmp_path / "s")
    assert store.array.dtype == dtype
    np.testing.assert_array_equal(store.array[...], written.array)
    np.testing.assert_array_equal(store.mask[...], written.measured)
    assert store.mask.dtype == "uint8"
    assert store.geometry == written.geometry
    assert receipt.sha256 == hash_store(tmp_path / "s")
    assert receipt.n_bytes == size_of_store(tmp_path / "s")


def test_the_same_content_gives_the_same_bytes_whatever_zarr_is_set_to(tmp_path: Path) -> None:
    first = write_store(tmp_path / "a", content(), CHUNKED)
    with zarr.config.set({"array.write_empty_chunks": True, "array.order": "F", "json_indent": None}):
        second = write_store(tmp_path / "b", content(array=np.asfortranarray(content().array)), CHUNKED)
    assert first == second


def test_another_voxel_or_name_gives_another_hash(tmp_path: Path) -> None:
    changed = content().array.copy()
    changed[4, 19, 29] += 1
    contents = (content(), content(array=changed), content(attributes=ATTRIBUTES | {"series_key": "00fe"}))
    hashes = {write_store(tmp_path / str(n), each, CHUNKED).sha256 for n, each in enumerate(contents)}
    assert len(hashes) == 3


def test_the_hash_is_over_sorted_paths_nul_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"two")
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b.txt").write_bytes(b"three")
    assert hash_store(tmp_path) == sha256(b"a\0oneb.txt\0threeb/c\0two").hexdigest()
    assert size_of_store(tmp_path) == 11


def test_the_attributes_say_what_the_array_is_and_where_it_lies(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), CHUNKED)
    attributes = open_store(tmp_path / "s").attributes
    assert attributes.items() >= ATTRIBUTES.items()
    assert (attributes["format"], attributes["format_version"]) == ("ctprep-volume", 1)
    assert attributes["spacing_mm"] == [2.5, 0.8, 0.7]
    assert attributes["origin_mm"] == [-11.2, -12.8, -100.0]
    assert attributes["affine_lps"] == [[0, 0, 0.7, -11.2], [0, 0.8, 0, -12.8], [2.5, 0, 0, -100], [0, 0, 0, 1]]
    assert attributes["affine_ras"] == [[0, 0, -0.7, 11.2], [0, -0.8, 0, 12.8], [2.5, 0, 0, -100], [0, 0, 0, 1]]


def test_an_oblique_geometry_comes_back_through_its_affine(tmp_path: Path) -> None:
    oblique = replace(content().geometry, axes=Zyx(Xyz(0, -0.6, 0.8), Xyz(0, 0.8, 0.6), Xyz(1, 0, 0)))
    write_store(tmp_path / "s", content(geometry=oblique), CHUNKED)
    np.testing.assert_allclose(open_store(tmp_path / "s").geometry.affine_lps, oblique.affine_lps, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("option", "all_measured", "expected"),
    [("auto", True, False), ("auto", False, True), (True, True, True), (False, False, False)],
)
def test_the_mask_is_written_where_it_says_something_or_is_asked_for(
    tmp_path: Path, option: Any, *, all_measured: bool, expected: bool
) -> None:
    measured = np.ones(SHAPE, bool) if all_measured else content().measured
    write_store(tmp_path / "s", content(measured=measured), replace(CHUNKED, mask=option))
    assert (open_store(tmp_path / "s").mask is not None) is expected


@pytest.mark.parametrize("n_slices", [1, 64, 65, 640, 1000, 3000])
def test_a_store_has_at_most_ten_data_files(tmp_path: Path, n_slices: int) -> None:
    measured = np.ones((n_slices, 3, 70), bool)
    measured[::2] = False
    written = content(shape=measured.shape, measured=measured)
    write_store(tmp_path / "s", written, StoreOptions())
    assert len(data_files(tmp_path / "s")) <= 10
    np.testing.assert_array_equal(open_store(tmp_path / "s").mask[...], measured)


def test_large_layers_of_chunks_are_a_shard_each(tmp_path: Path) -> None:
    empty = np.broadcast_to(np.int16(0), (200, 512, 512))
    written = content(shape=empty.shape, array=empty, measured=np.broadcast_to(np.True_, empty.shape))
    write_store(tmp_path / "s", written, StoreOptions())
    assert open_store(tmp_path / "s").array.shards == (64, 512, 512)
    assert data_files(tmp_path / "s") == []


def test_chunks_are_never_larger_than_the_array(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), StoreOptions())
    assert open_store(tmp_path / "s").array.chunks == SHAPE


def test_without_shards_every_chunk_is_a_file(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), replace(CHUNKED, shards=None, mask=False))
    assert len(data_files(tmp_path / "s")) == ceil(5 / 2) * ceil(20 / 16) * ceil(30 / 16)


def test_padding_alone_is_not_stored_and_reads_as_padding(tmp_path: Path) -> None:
    padding = np.full(SHAPE, -1024, np.int16)
    write_store(tmp_path / "s", content(array=padding, fill_value=-1024.0), replace(CHUNKED, mask=False))
    assert data_files(tmp_path / "s") == []
    np.testing.assert_array_equal(open_store(tmp_path / "s").array[...], padding)


def test_integers_take_bitshuffle_and_floating_point_takes_shuffle(tmp_path: Path) -> None:
    for dtype, shuffle in (("int16", "bitshuffle"), ("float16", "shuffle")):
        write_store(tmp_path / dtype, content(dtype=dtype), StoreOptions(level=3))
        (codec,) = open_store(tmp_path / dtype).array.compressors
        expected = {"typesize": 2, "cname": "zstd", "clevel": 3, "shuffle": shuffle, "blocksize": 0}
        assert codec.to_dict()["configuration"] == expected


def test_what_cannot_be_prepared_to_its_end_leaves_no_folder(tmp_path: Path) -> None:
    written = content()

    def failing(z: int) -> Any:
        if z == 3:
            raise SeriesRefusedError(Reason.PIXEL_DECODE, "")
        return written.plane(z)

    given = write.StoreContent(planes=failing, dtype="int16", geometry=written.geometry)
    with pytest.raises(SeriesRefusedError), write.new_store(tmp_path / "s", CHUNKED) as store:
        store.write(given)
    assert list(tmp_path.iterdir()) == []


def test_a_mask_that_begins_late_is_whole_before(tmp_path: Path) -> None:
    measured = np.ones(SHAPE, bool)
    measured[4, 3, 2] = False
    write_store(tmp_path / "s", content(measured=measured), replace(CHUNKED, shards=(2, 32, 32)))
    np.testing.assert_array_equal(open_store(tmp_path / "s").mask[...], measured)


def test_planes_wait_in_a_buffer_of_a_shard() -> None:
    options = StoreOptions()
    assert write.buffer_bytes((1000, 300, 300), "int16", options) == 4 * 64 * 300 * 300 * 3
    assert write.buffer_bytes((2, 10, 300, 300), "float16", options) == 10 * 300 * 300 * 5


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        write_store(tmp_path, content(), CHUNKED)


def test_an_attribute_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_store(tmp_path / "s", content(attributes={"inverse": float("nan")}), CHUNKED)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"chunks": (0, 64, 64)}, "chunks must be at least 1"),
        ({"shards": (64, 64, 100)}, "whole multiples"),
        ({"shards": (0, 64, 64)}, "whole multiples"),
        ({"level": 10}, "level must be from 0 to 9"),
        ({"level": -1}, "level must be from 0 to 9"),
        ({"pyramid_levels": 0}, "at least 1"),
        ({"pyramid_levels": 2}, "not written yet"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        StoreOptions(**options)


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
        np.testing.assert_array_equal(dataset["mask"].values, packed.measured)


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
