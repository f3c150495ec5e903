import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from volumes import apply

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.program.execute import execute_on_volume
from pipeline.program.labels import carry_labels
from pipeline.program.program import Program
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.volume import VolumeSpec

N, ROWS, COLUMNS = 6, 9, 8
drifts = st.tuples(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7))


def leaning(drift: tuple[float, float], degrees: float = 0.0) -> tuple[Geometry, CorrectTilt]:
    """Return the sheared grid of slices 2.5 mm apart that drift along x and y, and the repair of it."""
    upright = volumes.turned(degrees, volumes.grid((N, ROWS, COLUMNS), (2.5, 0.8, 0.7)))
    normal, column, row = (np.array(axis) for axis in upright.axes)
    way = normal + drift[0] * row + drift[1] * column
    length = float(np.linalg.norm(way))
    sheared = Geometry(
        upright.shape,
        upright.spacing_mm._replace(z=2.5 * length),
        upright.origin_mm,
        upright.axes._replace(z=Xyz(*(way / length))),
    )
    offsets = tuple((2.5 * k * drift[0], 2.5 * k * drift[1]) for k in range(N))
    return sheared, CorrectTilt(10.0, offsets)


@settings(max_examples=60, deadline=None)
@given(drifts, st.floats(-40, 40))
def test_a_ramp_through_the_patient_stays_a_ramp(drift: tuple[float, float], degrees: float) -> None:
    sheared, step = leaning(drift, degrees)
    source = volumes.ramp(sheared)
    result = apply(step.change(VolumeSpec(sheared)), source, (-1024.0,))
    truth = volumes.ramp(result.geometry)
    np.testing.assert_allclose(result.voxels[result.valid], truth.voxels[result.valid], atol=0.01)
    assert (result.voxels[~result.valid] == -1024).all()


@settings(max_examples=60, deadline=None)
@given(drifts, st.floats(-40, 40))
def test_the_grid_is_at_right_angles_and_covers_every_slice(drift: tuple[float, float], degrees: float) -> None:
    sheared, step = leaning(drift, degrees)
    upright = step.after(VolumeSpec(sheared)).geometry
    axes = np.array(upright.axes)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert upright.spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    corners = [(z, y, x, 1) for z in range(N) for y in (0, ROWS - 1) for x in (0, COLUMNS - 1)]
    places = np.linalg.solve(upright.affine_lps, sheared.affine_lps @ np.transpose(corners))[:3].T
    np.testing.assert_allclose(places[:, 0], [corner[0] for corner in corners], atol=1e-6)
    assert (places > -1e-3).all()  # an offset may be taken for a whole number of pixels
    assert (places < np.array(upright.shape) - 1 + 1e-3).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_offsets_of_whole_pixels_change_no_bit(sign: int) -> None:
    sheared, step = leaning((0.7 * 3 / 2.5, sign * 0.8 * 2 / 2.5))
    source = volumes.noise(sheared)
    result = apply(step.change(VolumeSpec(sheared)), source, (-1024.0,))
    assert result.voxels.shape == (N, ROWS + 2 * (N - 1), COLUMNS + 3 * (N - 1))
    for k in range(N):
        y, x = 2 * (k if sign > 0 else N - 1 - k), 3 * k
        window = (slice(y, y + ROWS), slice(x, x + COLUMNS))
        np.testing.assert_array_equal(result.voxels[k][window], source.voxels[k])
        assert result.valid[k][window].all()
        assert result.valid[k].sum() == ROWS * COLUMNS


def test_padding_inside_a_slice_does_not_bleed() -> None:
    sheared, step = leaning((0.13, -0.21))
    holed = volumes.half_valid(sheared)
    flat = volumes.volume(np.where(holed.valid, np.float32(40), np.float32(-1024)), sheared, holed.valid)
    result = apply(step.change(VolumeSpec(sheared)), flat, (-1024.0,))
    assert 0 < result.valid.sum() < holed.valid.size
    np.testing.assert_array_equal(result.voxels[result.valid], 40)


def test_labels_move_with_their_slices() -> None:
    sheared, step = leaning((0.7 * 3 / 2.5, 0.0))
    labels = np.arange(1, N * ROWS * COLUMNS + 1, dtype=np.int16).reshape(N, ROWS, COLUMNS)
    change = step.change(VolumeSpec(sheared))
    carried = carry_labels(labels, change)
    values = apply(change, volumes.volume(labels.astype(np.float32), sheared), (0.0,)).voxels
    assert carried.dtype == np.int16
    np.testing.assert_array_equal(carried, values)


def test_a_program_lists_repairs() -> None:
    sheared, step = leaning((0.1, 0.2))
    program = Program.compile([step], VolumeSpec(sheared))
    assert program.trail() == [
        {"step": "correct_tilt", "parameters": {"tilt_deg": 10.0, "largest_offset_mm": 2.795}},
    ]
    spec = VolumeSpec(sheared)
    assert execute_on_volume(program, volumes.ramp(sheared)).spec == step.after(spec)


def test_a_tilt_in_the_header_that_differs_is_kept() -> None:
    assert CorrectTilt(10.04, ((0.0, 0.0), (3.0, 4.0)), told_deg=-15.0).parameters == {
        "tilt_deg": 10.04,
        "told_deg": -15.0,
        "largest_offset_mm": 5.0,
    }


def test_a_stack_of_one_frame_of_axes_keeps_them() -> None:
    sheared, step = leaning((0.3, 0.0))
    upright = step.after(VolumeSpec(sheared)).geometry
    assert upright.axes.y == sheared.axes.y
    assert upright.axes.x == sheared.axes.x
    assert upright.origin_mm == sheared.origin_mm
    assert Zyx(*upright.shape).z == N
