from math import inf, nan
from typing import Any

import numpy as np
import pytest
import volumes
from volumes import apply

from pipeline.program.changes import Barrier
from pipeline.steps.clip import Clip
from pipeline.volume import VolumeSpec


def test_values_are_limited_and_others_keep_every_bit() -> None:
    source = volumes.noise()
    spec = VolumeSpec(source.geometry)
    result = apply(Clip(-500.5, 300).change(spec), source, spec.padding)  # type: ignore[arg-type]
    np.testing.assert_array_equal(result.voxels, np.clip(source.voxels, -500.5, 300))


def test_the_limits_are_known_afterwards_and_so_is_padding() -> None:
    spec = Clip(-1000, 400).after(VolumeSpec(volumes.grid()))
    line = spec.lines[0]
    assert line is not None
    assert (line.low, line.high, spec.padding) == (-1000, 400, (-1000,))


def test_percentiles_of_the_cohort_wait_for_it() -> None:
    spec = VolumeSpec(volumes.grid())
    assert isinstance(Clip(percentiles=(0.5, 99.5), statistics="cohort").change(spec), Barrier)
    assert Clip(percentiles=(0.5, 99.5), statistics="cohort").after(spec).lines == (None,)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "needs low_hu and high_hu"),
        ({"low_hu": 0}, "needs low_hu and high_hu"),
        ({"low_hu": 400, "high_hu": -1000}, "must be below"),
        ({"low_hu": 0, "high_hu": inf}, "finite"),
        ({"low_hu": nan, "high_hu": 1}, "must be below"),
        ({"low_hu": 0, "high_hu": 1, "percentiles": (1, 99), "statistics": "cohort"}, "not both"),
        ({"low_hu": 0, "high_hu": 1, "statistics": "cohort"}, "belong together"),
        ({"percentiles": (1, 99)}, "belong together"),
        ({"percentiles": (99, 1), "statistics": "cohort"}, "rising"),
        ({"percentiles": (-1, 99), "statistics": "cohort"}, "between 0 and 100"),
    ],
)
def test_impossible_parameters_are_refused_in_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Clip(**wrong)
