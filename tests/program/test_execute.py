from functools import reduce

import numpy as np
import plain_steps
import pytest
import volumes
from hypothesis import HealthCheck, assume, given, reject, settings
from plain_steps import Plain
from random_programs import Drawn, programs

from pipeline.errors import SeriesRefusedError
from pipeline.program.execute import PreparedVolume, execute, execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import Step
from pipeline.steps.clip import Clip
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import Plane, Planes, Volume, VolumeSpec, cut_planes

NEAR_HU = 0.02
"""What float32 may lose of 3000 HU on its way through a handful of steps."""

SOURCE = volumes.half_valid(volumes.grid((40, 12, 10)))
SPEC = VolumeSpec(SOURCE.geometry)
FINER = Resample(spacing_mm=(1, 1, 1))


class Counted:
    """Planes, and which of them were asked for."""

    def __init__(self, planes: Planes) -> None:
        self._planes = planes
        self.asked: list[int] = []

    def __call__(self, z: int) -> Plane:
        self.asked.append(z)
        return self._planes(z)


def begun(*steps: Step, source: Volume = SOURCE) -> tuple[PreparedVolume, list[int]]:
    """Return what a program leaves, and the list of planes that have been asked for, which grows as they are."""
    planes = Counted(cut_planes(source))
    return execute(Program.compile(steps, VolumeSpec(source.geometry), "float32"), planes), planes.asked


def taken(prepared: PreparedVolume) -> None:
    for z in range(prepared.spec.geometry.shape.z):
        prepared.plane(z)


@settings(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(programs())
def test_a_streamed_program_equals_its_steps_and_reads_each_plane_once(drawn: Drawn) -> None:
    source = Counted(cut_planes(drawn.source))
    try:
        prepared = execute(Program.compile(drawn.steps, drawn.spec, "float32"), source)
    except SeriesRefusedError:  # a statistic that does not exist
        reject()
    plain = reduce(lambda before, step: plain_steps.done(step, before), drawn.steps, Plain.of(drawn.source, drawn.spec))
    assume(plain.slope.max() < 1)  # else a statistic of one voxel, which no tolerance is for
    np.testing.assert_array_equal(prepared.valid, plain.grid.valid)
    for channel, expected, slope in zip(by_channel(prepared), plain.grid.values, plain.slope, strict=True):
        np.testing.assert_allclose(channel, expected, rtol=1e-5, atol=NEAR_HU * slope)
    np.testing.assert_allclose(prepared.spec.geometry.affine_lps, plain.grid.affine, atol=1e-6)
    np.testing.assert_allclose(np.array(prepared.spec.padding, float), plain.padding, rtol=1e-4, atol=1e-4)
    assert len(set(source.asked)) == len(source.asked) or is_turned_late(drawn.steps)


def is_turned_late(steps: tuple[Step, ...]) -> bool:
    """Whether planes are flipped after they were blended twice: only then a blend learns late which way it is asked."""
    names = [step.name for step in steps]
    first = names[: len(names) - names[::-1].index("orient")] if "orient" in names else []
    return sum(name in {"interpolate_gap", "resample", "resample_slices"} for name in first) > 1


def by_channel(prepared: PreparedVolume) -> np.ndarray:
    return prepared.array.reshape(-1, *prepared.valid.shape)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), range(40)),
        ((Clip(-1000, 400), FINER), range(40)),
        ((CropOrPad((10, 12, 10)),), range(15, 25)),
        ((FINER, CropOrPad((10, 12, 10))), range(17, 23)),
        ((Resample(factor=(0.25, 1, 1), method="nearest"),), range(2, 40, 4)),
        ((Resample(factor=(0.25, 1, 1), antialias=False),), [k for k in range(40) if k % 4 in {1, 2}]),
        ((CropOrPad((60, 12, 10)),), range(40)),
    ],
)
def test_planes_that_no_output_needs_are_not_read(steps: tuple[Step, ...], expected: range | list[int]) -> None:
    prepared, asked = begun(*steps)
    assert asked == []
    taken(prepared)
    assert asked == list(expected)


def test_a_flipped_volume_is_read_from_its_end() -> None:
    feet_first = volumes.noise(
        volumes.grid((9, 4, 4), axes=volumes.STRAIGHT._replace(z=volumes.STRAIGHT.z._replace(z=-1.0)))
    )
    prepared, asked = begun(Orient("LPS"), FINER, source=feet_first)
    taken(prepared)
    assert asked == list(range(9))[::-1]


def test_a_plane_is_read_when_it_is_first_needed() -> None:
    prepared, asked = begun(FINER)
    last = int(np.ceil((40 - 1) / 2 + (50 - 99 / 2) / 2.5))
    for z in range(51):
        prepared.plane(z)
    assert asked == list(range(last + 1))


def test_a_statistic_reads_all_planes_first() -> None:
    prepared, asked = begun(Clip(-1000, 400), Normalise("z_score"), CropOrPad((4, 4, 4)))
    assert asked == list(range(40))
    taken(prepared)
    assert asked == list(range(40))


def test_planes_one_by_one_are_the_whole() -> None:
    steps = (FINER, Window(channels=(Channel("brain"), Channel("bone"))))
    program = Program.compile(steps, SPEC)
    whole = execute_on_volume(program, SOURCE)
    prepared = execute(program, cut_planes(SOURCE))
    for z in range(whole.spec.geometry.shape.z):
        plane, mask = prepared.plane(z)
        np.testing.assert_array_equal(plane, whole.array[:, z])
        np.testing.assert_array_equal(True if mask is None else mask, whole.valid[z])


def test_a_plane_valid_everywhere_has_no_mask() -> None:
    prepared, _ = begun(Clip(-1000, 400), source=volumes.noise())
    assert prepared.plane(0)[1] is None
    padded, _ = begun(CropOrPad((8, 8, 7)), source=volumes.noise())
    assert [mask is None for _, mask in map(padded.plane, range(8))] == [False, *[True] * 6, False]


def test_a_plane_is_unchanged_by_later_requests() -> None:
    prepared, _ = begun(FINER, Clip(-1000, 400))
    first, mask = prepared.plane(40)
    kept = first.copy(), mask is not None and mask.copy()
    for z in range(41, 60):
        prepared.plane(z)
    np.testing.assert_array_equal(first, kept[0])
    np.testing.assert_array_equal(mask, kept[1])


def test_a_missing_statistic_is_refused_before_any_plane() -> None:
    flat = Volume(np.full_like(SOURCE.voxels, 7), SOURCE.valid, SOURCE.geometry)
    with pytest.raises(SeriesRefusedError, match="same value"):
        begun(Normalise("z_score"), source=flat)
