from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import SHAPE, content, write_store

from pipeline.geometry import Zyx
from pipeline.store.arrays import choose_codec
from pipeline.store.layout import StoreOptions
from pipeline.store.read import open_store


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
