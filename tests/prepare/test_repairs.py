from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jobs import LENIENT, RECIPE, processed, stack_of
from phantoms import Series, write_series

from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.errors import SeriesRefusedError
from pipeline.limits import Limits
from pipeline.prepare.repairs import compile_program, list_repairs
from pipeline.program.step import Step
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.even_slices import InterpolateGap, ResampleSlices
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.vocabulary import Reason, Status

OPTIONS = LENIENT.geometry


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


def test_an_even_upright_stack_needs_no_repair(series: Series) -> None:
    stack = stack_of(series.folder)
    assert list_repairs(stack, OPTIONS) == ()
    program = compile_program(stack, RECIPE)
    assert program.source.geometry == stack.geometry() == series.geometry
    assert (program.steps, program.dtype) == ((), "int16")


@pytest.mark.parametrize(
    ("kind", "positions_mm"),
    [(InterpolateGap, (0, 2.5, 5, 7.5, 15, 17.5, 20)), (ResampleSlices, (0, 2, 5, 7, 9, 13, 16))],
)
def test_slices_that_are_not_evenly_spaced_are_repaired_first(
    tmp_path: Path, kind: type[InterpolateGap | ResampleSlices], positions_mm: tuple[float, ...]
) -> None:
    write_series(tmp_path / "in", n=7, positions_mm=positions_mm)
    stack = stack_of(tmp_path / "in")
    program = compile_program(stack, replace(RECIPE, policy=LENIENT, steps=(Orient("LPS"),)))
    repair, orient = program.steps
    assert isinstance(repair, kind)
    assert isinstance(orient, Orient)
    assert repair.step_mm == stack.step_mm
    np.testing.assert_allclose(repair.positions_mm, positions_mm, atol=1e-6)


@pytest.mark.parametrize(("choice", "n_repairs"), [("correct", 1), ("keep", 0)])
def test_a_tilt_is_corrected_or_kept_as_the_policy_says(tmp_path: Path, choice: str, n_repairs: int) -> None:
    write_series(tmp_path / "in", tilt_deg=10)
    options = GeometryOptions(gantry_tilt=choice)  # type: ignore[arg-type]
    repairs = list_repairs(stack_of(tmp_path / "in", Policy(geometry=options)), options)
    assert len(repairs) == n_repairs
    for repair in repairs:
        assert isinstance(repair, CorrectTilt)
        assert abs(repair.tilt_deg) == pytest.approx(10, abs=0.01)
        assert len(repair.offsets_mm) == 12


def test_a_plane_is_valid_only_within_the_thickness_of_a_slice(tmp_path: Path) -> None:
    write_series(tmp_path / "in", change=lambda dataset, _: setattr(dataset, "SliceThickness", "0.5"))
    stack = stack_of(tmp_path / "in")
    assert compile_program(stack, RECIPE).source.reach == (stack.reach, None, None) == (pytest.approx(0.1), None, None)


@pytest.mark.parametrize(
    ("limits", "step", "told"),
    [
        (
            Limits(max_voxels=20_000),
            Resample(spacing_mm=(0.05, 0.05, 0.05)),
            "planned voxels are over max_voxels 20000",
        ),
        (Limits(max_slices=20), Resample(spacing_mm=(1, None, None)), "30 planned slices are over max_slices 20"),
    ],
)
def test_a_volume_over_a_limit_is_refused_before_it_is_allocated(
    series: Series, limits: Limits, step: Step, told: str
) -> None:
    policy = Policy(limits=limits)
    stack = stack_of(series.folder, policy)
    with pytest.raises(SeriesRefusedError, match=told) as refused:
        compile_program(stack, replace(RECIPE, policy=policy, steps=(step, CropOrPad((3, 3, 3)))))
    assert refused.value.reason is Reason.LIMIT
    assert processed(series.folder, policy=policy).record.status is Status.OK
    refusal = processed(series.folder, step, policy=policy, folder="other").record
    assert (refusal.reason, refusal.detail) == (Reason.LIMIT, str(refused.value.detail))
