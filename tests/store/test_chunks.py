"""Parts of an array from its chunks: what zarr gives for them, from any layout, or an error."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from stores import CHUNKED, content, data_files, write_store
from zarr.codecs import GzipCodec

from pipeline.store import chunks
from pipeline.store.chunks import (
    ChunkReader,
    DamagedChunkError,
    LocalFiles,
    Span,
    StoreReader,
    UnknownLayoutError,
)
from pipeline.store.layout import StoreOptions

WINDOWS = (
    (slice(0, 9), slice(0, 70), slice(0, 50)),
    (slice(3, 4), slice(15, 17), slice(0, 50)),
    (slice(2, 9), slice(33, 70), slice(7, 40)),
    (slice(5, 5), slice(0, 70), slice(0, 50)),
)
SHAPE = (9, 70, 50)


@dataclass(frozen=True)
class CountedFiles(LocalFiles):
    """Files that remember which spans were asked for."""

    spans: list[Span] = field(default_factory=list)

    def read_spans(self, name: str, spans: Sequence[Span]) -> Iterable[NDArray[np.uint8]]:
        self.spans.extend(spans)
        return super().read_spans(name, spans)


@pytest.mark.parametrize("codec", ["lz4", "zstd", "zstd_plain"])
@pytest.mark.parametrize("shards", ["auto", None, (8, 64, 32)])
@pytest.mark.parametrize(("dtype", "channels"), [("int16", None), ("float32", ("soft", "bone"))])
def test_a_part_is_what_zarr_gives_for_it(tmp_path: Path, codec: Any, shards: Any, dtype: str, channels: Any) -> None:
    shape = SHAPE if channels is None else (2, *SHAPE)
    given = content(shape, dtype, channels=channels)
    write_store(tmp_path / "s", given, StoreOptions(codec=codec, shards=shards, chunks=(4, 32, 32)))
    store = StoreReader(LocalFiles(tmp_path / "s"))
    assert store.mask is not None
    for window in WINDOWS:
        np.testing.assert_array_equal(store.image.read(window), given.array[(..., *window)])
        np.testing.assert_array_equal(store.mask.read(window), given.valid[window])
    assert store.geometry == given.geometry


def test_a_part_of_a_chunk_of_several_blocks_is_decoded_alone(tmp_path: Path) -> None:
    given = content((64, 70, 70))
    write_store(tmp_path / "s", given, StoreOptions())
    image = StoreReader(LocalFiles(tmp_path / "s")).image
    for z in (0, 7, 31, 62):
        window = (slice(z, z + 2), slice(60, 70), slice(0, 70))
        np.testing.assert_array_equal(image.read(window), given.array[window])


def test_only_the_chunks_of_a_part_are_read_and_neighbours_at_once(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(SHAPE), StoreOptions(chunks=(4, 32, 32)))
    files = CountedFiles(tmp_path / "s")
    image = StoreReader(files).image
    image.read((slice(4, 8), slice(32, 40), slice(0, 50)))
    assert len(files.spans) == 1
    files.spans.clear()
    image.read((slice(4, 8), slice(0, 70), slice(40, 41)))
    assert len(files.spans) == 3


def test_what_numcodecs_decodes_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = content((8, 70, 70))
    write_store(tmp_path / "s", given, StoreOptions())
    monkeypatch.setattr(chunks, "_native_blosc", lambda: None)
    part = StoreReader(LocalFiles(tmp_path / "s")).image.read((slice(1, 3), slice(0, 70), slice(5, 6)))
    np.testing.assert_array_equal(part, given.array[1:3, :, 5:6])


def test_missing_chunks_hold_the_fill_value(tmp_path: Path) -> None:
    array = zarr.create_group(tmp_path).create_array(
        "0", shape=(8, 8, 8), chunks=(4, 4, 4), shards=(4, 8, 8), dtype="int16", fill_value=-3
    )
    array[4:, :4, :4] = 7
    window = (slice(0, 8), slice(2, 6), slice(0, 8))
    part = ChunkReader.open(LocalFiles(tmp_path), "0").read(window)
    np.testing.assert_array_equal(part, zarr.open_group(tmp_path, mode="r")["0"][window])  # type: ignore[index]


def test_another_layout_is_left_to_zarr(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path)
    group.create_array("0", shape=(4, 4), chunks=(2, 2), dtype="int16", compressors=GzipCodec())
    with pytest.raises(UnknownLayoutError):
        ChunkReader.open(LocalFiles(tmp_path), "0")
    with pytest.raises(FileNotFoundError):
        ChunkReader.open(LocalFiles(tmp_path), "mask")


@pytest.mark.parametrize("damage", ["cut", "index", "chunk"])
def test_a_damaged_file_is_an_error_and_not_other_numbers(tmp_path: Path, damage: str) -> None:
    write_store(tmp_path / "s", content(), CHUNKED)
    for path in data_files(tmp_path / "s"):
        whole = bytearray(path.read_bytes())
        if damage == "cut":
            whole = whole[: len(whole) // 2]
        else:
            at = len(whole) - 30 if damage == "index" else 4
            whole[at] ^= 0xFF
        path.write_bytes(whole)
    with pytest.raises(DamagedChunkError):
        StoreReader(LocalFiles(tmp_path / "s")).image.read((slice(0, 5), slice(0, 20), slice(0, 30)))


def test_a_store_that_was_written_again_is_read_by_its_new_index(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), CHUNKED)
    image = StoreReader(LocalFiles(tmp_path / "s")).image
    window = (slice(0, 5), slice(0, 20), slice(0, 30))
    image.read(window)
    (tmp_path / "s").rename(tmp_path / "before")
    again = content()
    again.array[...] = np.random.default_rng(8).integers(0, 9, again.array.shape)
    write_store(tmp_path / "s", again, CHUNKED)
    np.testing.assert_array_equal(image.read(window), again.array)
