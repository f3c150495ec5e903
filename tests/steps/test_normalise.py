from typing import Any

import numpy as np
import pytest
import volumes

from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import StepOrderError
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.normalise import Normalise
from pipeline.steps.window import Channel, Window
from pipeline.volume import VolumeSpec

SPEC = VolumeSpec(volumes.grid())
SOURCE = volumes.half_valid()


def prepared(*steps: Any) -> Any:
    return execute_on_volume(Program.compile(steps, SPEC, "float32"), SOURCE)


@pytest.mark.parametrize(("to", "low", "high"), [("zero_one", 0, 1), ("minus_one_one", -1, 1)])
def test_a_range_is_mapped_onto_its_target(to: Any, low: float, high: float) -> None:
    expected = np.interp(SOURCE.voxels, (-1000, 400), (low, high))
    np.testing.assert_allclose(prepared(Clip(-1000, 400), Normalise(to)).array, expected, atol=1e-6)


def test_each_channel_has_its_own_range() -> None:
    result = prepared(Window(channels=(Channel("brain"), Channel("bone"))), Normalise("zero_one"))
    np.testing.assert_allclose(result.array[0], np.interp(SOURCE.voxels, (0, 80), (0, 1)), atol=1e-6)
    np.testing.assert_allclose(result.array[1], np.interp(SOURCE.voxels, (-500, 1300), (0, 1)), atol=1e-6)


def test_z_score_gives_valid_voxels_mean_zero_and_deviation_one() -> None:
    values = prepared(Clip(-1000, 400), Normalise("z_score")).array[SOURCE.valid].astype(np.float64)
    assert (values.mean(), values.std()) == pytest.approx((0, 1), abs=1e-6)


@pytest.mark.parametrize(("to", "statistics"), [("z_score", "volume"), ("zero_one", "volume")])
def test_padding_that_is_added_counts_for_nothing(to: Any, statistics: Any) -> None:
    plain, padded = prepared(Normalise(to, statistics)), prepared(CropOrPad((9, 20, 30)), Normalise(to, statistics))
    assert padded.spec.lines == plain.spec.lines
    np.testing.assert_array_equal(padded.array[padded.valid], plain.array[plain.valid])


def test_the_range_of_a_volume_is_that_of_its_valid_voxels() -> None:
    result = prepared(Normalise("minus_one_one", "volume"))
    values = result.array[SOURCE.valid]
    assert (values.min(), values.max()) == pytest.approx((-1, 1), abs=1e-6)
    assert (result.array[~SOURCE.valid] == -1).all()


def test_the_default_statistics_are_in_the_parameters() -> None:
    assert Normalise("zero_one").statistics == "range"
    assert Normalise("z_score").statistics == "volume"


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ([], "put a clip or window before"),
        ([Clip(0, 100), Normalise("zero_one")], "Hounsfield units"),
        ([Centre(0.5)], "Hounsfield units"),
        ([Clip(0, 10), Clip(20, 30)], "known limits"),
        ([Clip(percentiles=(1, 99), statistics="cohort")], "known limits"),
    ],
)
def test_an_impossible_order_is_refused_in_a_sentence(before: list[Any], sentence: str) -> None:
    spec = SPEC
    for step in before:
        spec = step.after(spec)
    with pytest.raises(StepOrderError, match=sentence):
        Normalise("zero_one").after(spec)


def test_a_z_score_of_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match="a range has no mean"):
        Normalise("z_score", "range")


def test_a_z_score_takes_the_mean_and_deviation_that_are_given() -> None:
    result = prepared(Normalise("z_score", mean=27, std=127.5))
    np.testing.assert_allclose(result.array, (SOURCE.voxels - 27) / 127.5, atol=1e-5)
    assert result.inverse == pytest.approx({"a": 127.5, "b": 27})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"to": "zero_one", "mean": 0, "std": 1}, "go with to: z_score"),
        ({"to": "z_score", "statistics": "volume", "mean": 0, "std": 1}, "instead of statistics"),
        ({"to": "z_score", "mean": 0}, "std above 0, not 0 and None"),
        ({"to": "z_score", "mean": 0, "std": 0}, "std above 0"),
    ],
)
def test_impossible_constants_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Normalise(**wrong)
