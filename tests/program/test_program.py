import json
import pickle
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import volumes

from pipeline.errors import SeriesRefusedError, UsageError
from pipeline.geometry import Zyx
from pipeline.program.axis import Method
from pipeline.program.changes import Barrier, GridChange, LineChange
from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import NeedsStatisticsError, Step, StepOrderError
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import Volume, VolumeSpec

SOURCE = volumes.half_valid(volumes.grid((12, 24, 20)))
SPEC = VolumeSpec(SOURCE.geometry)
DEFAULT: tuple[Step, ...] = (Orient("LPS"), Resample(spacing_mm=(1, 1, 1)), Clip(-1000, 400), Normalise("zero_one"))
HEAD = Window(channels=(Channel("brain"), Channel("bone")))


def test_no_steps_store_the_hounsfield_units_as_they_are() -> None:
    prepared = execute_on_volume(Program.compile([], SPEC), SOURCE)
    np.testing.assert_array_equal(prepared.array, SOURCE.voxels)
    assert prepared.array.dtype == np.int16
    assert prepared.inverse == {"a": 1, "b": 0}
    assert (prepared.scale_factor, prepared.add_offset, prepared.fill_value) == (None, None, -1024)


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        (DEFAULT, [GridChange, LineChange]),
        ([Clip(-1000, 1000), Clip(-500, 400), Window("lung")], [LineChange]),
        ([Clip(-1000, 400), Resample(spacing_mm=(1, 1, 1)), Clip(-900, 300)], [LineChange, GridChange, LineChange]),
        ([Clip(-1000, 400), Normalise("z_score"), Centre(1)], [LineChange, Barrier, LineChange]),
        ([Orient("LPS"), Resample(spacing_mm=(2, 2, 2)), CropOrPad((3, 3, 3))], [GridChange]),
    ],
)
def test_neighbours_of_a_kind_become_one(steps: list[Step], kinds: list[type]) -> None:
    assert [type(change) for change in Program.compile(steps, SPEC).changes] == kinds


@pytest.mark.parametrize(
    "steps",
    [
        DEFAULT,
        (Clip(-1000, 2000), Clip(-900, 100), Normalise("minus_one_one"), Centre(0.25)),
        (Orient("LPS"), Resample(factor=(1, 0.5, 0.5)), CropOrPad((10, 10, 10)), HEAD, Normalise("zero_one")),
        (
            Clip(-1000, 400),
            Normalise("z_score"),
            Resample(spacing_mm=(2, 1, 1)),
            CropOrPad((30, 30, 30)),
            Centre("volume"),
        ),
    ],
)
def test_folded_steps_equal_single_steps(steps: tuple[Step, ...]) -> None:
    at_once = execute_on_volume(Program.compile(steps, SPEC, "float32"), SOURCE)
    volume, spec = SOURCE, SPEC
    for step in steps:
        prepared = execute_on_volume(Program.compile([step], spec, "float32"), volume)
        volume = Volume(prepared.array.astype(np.float32), prepared.valid, prepared.spec.geometry)
        spec = prepared.spec
    np.testing.assert_allclose(at_once.array, volume.voxels, atol=1e-5)
    np.testing.assert_array_equal(at_once.valid, volume.valid)
    assert at_once.spec.geometry == spec.geometry


@pytest.mark.parametrize("method", ["linear", "cubic", "nearest"])
@pytest.mark.parametrize("late", [False, True])
def test_a_body_comes_out_the_same_however_it_was_scanned(method: Method, *, late: bool) -> None:
    """Also where every position lies in the middle of two samples, so that either is nearest."""
    body = volumes.half_valid(volumes.grid((6, 8, 10), (2.0, 2.0, 2.0)))
    steps: list[Step] = [Orient("LPS"), Resample(factor=(0.5, 0.5, 0.5), method=method, antialias=False)]
    expected = execute_on_volume(Program.compile(steps, VolumeSpec(body.geometry), "float32"), body)
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        scanned = turned(body, Zyx(*order), Zyx(*signs))
        chain = [*steps[:1], Clip(-2000, 4000), steps[1]] if late else steps
        result = execute_on_volume(Program.compile(chain, VolumeSpec(scanned.geometry), "float32"), scanned)
        np.testing.assert_allclose(result.array, expected.array, rtol=1e-6, atol=1e-3)
        np.testing.assert_array_equal(result.valid, expected.valid)
        np.testing.assert_allclose(result.spec.geometry.affine_lps, expected.spec.geometry.affine_lps, atol=1e-9)


def turned(volume: Volume, order: Zyx[int], signs: Zyx[int]) -> Volume:
    """Return a body as it would lie in an array whose axes run otherwise."""
    n = Zyx(*(volume.geometry.shape[axis] for axis in order))
    start = Zyx(*(0.0 if sign > 0 else float(count - 1) for sign, count in zip(signs, n, strict=True)))
    geometry = volume.geometry.permute(order).regrid(start, Zyx(*map(float, signs)), n)
    ways = tuple(slice(None, None, sign) for sign in signs)
    return Volume(volume.voxels.transpose(order)[ways], volume.valid.transpose(order)[ways], geometry)


