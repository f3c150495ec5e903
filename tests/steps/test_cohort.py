from dataclasses import replace

import numpy as np
import pytest
from volumes import grid, noise

from pipeline.errors import UsageError
from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import StepOrderError
from pipeline.steps import Clip, Normalise, Orient
from pipeline.steps.cohort import fill_in_statistics, find_waiting_steps, list_percentiles, make_typical_statistics
from pipeline.volume import VolumeSpec

CLIP = Clip(percentiles=(0.5, 99.5), statistics="cohort")
STEPS = (Orient(to="LPS"), CLIP, Normalise(to="z_score", statistics="cohort"))
FOUND = replace(
    make_typical_statistics(STEPS),
    mean_hu=-300.5,
    std_hu=250.0,
    min_hu=-1024,
    max_hu=2000,
    percentiles_hu={"0.5": -1000, "99.5": 400},
)


def test_steps_that_need_the_cohort_are_found() -> None:
    assert find_waiting_steps(STEPS) == [1, 2]
    assert find_waiting_steps([Orient(to="LPS"), Clip(low_hu=0, high_hu=1), Normalise(to="z_score")]) == []
    assert list_percentiles(STEPS) == {0.5, 99.5}


def test_figures_take_the_place_of_the_wait() -> None:
    volume = noise(grid())
    program = Program.compile(fill_in_statistics(STEPS, FOUND), VolumeSpec(volume.geometry), "float32")
    found = execute_on_volume(program, volume).array
    expected = (np.clip(volume.voxels, -1000, 400) + 300.5) / 250
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("target", "low", "high"), [("zero_one", 0, 1), ("minus_one_one", -1, 1)])
def test_a_range_is_that_of_the_training_split(target: str, low: int, high: int) -> None:
    steps = (Normalise(to=target, statistics="cohort"),)  # type: ignore[arg-type]  # one of two words
    line = Program.compile(fill_in_statistics(steps, FOUND), VolumeSpec(grid())).result.lines[0]
    assert line is not None
    assert [line.at(hu) for hu in (-1024, 2000, 5000)] == [low, high, high]


def test_the_trail_holds_the_request_and_the_values() -> None:
    trail = Program.compile(fill_in_statistics(STEPS, FOUND), VolumeSpec(grid())).trail()
    assert trail[1:] == [
        {
            "step": "clip",
            "parameters": {"low_hu": -1000, "high_hu": 400, "percentiles": (0.5, 99.5), "statistics": "cohort"},
        },
        {
            "step": "normalise",
            "parameters": {"to": "z_score", "statistics": "cohort", "mean_hu": -300.5, "std_hu": 250.0},
        },
    ]


def test_steps_of_the_volume_alone_stay_as_they_are() -> None:
    steps = (Orient(to="LPS"), Clip(low_hu=-1000, high_hu=400), Normalise(to="zero_one"))
    assert fill_in_statistics(steps, FOUND) == steps


def test_order_is_held_with_figures_as_well() -> None:
    steps = fill_in_statistics((Normalise(to="z_score", statistics="cohort"),) * 2, FOUND)
    with pytest.raises(StepOrderError, match="works on Hounsfield units"):
        Program.compile(steps, VolumeSpec(grid()))


def test_percentiles_with_nothing_between_are_refused() -> None:
    with pytest.raises(UsageError, match="nothing lies between"):
        fill_in_statistics([CLIP], replace(FOUND, percentiles_hu={"0.5": -1000, "99.5": -1000}))


def test_a_percentile_that_was_not_fitted_is_refused() -> None:
    with pytest.raises(UsageError, match="ctprep fit"):
        fill_in_statistics([Clip(percentiles=(1, 99), statistics="cohort")], FOUND)


def test_usual_figures_let_any_program_be_tried() -> None:
    steps = (Clip(percentiles=(0, 100), statistics="cohort"), Normalise(to="zero_one"))
    assert (
        Program.compile(fill_in_statistics(steps, make_typical_statistics(steps)), VolumeSpec(grid())).dtype == "int16"
    )
