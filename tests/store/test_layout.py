from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import CHUNKED, SHAPE, content, data_files, write_store

from pipeline.geometry import Zyx
from pipeline.store.layout import MOST_SHARDS, Layout, StoreOptions, buffer_bytes, choose_mask_layout
from pipeline.store.read import open_store

sides = st.integers(1, 900)


@pytest.mark.parametrize("n_slices", [1, 64, 65, 640, 1000, 3000])
def test_a_store_has_at_most_ten_data_files(tmp_path: Path, n_slices: int) -> None:
    valid = np.ones((n_slices, 3, 70), bool)
    valid[::2] = False
    written = content(shape=valid.shape, valid=valid)
    write_store(tmp_path / "s", written, StoreOptions())
    assert len(data_files(tmp_path / "s")) <= 10
    np.testing.assert_array_equal(open_store(tmp_path / "s").mask[...], valid)


def test_large_layers_of_chunks_are_a_shard_each() -> None:
    assert Layout.of((200, 512, 512), np.dtype("int16"), StoreOptions()).shards == (64, 512, 512)
    assert Layout.of((200, 300, 300), np.dtype("int16"), StoreOptions()).shards == (192, 320, 320)


def test_chunks_are_never_larger_than_the_array(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), StoreOptions())
    assert open_store(tmp_path / "s").array.chunks == SHAPE


def test_without_shards_every_chunk_is_a_file(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), replace(CHUNKED, shards=None, mask=False))
    assert len(data_files(tmp_path / "s")) == ceil(5 / 2) * ceil(20 / 16) * ceil(30 / 16)


@given(st.tuples(sides, sides, sides), st.tuples(*[st.sampled_from([1, 16, 64, 100])] * 3), st.sampled_from([1, 2, 4]))
def test_shards_are_whole_layers_of_chunks_and_few(
    shape: tuple[int, int, int], chunks: tuple[int, int, int], itemsize: int
) -> None:
    layout = Layout.of(shape, np.dtype(f"u{itemsize}"), StoreOptions(chunks=chunks))
    assert layout.shards is not None
    assert all(chunk == min(n, asked) for chunk, n, asked in zip(layout.chunks, shape, chunks, strict=True))
    assert all(shard % chunk == 0 for shard, chunk in zip(layout.shards, layout.chunks, strict=True))
    assert all(shard >= n for shard, n in zip(layout.shards[1:], shape[1:], strict=True))
    assert ceil(shape[0] / layout.depth) <= MOST_SHARDS


def test_shards_are_as_given_up_to_the_size_of_the_array() -> None:
    options = StoreOptions(chunks=(2, 16, 16), shards=(4, 32, 160))
    assert Layout.of((100, 100, 100), np.dtype("int16"), options) == Layout(Zyx(2, 16, 16), Zyx(4, 32, 112))
    assert Layout.of((2, 100, 100, 100), np.dtype("int16"), options).depth == 4


def test_without_shards_a_layer_of_chunks_is_written_at_once() -> None:
    layout = Layout.of((100, 100, 100), np.dtype("int16"), StoreOptions(shards=None))
    assert layout == Layout(Zyx(64, 64, 64), None)
    assert layout.depth == 64


def test_a_mask_has_chunks_four_times_as_wide_and_never_wider_than_the_array() -> None:
    image = Layout(Zyx(64, 64, 64), Zyx(128, 384, 256))
    assert choose_mask_layout(image, Zyx(300, 360, 200)) == Layout(Zyx(64, 256, 200), Zyx(128, 512, 200))


def test_buffers_hold_a_layer_of_chunks() -> None:
    options = StoreOptions()
    assert buffer_bytes((1000, 300, 300), "int16", options) == 2 * 64 * 300 * 300 * 3
    assert buffer_bytes((2, 10, 300, 300), "float16", options) == 2 * 10 * 300 * 300 * 5


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"chunks": (0, 64, 64)}, "chunks must be at least 1"),
        ({"shards": (64, 64, 100)}, "whole multiples"),
        ({"shards": (0, 64, 64)}, "whole multiples"),
        ({"level": 10}, "level must be from 0 to 9"),
        ({"level": -1}, "level must be from 0 to 9"),
        ({"pyramid_levels": 0}, "at least 1"),
        ({"pyramid_levels": 13}, "at most 12"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        StoreOptions(**options)


@pytest.mark.parametrize("shards", ["auto", None, (64, 64, 64), (128, 64, 640)])
def test_shards_of_whole_chunks_are_accepted(shards: Any) -> None:
    assert StoreOptions(shards=shards).shards == shards
