from typing import Any, get_args

import numpy as np
import pytest
import volumes
from volumes import apply

from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import StepOrderError
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import Normalise
from pipeline.steps.window import PRESETS, Channel, Preset, Window
from pipeline.volume import Scale, VolumeSpec

SPEC = VolumeSpec(volumes.grid())
HEAD = Window(channels=(Channel("brain"), Channel("subdural"), Channel(centre_hu=600, width_hu=2800)))


def test_a_window_clips_to_its_centre_plus_and_minus_half_its_width() -> None:
    assert Window(centre_hu=-600, width_hu=1500).after(SPEC) == Clip(-1350, 150).after(SPEC)


def test_a_preset_is_its_centre_and_width() -> None:
    assert Window("lung").after(SPEC) == Window(centre_hu=-600, width_hu=1500).after(SPEC)


def test_every_preset_has_its_numbers() -> None:
    assert set(PRESETS) == set(get_args(Preset))


def test_each_channel_has_its_window() -> None:
    source = volumes.noise()
    result = apply(HEAD.change(SPEC), source, SPEC.padding)
    expected = [np.clip(source.voxels, *limits) for limits in ((0, 80), (-20, 180), (-800, 2000))]
    np.testing.assert_array_equal(result.voxels, expected)
    assert HEAD.after(SPEC).channels == ("brain", "subdural", "600/2800")
    assert HEAD.after(SPEC).scale is Scale.HU


def test_one_window_over_channels_is_over_each_of_them() -> None:
    spec = Window("bone").after(HEAD.after(SPEC))
    assert spec.channels == HEAD.after(SPEC).channels
    assert len(spec.lines) == 3


def test_channels_cannot_be_made_of_channels() -> None:
    with pytest.raises(StepOrderError, match="channels already"):
        HEAD.after(HEAD.after(SPEC))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "preset, or centre_hu and width_hu"),
        ({"centre_hu": 40}, "preset, or centre_hu and width_hu"),
        ({"preset": "lung", "width_hu": 40}, "preset, or centre_hu and width_hu"),
        ({"preset": "lungs"}, "there is no window lungs"),
        ({"centre_hu": 40, "width_hu": 0}, "above 0"),
        ({"centre_hu": float("nan"), "width_hu": 10}, "finite"),
        ({"channels": ()}, "at least one channel"),
        ({"channels": (Channel("brain"), Channel("brain"))}, "only once"),
        ({"channels": (Channel("brain"),), "preset": "bone"}, "not both"),
    ],
)
def test_impossible_parameters_are_refused_in_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Window(**wrong)


def test_a_channel_can_be_the_range_of_the_volume() -> None:
    source = volumes.noise()
    steps = [Window(channels=(Channel("brain"), Channel(range="volume"))), Normalise("zero_one")]
    result = execute_on_volume(Program.compile(steps, SPEC, "float32"), source)
    low, high = float(source.voxels.min()), float(source.voxels.max())
    np.testing.assert_allclose(result.array[1], (source.voxels - low) / (high - low), atol=1e-6)
    np.testing.assert_allclose(result.array[0], source.voxels.clip(0, 80) / 80, atol=1e-6)
    assert result.spec.channels == ("brain", "range")
    assert result.program.trail()[0]["parameters"]["low_hu"] == low


def test_channels_without_a_range_say_nothing_of_one() -> None:
    assert "range" not in HEAD.parameters["channels"][0]
    with pytest.raises(ValueError, match="range stands instead of"):
        Channel("lung", range="volume")
