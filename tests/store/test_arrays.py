"""Planes to the files of an array: zarr's own files, or what its sharding codec reads."""

from collections.abc import Callable
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from stores import SHAPE, content, write_store

from pipeline.geometry import Zyx
from pipeline.output.durable import hash_store
from pipeline.store.arrays import (
    MISSING,
    PlaneWriter,
    StoredArray,
    choose_codec,
    create_array,
    make_encoder,
    write_labels,
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


def test_integers_take_bitshuffle_and_floating_point_takes_shuffle(tmp_path: Path) -> None:
    for dtype, shuffle in (("int16", "bitshuffle"), ("float16", "shuffle")):
        write_store(tmp_path / dtype, content(dtype=dtype), StoreOptions(level=3))
        (codec,) = open_store(tmp_path / dtype).array.compressors
        expected = {"typesize": 2, "cname": "zstd", "clevel": 3, "shuffle": shuffle, "blocksize": 2 * prod(SHAPE)}
        assert codec.to_dict()["configuration"] == expected


@pytest.mark.parametrize(("side", "block_bytes"), [(10, 2000), (64, 2**19), (128, 2**19)])
def test_a_chunk_is_one_block_unless_that_is_too_large_for_a_cache(side: int, block_bytes: int) -> None:
    packed: Any = choose_codec(np.dtype("int16"), Zyx(side, side, side), StoreOptions())
    assert packed.to_dict()["configuration"]["blocksize"] == block_bytes


LABELS = {
    "organs": np.random.default_rng(0).integers(0, 300, (9, 20, 17)).astype(np.uint16),
    "gtv": np.pad(np.ones((3, 4, 5), np.uint8), 6),
}


def test_labels_are_arrays_of_their_own_names_types_and_shapes(tmp_path: Path) -> None:
    write_labels(zarr.create_group(tmp_path / "s.zarr", zarr_format=3), LABELS, StoreOptions(chunks=(4, 8, 8)))
    group = zarr.open_group(tmp_path / "s.zarr", mode="r")
    for name, array in LABELS.items():
        written = group[f"labels/{name}"]
        assert isinstance(written, zarr.Array)
        assert (written.dtype, written.fill_value, written.metadata.dimension_names) == (
            array.dtype,
            0,
            ("z", "y", "x"),
        )
        np.testing.assert_array_equal(written[...], array)


def test_without_labels_there_is_no_folder_of_them(tmp_path: Path) -> None:
    write_labels(zarr.create_group(tmp_path / "s.zarr", zarr_format=3), {}, StoreOptions())
    assert not (tmp_path / "s.zarr" / "labels").exists()


def test_the_same_labels_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    for name, labels in (("a", LABELS), ("b", dict(reversed(LABELS.items())))):
        write_labels(zarr.create_group(tmp_path / name, zarr_format=3), labels, StoreOptions())
    assert hash_store(tmp_path / "a") == hash_store(tmp_path / "b")


CHUNKS = Zyx(2, 16, 8)
SHARDS = [Zyx(4, 32, 16), Zyx(2, 16, 8), Zyx(6, 16, 64), Zyx(200, 160, 160), None]
SHAPES = [(5, 20, 30), (4, 32, 16), (1, 1, 1), (3, 5, 20, 30)]


def noise(shape: tuple[int, ...], dtype: str = "int16") -> NDArray[Any]:
    return np.random.default_rng(3).integers(0, 200, shape).astype(dtype)


def created(folder: Path, shape: tuple[int, ...], dtype: str, shards: Zyx[int] | None) -> StoredArray:
    """Return an empty array of zarr's, and how its voxels get there."""
    packed = choose_codec(np.dtype(dtype), CHUNKS, StoreOptions())
    n_channels = shape[:-3]
    zarr.create_array(
        folder,
        shape=shape,
        dtype=dtype,
        chunks=(*(1 for _ in n_channels), *CHUNKS),
        shards=None if shards is None else (*n_channels, *shards),
        compressors=packed,
        fill_value=7,
        config={"write_empty_chunks": True},
    )
    return StoredArray(folder, shape, np.dtype(dtype), 7, Layout(CHUNKS, shards), make_encoder(packed))


def write(stored: StoredArray, array: NDArray[Any]) -> None:
    writer = PlaneWriter(stored)
    for z in range(stored.shape[-3]):
        writer.put(array[..., z, :, :])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index_of(path: Path, stored: StoredArray) -> NDArray[np.uint64]:
    """Return offset and length of each chunk of a shard, by its end."""
    n_bytes = 16 * prod(stored.per_file)
    return np.frombuffer(path.read_bytes()[-n_bytes - 4 : -4], "<u8").reshape(-1, 2)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float16", "float32"])
@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_zarr_reads_the_store(tmp_path: Path, shape: tuple[int, ...], shards: Any, dtype: str) -> None:
    array, stored = noise(shape, dtype), created(tmp_path / "a", shape, dtype, shards)
    write(stored, array)
    found: Any = zarr.open_array(tmp_path / "a", mode="r")
    np.testing.assert_array_equal(found[...], array)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_shards_the_files_are_those_that_zarr_would_write(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = noise(shape)
    write(created(tmp_path / "ours", shape, "int16", None), array)
    created(tmp_path / "zarrs", shape, "int16", None)
    theirs: Any = zarr.open_array(tmp_path / "zarrs")
    theirs[...] = array
    assert files(tmp_path / "ours") == files(tmp_path / "zarrs")


@pytest.mark.parametrize("shards", [shards for shards in SHARDS if shards])
def test_a_shard_holds_the_same_chunks_as_that_of_zarr(tmp_path: Path, shards: Zyx[int]) -> None:
    stored, alone = (
        created(tmp_path / name, (5, 20, 30), "int16", kind) for name, kind in (("s", shards), ("a", None))
    )
    for one in (stored, alone):
        write(one, noise((5, 20, 30)))
    chunks = []
    for path in (tmp_path / "s" / "c").rglob("*"):
        if path.is_file():
            there = [(offset, n) for offset, n in index_of(path, stored).tolist() if offset != MISSING]
            chunks += [path.read_bytes()[offset : offset + n] for offset, n in there]
            assert path.stat().st_size == sum(n for _, n in there) + 16 * prod(stored.per_file) + 4
    assert sorted(chunks) == sorted(content for name, content in files(tmp_path / "a").items() if name != "zarr.json")


def test_a_chunk_beyond_the_array_is_not_there(tmp_path: Path) -> None:
    stored = created(tmp_path / "a", (5, 20, 30), "int16", Zyx(200, 160, 160))
    write(stored, noise((5, 20, 30)))
    index = index_of(tmp_path / "a" / "c" / "0" / "0" / "0", stored)
    assert np.count_nonzero(index[:, 0] != MISSING) == ceil(5 / 2) * ceil(20 / 16) * ceil(30 / 8)
    np.testing.assert_array_equal(index[:, 0] == MISSING, index[:, 1] == MISSING)


def test_a_chunk_holds_the_fill_value_beyond_the_array(tmp_path: Path) -> None:
    kept: list[NDArray[Any]] = []
    write(
        watched(created(tmp_path / "a", (1, 15, 7), "int16", None), lambda chunk: kept.append(chunk.copy())),
        noise((1, 15, 7)),
    )
    (chunk,) = kept
    np.testing.assert_array_equal(chunk[:1, :15, :7], noise((1, 15, 7)))
    assert (chunk[1:] == 7).all()
    assert (chunk[:, 15:] == 7).all()
    assert (chunk[:, :, 7:] == 7).all()


def test_a_shard_whose_index_is_damaged_is_refused_by_zarr(tmp_path: Path) -> None:
    write(created(tmp_path / "a", (5, 20, 30), "int16", Zyx(200, 160, 160)), noise((5, 20, 30)))
    path = tmp_path / "a" / "c" / "0" / "0" / "0"
    damaged = bytearray(path.read_bytes())
    damaged[-10] ^= 1
    path.write_bytes(damaged)
    found: Any = zarr.open_array(tmp_path / "a", mode="r")
    with pytest.raises(ValueError, match="checksum"):
        found[...]


@pytest.mark.parametrize("shards", SHARDS)
def test_every_chunk_is_encoded_once(tmp_path: Path, shards: Any) -> None:
    encoded, when = [], []
    stored = watched(created(tmp_path / "a", (5, 20, 30), "int16", shards), lambda chunk: encoded.append(chunk.shape))
    writer = PlaneWriter(stored)
    for plane in noise((5, 20, 30)):
        writer.put(plane)
        when.append(len(encoded))
    assert when == [0, 8, 8, 16, 24]
    assert set(encoded) == {tuple(CHUNKS)}


def watched(stored: StoredArray, watch: Callable[[NDArray[Any]], object]) -> StoredArray:
    """Return how an array is stored, with somebody told of each chunk before it is encoded."""

    def encode(chunk: NDArray[Any]) -> bytes:
        watch(chunk)
        return stored.encode(chunk)

    return StoredArray(stored.folder, stored.shape, stored.dtype, stored.fill_value, stored.layout, encode)
