import pytest
import volumes

from pipeline.program.step import StepOrderError, describe, require_hu
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.vocabulary import ExitCode
from pipeline.volume import Scale, VolumeSpec

SOURCE = VolumeSpec(volumes.grid())


def test_every_step_is_described_before_any_voxel_is_read() -> None:
    specs = describe([Orient("LPS"), Resample(factor=(1, 0.5, 0.5)), Clip(-1000, 400), Normalise("zero_one")], SOURCE)
    assert [spec.shape for spec in specs] == [(6, 8, 7), (6, 4, 4), (6, 4, 4), (6, 4, 4)]
    assert [spec.scale for spec in specs] == [Scale.HU, Scale.HU, Scale.HU, Scale.NORMALISED]


def test_no_steps_leave_nothing_to_describe() -> None:
    assert describe([], SOURCE) == []


def test_an_impossible_order_names_the_step() -> None:
    with pytest.raises(StepOrderError, match="clip works on Hounsfield units") as refused:
        describe([Clip(-1000, 400), Normalise("zero_one"), Clip(-500, 300)], SOURCE)
    assert refused.value.index == 2
    assert refused.value.exit_code is ExitCode.USAGE


def test_parameters_that_are_not_set_are_left_out() -> None:
    assert Clip(-1000, 400).parameters == {"low_hu": -1000, "high_hu": 400}


def test_hounsfield_units_satisfy_a_step_that_needs_them() -> None:
    require_hu(SOURCE, "clip")