def test_nearest_samples_are_the_same_after_a_flip() -> None:
    nearest, orient = Resample(factor=(0.5, 0.5, 0.5), method="nearest"), Orient("LPS")
    scanned = turned(volumes.noise(volumes.grid((6, 8, 10))), Zyx(1, 0, 2), Zyx(-1, 1, -1))
    spec = VolumeSpec(scanned.geometry)
    once = execute_on_volume(Program.compile([nearest], spec, "float32"), scanned)
    chosen = Volume(once.array.astype(np.float32), once.valid, once.spec.geometry)
    expected = execute_on_volume(Program.compile([orient], once.spec, "float32"), chosen)
    np.testing.assert_array_equal(
        execute_on_volume(Program.compile([nearest, orient], spec, "float32"), scanned).array, expected.array
    )


def test_a_result_matches_its_description() -> None:
    program = Program.compile(DEFAULT, SPEC)
    prepared = execute_on_volume(program, SOURCE)
    assert prepared.spec == program.result
    assert prepared.array.shape == program.shape == prepared.spec.shape
    assert prepared.array.nbytes == program.nbytes
    assert prepared.array.dtype == program.dtype == "int16"
    assert prepared.array.flags.c_contiguous


def test_padding_added_after_a_statistic_has_the_transformed_value() -> None:
    steps = (Clip(-1000, 400), Normalise("z_score"), CropOrPad((14, 24, 20)))
    prepared = execute_on_volume(Program.compile(steps, SPEC, "float32"), SOURCE)
    assert prepared.spec.padding[0] == pytest.approx(float(prepared.array[0, 0, 0]), rel=1e-6)
    assert prepared.array[0, 0, 0] == pytest.approx(float(prepared.array[1, 0, 0]), rel=1e-6)
    assert not prepared.valid[0].any()


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "uint16"])
@pytest.mark.parametrize("normalise", [Normalise("zero_one"), Normalise("z_score")])
def test_the_inverse_gives_hounsfield_units(dtype: str, normalise: Normalise) -> None:
    prepared = execute_on_volume(Program.compile([Clip(-1000, 400), normalise], SPEC, dtype), SOURCE)  # type: ignore[arg-type]
    values = prepared.array.astype(np.float64)
    if prepared.scale_factor is not None and prepared.add_offset is not None:
        values = values * prepared.scale_factor + prepared.add_offset
    assert isinstance(prepared.inverse, dict)
    hu = prepared.inverse["a"] * values + prepared.inverse["b"]
    np.testing.assert_allclose(hu, np.clip(SOURCE.voxels, -1000, 400), atol=1.5 if dtype == "float16" else 1e-2)


def test_channels_have_an_inverse_each() -> None:
    prepared = execute_on_volume(Program.compile([HEAD, Normalise("zero_one")], SPEC), SOURCE)
    assert isinstance(prepared.inverse, list)
    assert [pair and pair["a"] for pair in prepared.inverse] == pytest.approx([80, 1800])
    assert prepared.array.shape == (2, 12, 24, 20)


def test_a_flat_line_has_no_inverse() -> None:
    assert execute_on_volume(Program.compile([Clip(0, 10), Clip(20, 30)], SPEC), SOURCE).inverse is None


def test_the_trail_names_each_step_with_its_parameters_and_is_json() -> None:
    trail = Program.compile([*DEFAULT, Centre(0.25)], SPEC).trail()
    assert trail[2] == {"step": "clip", "parameters": {"low_hu": -1000, "high_hu": 400}}
    assert [entry["step"] for entry in trail] == ["orient", "resample", "clip", "normalise", "centre"]
    assert json.loads(json.dumps(trail))[3]["parameters"] == {"to": "zero_one", "statistics": "range"}


@pytest.mark.parametrize("step", [Clip(percentiles=(0.5, 99.5), statistics="cohort"), Normalise("z_score", "cohort")])
def test_statistics_of_the_cohort_must_be_there(step: Step) -> None:
    with pytest.raises(NeedsStatisticsError, match="of ctprep fit") as refused:
        Program.compile([Orient("LPS"), step], SPEC)
    assert refused.value.index == 1


def test_an_impossible_order_is_refused_with_its_place() -> None:
    with pytest.raises(StepOrderError) as refused:
        Program.compile([Clip(0, 1), Centre(1), Window("lung")], SPEC)
    assert refused.value.index == 2


def test_a_dtype_that_does_not_fit_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="uint8 cannot hold"):
        Program.compile([Clip(-1000, 400)], SPEC, "uint8")


def test_a_volume_without_contrast_is_refused() -> None:
    flat = replace(SOURCE, voxels=np.full_like(SOURCE.voxels, 50))
    with pytest.raises(SeriesRefusedError, match="same value"):
        execute_on_volume(Program.compile([Normalise("z_score")], SPEC), flat)


def test_another_volume_than_the_one_described_is_refused() -> None:
    with pytest.raises(ValueError, match="not the one"):
        execute_on_volume(Program.compile([], SPEC), volumes.noise())


def test_a_program_travels_between_processes() -> None:
    program = Program.compile([Clip(-1000, 400), Normalise("z_score")], SPEC)
    there = pickle.loads(pickle.dumps(program))  # noqa: S301 - our own bytes
    assert there.result == program.result
    np.testing.assert_array_equal(execute_on_volume(there, SOURCE).array, execute_on_volume(program, SOURCE).array)
