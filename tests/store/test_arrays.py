from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from pipeline.geometry import Zyx
from pipeline.store.arrays import create_array
from pipeline.store.layout import Layout, StoreOptions

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
