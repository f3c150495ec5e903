from typing import Any

import numpy as np
import pytest
import volumes

from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import Step
from pipeline.steps.clip import Clip
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.quantise import Quantise
from pipeline.steps.resample import Resample
from pipeline.volume import VolumeSpec

SPEC = VolumeSpec(volumes.grid())
FRACTIONS = Resample(shape=(11, 13, 15))


def prepared(*steps: Step) -> Any:
    return execute_on_volume(Program.compile(steps, SPEC, "float32"), volumes.noise())


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Quantise(), np.trunc),
        (Quantise(rule="floor"), np.floor),
        (Quantise(rule="nearest"), np.rint),
        (Quantise(5.5, -1000, "floor"), lambda hu: np.floor((hu + 1000) / 5.5) * 5.5 - 1000),
        (Quantise(100, 37), lambda hu: np.trunc((hu - 37) / 100) * 100 + 37),
    ],
)
def test_every_value_becomes_a_whole_number_of_steps(step: Quantise, expected: Any) -> None:
    fractions = prepared(FRACTIONS).array.astype(np.float64)
    np.testing.assert_allclose(prepared(FRACTIONS, step).array, expected(fractions), atol=1e-4)


def test_whole_numbers_stay_as_they_are_and_so_does_the_way_back() -> None:
    plain, cut = prepared(Clip(-1000, 1000)), prepared(Clip(-1000, 1000), Quantise())
    np.testing.assert_array_equal(cut.array, plain.array)
    assert cut.inverse == plain.inverse


def test_padding_is_rounded_as_all_values() -> None:
    result = prepared(CropOrPad((8, 9, 9), value=-2.5), Quantise())
    assert result.array[0, 0, 0] == result.spec.padding[0] == -2


def test_an_impossible_step_is_refused() -> None:
    with pytest.raises(ValueError, match="step must be above 0"):
        Quantise(0)
