"""The laws that every step of the table keeps, whatever it does."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pytest
import volumes
from pydantic import TypeAdapter

from pipeline.geometry import Xyz, Zyx
from pipeline.program import execute
from pipeline.program.execute import PreparedVolume
from pipeline.program.program import Program
from pipeline.program.step import Step
from pipeline.steps import STEPS
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.steps.crop import CropToTarget
from pipeline.steps.crop_above import CropAbove
from pipeline.steps.crop_body import CropBody
from pipeline.steps.crop_lung import CropLung
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.crop_to import CropTo
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.quantise import Quantise
from pipeline.steps.remove_table import RemoveTable
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import Volume, VolumeSpec

EXAMPLES: dict[str, tuple[Step, ...]] = {
    "orient": (Orient("LPS"), Orient("SAR", "resample"), Orient("nifti")),
    "resample": (
        Resample(spacing_mm=(1, 1, None)),
        Resample(spacing_mm=(3, 1.7, 1.7), method="cubic"),
        Resample(shape=(None, 5, 20), method="nearest"),
        Resample(factor=(1, 0.5, 2), antialias=False),
        Resample(shape=(20, 9, 14), method="bspline", clip_to_input=True, grid="corner_centres"),
        Resample(spacing_mm=(1, 1.1, 1.2), method="bspline", clip_to_input=True, separate_z="auto", grid="outer_faces"),
    ),
    "clip": (Clip(-900, 300), Clip(-2000.5, 0)),
    "window": (
        Window("mediastinum"),
        Window(centre_hu=-600, width_hu=1500),
        Window(channels=(Channel("brain"), Channel(centre_hu=0, width_hu=2000))),
        Window(channels=(Channel("bone"), Channel(range="volume"))),
    ),
    "normalise": (
        Normalise("zero_one"),
        Normalise("minus_one_one", "volume"),
        Normalise("z_score"),
        Normalise("z_score", mean=-30, std=120),
    ),
    "centre": (Centre("volume"), Centre(-12.5)),
    "crop_or_pad": (
        CropOrPad((8, 10, 9)),
        CropOrPad((9, 7, 30)),
        CropOrPad((6, 7, 8), (-15, 31, -112)),
        CropOrPad((33, 41, 42), value=-7.5, odd="before"),
    ),
    "crop_above": (CropAbove(100), CropAbove(140, 1)),
    "quantise": (Quantise(), Quantise(5.5, -1000, "floor")),
    "crop_to": (CropTo("liver", 5),),
    "crop_body": (CropBody(0), CropBody(2.5)),
    "crop_lung": (CropLung(0),),
    "remove_table": (RemoveTable(), RemoveTable(0)),
}
IDEMPOTENT = ("orient", "clip", "window", "crop_or_pad", "quantise")
GRIDS = ("orient", "resample", "crop_or_pad", "crop_above", "crop_body", "crop_lung")
BEFORE = Clip(-1000, 400)
AWRY = Zyx(Xyz(0.0, 0.6, -0.8), Xyz(0.0, -0.8, -0.6), Xyz(-1.0, 0.0, 0.0))
"""A head first, prone, nodding patient: permuting, flipping and straightening all have something to do."""

SOURCE = volumes.half_valid(volumes.grid((9, 12, 11), (2.5, 0.8, 0.8), AWRY))
SPEC = VolumeSpec(SOURCE.geometry)


def examples(names: Iterator[str] | tuple[str, ...]) -> list[Step]:
    return [step for name in names for step in EXAMPLES[name]]


def run(*steps: Step, source: Volume = SOURCE) -> PreparedVolume:
    return execute.execute_on_volume(
        Program.compile([BEFORE, *steps], replace(SPEC, geometry=source.geometry), "float32"), source
    )


def titled(step: Step) -> str:
    return f"{step.name} {json.dumps(step.parameters)}"


every_step = pytest.mark.parametrize("step", examples(tuple(EXAMPLES)), ids=titled)


def test_every_step_of_the_table_has_examples() -> None:
    assert set(EXAMPLES) == set(STEPS)
    assert all(type(step) is STEPS[name] for name, steps in EXAMPLES.items() for step in steps)


def test_a_step_bears_the_name_that_it_has_in_the_table() -> None:
    assert {name: step.name for name, step in STEPS.items()} == {name: name for name in STEPS}


@every_step
def test_after_describes_the_result_but_for_lines_that_wait(step: Step) -> None:
    described, prepared = step.after(BEFORE.after(SPEC)), run(step)
    lines = tuple(line and found for line, found in zip(described.lines, prepared.spec.lines, strict=True))
    if isinstance(step, CropToTarget | CropAbove):
        assert all(n <= most for n, most in zip(prepared.spec.shape, described.shape, strict=True))
        described = replace(described, geometry=prepared.spec.geometry)
    assert replace(prepared.spec, lines=lines) == described
    assert None not in prepared.spec.lines
    assert prepared.array.shape == described.shape


@every_step
def test_the_mask_lies_on_the_grid(step: Step) -> None:
    prepared = run(step)
    assert prepared.valid.shape == tuple(prepared.spec.geometry.shape)
    assert prepared.valid.any()


@every_step
def test_values_lie_between_the_limits_that_are_described(step: Step) -> None:
    prepared = run(step)
    for line, values in zip(prepared.spec.lines, prepared.array.reshape(-1, *prepared.valid.shape), strict=True):
        assert line is not None
        reach = 0.15 * (line.high - line.low) if getattr(step, "method", "") == "cubic" else 1e-5 * abs(line.low)
        assert line.low - reach <= values.min()
        assert values.max() <= line.high + reach


@every_step
def test_padding_has_the_described_value(step: Step) -> None:
    padded = CropOrPad((30, 40, 40))
    prepared = run(padded, step)
    corner = prepared.array.reshape(-1, *prepared.valid.shape)[:, 0, 0, 0]
    np.testing.assert_allclose(corner, np.array(prepared.spec.padding, np.float64), rtol=1e-6, atol=1e-6)


@every_step
def test_the_source_is_left_as_it_was(step: Step) -> None:
    voxels, valid = SOURCE.voxels.tobytes(), SOURCE.valid.tobytes()
    run(step)
    assert (SOURCE.voxels.tobytes(), SOURCE.valid.tobytes()) == (voxels, valid)


@every_step
def test_the_same_input_gives_the_same_bytes(step: Step) -> None:
    copy = Volume(np.asfortranarray(SOURCE.voxels), SOURCE.valid.copy(), SOURCE.geometry)
    assert run(step).array.tobytes() == run(step, source=copy).array.tobytes()


@every_step
def test_parameters_survive_the_way_through_json(step: Step) -> None:
    written = json.dumps(asdict(step))
    assert TypeAdapter(type(step)).validate_json(written, strict=True) == step


@every_step
def test_parameters_recreate_a_step(step: Step) -> None:
    assert TypeAdapter(type(step)).validate_json(json.dumps(step.parameters), strict=True) == step


@pytest.mark.parametrize("step", examples(IDEMPOTENT), ids=titled)
def test_twice_is_once(step: Step) -> None:
    once = run(step)
    if once.spec.channels is not None:
        return
    twice = run(step, step)
    assert twice.spec == once.spec
    np.testing.assert_array_equal(twice.array, once.array)
    np.testing.assert_array_equal(twice.valid, once.valid)


@pytest.mark.parametrize("step", examples((*GRIDS, "clip", "window")), ids=titled)
def test_no_invalid_voxel_becomes_valid(step: Step) -> None:
    nothing = Volume(SOURCE.voxels, np.zeros_like(SOURCE.valid), SOURCE.geometry)
    assert not run(step, source=nothing).valid.any()


@pytest.mark.parametrize("step", examples(GRIDS), ids=titled)
def test_channels_go_through_a_change_of_grid_side_by_side(step: Step) -> None:
    windows = (Channel("lung"), Channel("bone"))
    together = run(Window(channels=windows), step)
    for channel, window in enumerate(windows):
        np.testing.assert_array_equal(together.array[channel], run(Window(window.preset), step).array)
