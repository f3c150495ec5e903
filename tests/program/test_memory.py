import tracemalloc
from importlib import import_module

import numpy as np
import pytest
import volumes

from pipeline.kernels import bands
from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program, peak_bytes, plane_bytes, volume_bytes
from pipeline.program.step import Step
from pipeline.steps.clip import Clip
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_body import CropBody
from pipeline.steps.crop_lung import CropLung
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.even_slices import InterpolateGap
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import Volume, VolumeSpec

GEOMETRY = volumes.turned(8, volumes.grid((40, 96, 96), (2.5, 0.8, 0.8)))
SPEC = VolumeSpec(GEOMETRY)
BESIDE = 64 * 1024
"""Weights, and what Python itself takes."""


@pytest.fixture(autouse=True)
def _all_is_loaded() -> None:
    bands.warm()
    import_module("scipy.ndimage")  # which is no part of what a program takes


def used(steps: tuple[Step, ...], source: Volume) -> int:
    """Return the most bytes that a program allocates while its planes are taken one by one."""
    program = Program.compile(steps, SPEC, "float32")
    tracemalloc.start()
    prepared = execute_on_volume(program, source)
    for z in range(prepared.spec.geometry.shape.z):
        prepared.plane(z)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "steps",
    [
        (Clip(-1000, 400),),
        (Window(channels=(Channel("brain"), Channel("bone"), Channel("lung"))),),
        (Normalise("z_score"),),
        (Orient("LPS", "resample"),),
        (Resample(spacing_mm=(1, 1, 1)),),
        (Resample(spacing_mm=(5, 2, 2), method="cubic"), Clip(-1000, 400)),
        (CropOrPad((64, 64, 128)),),
        (CropBody(5), Clip(-1000, 400)),
        (CropLung(5), Resample(spacing_mm=(1, 1, 1))),
        (Clip(-1000, 400), Normalise("z_score"), Resample(spacing_mm=(1, 1, 1))),
        (CorrectTilt(10.0, tuple((0.3 * k, -0.2 * k) for k in range(40))), Clip(-1000, 400)),
        (InterpolateGap(tuple(2.5 * k for k in (0, 1, 2, *range(5, 42))), 2.5), Resample(spacing_mm=(1, 1, 1))),
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_no_program_takes_more_than_was_said_nor_much_less(steps: tuple[Step, ...], *, complete: bool) -> None:
    source = volumes.noise(GEOMETRY) if complete else volumes.half_valid(GEOMETRY)
    program = Program.compile(steps, SPEC, "float32")
    said, taken = program.peak_bytes + plane_bytes(program.result), used(steps, source)
    assert taken <= said + BESIDE
    assert taken + plane_bytes(SPEC) >= 0.3 * said


@pytest.mark.parametrize("spacing_mm", [(1, 1, 1), (1, 0.4, 0.4)])
def test_no_mask_makes_a_program_take_more_than_was_said(spacing_mm: tuple[float, float, float]) -> None:
    scattered = np.random.default_rng(0).random(GEOMETRY.shape) < 0.5
    program = Program.compile((Resample(spacing_mm=spacing_mm),), SPEC, "float32")
    said = program.peak_bytes + plane_bytes(program.result)
    assert used(program.steps, volumes.noise(GEOMETRY, valid=scattered)) <= said + BESIDE


def test_streaming_memory_does_not_grow_with_slices() -> None:
    steps = (Resample(spacing_mm=(1, 1, 1)), Clip(-1000, 400))
    longer = VolumeSpec(GEOMETRY.regrid((0, 0, 0), (1, 1, 1), GEOMETRY.shape._replace(z=4000)))  # type: ignore[arg-type]
    said = [Program.compile(steps, spec).peak_bytes for spec in (SPEC, longer)]
    assert said[0] == said[1]


def test_a_statistic_of_the_volume_needs_all_of_it() -> None:
    changes = Program.compile([Clip(-1000, 400), Normalise("z_score")], SPEC).changes
    assert peak_bytes(changes, SPEC) >= volume_bytes(SPEC)


def test_a_volume_is_its_voxels_and_its_mask() -> None:
    source = volumes.noise()
    assert volume_bytes(VolumeSpec(source.geometry)) == source.voxels.nbytes + source.valid.nbytes
    channels = Window(channels=(Channel("brain"), Channel("bone"))).after(VolumeSpec(source.geometry))
    assert volume_bytes(channels) == 2 * source.voxels.nbytes + np.prod(source.geometry.shape)
