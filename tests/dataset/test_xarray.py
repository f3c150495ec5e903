from pathlib import Path

import numpy as np
import prepared
import pytest
from prepared import only

pytest.importorskip("xarray", reason="needs xarray")


@pytest.mark.parametrize("stack", ["regular", "feet first", "coronal"])
def test_coordinates_are_millimetres_in_the_patient(stack: str, moved: prepared.Moved) -> None:
    from pipeline.dataset.xarray import to_dataarray

    volume = moved("resample")[stack]
    array = to_dataarray(volume)
    x, y, z = volume.to_world([3, 5, 7])
    assert array.dims == ("z", "y", "x")
    np.testing.assert_allclose([array.z[3], array.y[5], array.x[7]], [z, y, x], atol=1e-6)
    assert float(array.sel(z=z, y=y, x=x, method="nearest")) == volume.values()[3, 5, 7]
    assert array.attrs["series_key"] == volume.key == array.name


def test_channels_have_names(tmp_path: Path) -> None:
    from pipeline.dataset.xarray import to_dataarray

    steps = "steps: [{window: {channels: [{preset: lung}, {preset: bone}]}}]\n"
    array = to_dataarray(only(prepared.prepared(tmp_path, steps, series={})))
    assert array.dims == ("c", "z", "y", "x")
    assert array.c.values.tolist() == ["lung", "bone"]
