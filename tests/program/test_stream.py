import numpy as np
import pytest
import volumes

from pipeline.geometry import Zyx
from pipeline.kernels import bands
from pipeline.program.apply import change_planes, find_overlap, require_known
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange, LineChange
from pipeline.program.execute import execute_on_volume
from pipeline.program.planes import Plane, cut_planes
from pipeline.program.program import Program
from pipeline.program.step import Step
from pipeline.steps.clip import Clip
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.even_slices import InterpolateGap
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.volume import ClampedLine, Scale, VolumeSpec

SOURCE = volumes.half_valid(volumes.grid((6, 8, 7)))
SPEC = VolumeSpec(SOURCE.geometry)
COMPILED = [loop for loop in vars(bands).values() if hasattr(loop, "signatures")]


def test_a_line_passes_over_each_plane_and_leaves_the_source_alone() -> None:
    before = SOURCE.voxels.tobytes()
    line = ClampedLine(0.5, 3, 0, 100)
    planes = change_planes(LineChange((line,), Scale.HU), cut_planes(SOURCE), SPEC)
    np.testing.assert_array_equal(planes(3).voxels[0], line(SOURCE.voxels[3]))
    np.testing.assert_array_equal(planes(3).mask, SOURCE.valid[3])
    assert SOURCE.voxels.tobytes() == before


def test_what_only_crops_copies_nothing() -> None:
    change = CropOrPad((2, 4, 4)).change(SPEC)
    plane = change_planes(change, cut_planes(SOURCE), SPEC)(0)
    assert np.shares_memory(plane.voxels, SOURCE.voxels)
    np.testing.assert_array_equal(plane.voxels[0], SOURCE.voxels[2, 2:6, 1:5])


def test_padding_planes_ask_nothing_of_the_source() -> None:
    def absent(z: int) -> Plane:
        msg = f"plane {z} is not needed"
        raise AssertionError(msg)

    plane = change_planes(CropOrPad((10, 8, 7)).change(SPEC), absent, SPEC)(1)
    np.testing.assert_array_equal(plane.voxels, -1024)
    assert not plane.mask.any()


def test_rows_and_columns_change_places_on_the_way() -> None:
    axes = Zyx(AxisMap(6, 6), AxisMap(7, 7), AxisMap(4, 8, 0.5, 2.0))
    geometry = SOURCE.geometry.permute(Zyx(0, 2, 1))
    change = GridChange(Zyx(0, 2, 1), axes, geometry.regrid(Zyx(0, 0, 0.5), Zyx(1, 1, 2), Zyx(6, 7, 4)))
    upright = GridChange(Zyx(0, 1, 2), Zyx(axes.z, axes.x, axes.y), SOURCE.geometry)
    turned, straight = (change_planes(each, cut_planes(SOURCE), SPEC)(2) for each in (change, upright))
    np.testing.assert_allclose(turned.voxels[0], straight.voxels[0].T, rtol=1e-6, atol=1e-3)
    np.testing.assert_array_equal(turned.mask, straight.mask.T)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (AxisMap(4, 4), (slice(0, 4), slice(0, 4, 1))),
        (AxisMap(2, 6, 2), (slice(0, 2), slice(2, 4, 1))),
        (AxisMap(6, 4, -1), (slice(1, 5), slice(0, 4, 1))),
        (AxisMap(4, 4, 3, -1), (slice(0, 4), slice(3, None, -1))),
        (AxisMap(6, 4, 4, -1), (slice(1, 5), slice(3, None, -1))),
        (AxisMap(2, 4, 9), (slice(0, 0), slice(0, 0))),
    ],
)
def test_an_exact_map_writes_what_there_is(axis: AxisMap, expected: tuple[slice, slice]) -> None:
    assert find_overlap(axis) == expected
    written, taken = find_overlap(axis)
    target = np.full(axis.n, -1)
    target[written] = np.arange(axis.source_n)[taken]
    positions = axis.positions.astype(int)
    np.testing.assert_array_equal(target, np.where((positions >= 0) & (positions < axis.source_n), positions, -1))


def test_padding_is_known_once_every_statistic_is_taken() -> None:
    assert require_known(-1024.0) == -1024
    with pytest.raises(ValueError, match="barrier"):
        require_known(None)


@pytest.mark.parametrize(
    "steps",
    [
        (Orient("LPS"), Resample(spacing_mm=(1, 1, 1)), Clip(-1000, 400)),
        (Resample(spacing_mm=(1, 2, 2), method="cubic"), Window(channels=(Channel("lung"), Channel("bone")))),
        (Resample(factor=(0.5, 0.5, 0.5), method="nearest"), CropOrPad((9, 9, 9))),
        (CorrectTilt(10.0, tuple((0.3 * k, -0.2 * k) for k in range(6))), Resample(spacing_mm=(1, 1, 1))),
        (InterpolateGap(tuple(2.5 * k for k in (0, 1, 2, 5, 6, 7)), 2.5), Resample(spacing_mm=(2, 1, 1))),
    ],
)
@pytest.mark.parametrize("flip", [1, -1])
def test_no_loop_is_compiled_for_a_program_after_warming(steps: tuple[Step, ...], flip: int) -> None:
    bands.warm()
    ready = [len(loop.signatures) for loop in COMPILED]
    z = volumes.STRAIGHT.z._replace(z=float(flip))
    source = volumes.half_valid(volumes.grid(axes=volumes.STRAIGHT._replace(z=z)))
    execute_on_volume(Program.compile(steps, VolumeSpec(source.geometry)), source).array  # noqa: B018  what is lazy is done
    assert [len(loop.signatures) for loop in COMPILED] == ready
