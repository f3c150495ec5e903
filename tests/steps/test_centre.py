from math import nan

import numpy as np
import pytest
import volumes

from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.volume import Scale, VolumeSpec

SOURCE = volumes.half_valid()
SPEC = VolumeSpec(SOURCE.geometry)


def test_the_mean_of_valid_voxels_is_subtracted() -> None:
    result = execute_on_volume(Program.compile([Clip(-1000, 2000), Centre("volume")], SPEC, "float32"), SOURCE)
    assert result.array[SOURCE.valid].mean(dtype=np.float64) == pytest.approx(0, abs=1e-3)
    clipped = np.clip(SOURCE.voxels, -1000, 2000)
    np.testing.assert_allclose(result.array + clipped[SOURCE.valid].mean(dtype=np.float64), clipped, atol=1e-3)


def test_a_given_number_is_subtracted() -> None:
    result = execute_on_volume(Program.compile([Centre(25)], SPEC, "float32"), SOURCE)
    np.testing.assert_array_equal(result.array, SOURCE.voxels - 25)


def test_the_result_is_not_in_hounsfield_units() -> None:
    assert Centre("volume").after(SPEC).scale is Scale.NORMALISED
    assert Centre(25).after(SPEC).scale is Scale.NORMALISED


def test_a_mean_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Centre(nan)
