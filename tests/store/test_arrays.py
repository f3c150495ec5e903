"""Planes to the files of an array: zarr's own files, or what its sharding codec reads."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from stores import SHAPE, content, write_store

from pipeline.geometry import Zyx
from pipeline.store.arrays import (
    choose_codec,
    create_array,
)
from pipeline.store.layout import Layout, StoreOptions
from pipeline.store.read import open_store

OPTIONS = StoreOptions(chunks=(2, 8, 8), level=3)


@pytest.mark.parametrize("shards", [None, Zyx(4, 16, 16)])
@pytest.mark.parametrize("shape", [(5, 12, 10), (3, 5, 12, 10)])
def test_an_array_is_described_by_zarr_and_gives_back_its_planes(
    tmp_path: Path, shape: tuple[int, ...], shards: Any
) -> None:
    written = np.random.default_rng(0).integers(0, 90, shape).astype(np.int16)
    folder = zarr.create_group(tmp_path / "s", zarr_format=3).create_group("labels")
    layout = Layout(Zyx(2, 8, 8), shards)
    planes = create_array(
        folder, "a", shape, written.dtype, layout, OPTIONS, fill_value=-7, attributes={"scale_factor": 0.5}
    )
    for z in range(shape[-3]):
        planes.put(written[..., z, :, :])
    array: Any = zarr.open_group(tmp_path / "s", mode="r")["labels/a"]
    np.testing.assert_array_equal(array[...], written)
    assert (array.fill_value, dict(array.attrs)) == (-7, {"scale_factor": 0.5})
    assert array.metadata.dimension_names == ("c", "z", "y", "x")[-len(shape) :]
    assert (array.chunks[-3:], array.shards and array.shards[-3:]) == ((2, 8, 8), shards)
    assert array.compressors[0].clevel == 3


@pytest.mark.parametrize(("name", "cname"), [("auto", "lz4"), ("lz4", "lz4"), ("zstd", "zstd")])
def test_integers_take_bitshuffle_and_floating_point_takes_shuffle(tmp_path: Path, name: Any, cname: str) -> None:
    for dtype, shuffle in (("int16", "bitshuffle"), ("float16", "shuffle")):
        write_store(tmp_path / dtype, content(dtype=dtype), StoreOptions(codec=name, level=3))
        (codec,) = open_store(tmp_path / dtype).array.compressors
        expected = {"typesize": 2, "cname": cname, "clevel": 3, "shuffle": shuffle, "blocksize": 2 * prod(SHAPE)}
        assert codec.to_dict()["configuration"] == expected


def test_plain_zstandard_is_what_its_name_says(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), StoreOptions(codec="zstd_plain", level=3))
    stored = open_store(tmp_path / "s")
    for array in (stored.array, stored.mask):
        assert array is not None
        (codec,) = array.compressors
        assert codec.to_dict() == {"name": "zstd", "configuration": {"level": 3, "checksum": False}}


@pytest.mark.parametrize(("side", "block_bytes"), [(10, 2000), (64, 2**19), (128, 2**19)])
def test_a_chunk_is_one_block_of_zstandard_unless_that_is_too_large_for_a_cache(side: int, block_bytes: int) -> None:
    packed: Any = choose_codec(np.dtype("int16"), Zyx(side, side, side), StoreOptions(codec="zstd"))
    assert packed.to_dict()["configuration"]["blocksize"] == block_bytes


def test_a_chunk_of_lz4_has_blocks_that_are_decoded_alone() -> None:
    packed: Any = choose_codec(np.dtype("int16"), Zyx(64, 64, 64), StoreOptions())
    assert packed.to_dict()["configuration"]["blocksize"] == 2**15
