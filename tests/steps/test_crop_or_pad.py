import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SeriesRefusedError
from pipeline.geometry import Zyx
from pipeline.program import execute
from pipeline.program.program import Program
from pipeline.steps.clip import Clip
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.normalise import Normalise
from pipeline.steps.window import Channel, Window
from pipeline.volume import Volume, VolumeSpec

SOURCE = volumes.noise()
SPEC = VolumeSpec(SOURCE.geometry)

shapes = st.tuples(*[st.integers(1, 15)] * 3)


def run(shape: tuple[int, int, int], source: Volume = SOURCE) -> Volume:
    prepared = execute.execute_on_volume(
        Program.compile([CropOrPad(shape)], VolumeSpec(source.geometry), "float32"), source
    )
    return Volume(prepared.array.astype(np.float32), prepared.valid, prepared.spec.geometry)


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_the_shape_is_exact_and_the_centre_within_half_a_voxel(shape: tuple[int, int, int]) -> None:
    result = run(shape)
    assert result.voxels.shape == shape
    moved = np.subtract(result.geometry.centre_mm, SOURCE.geometry.centre_mm)
    assert (np.abs(moved) <= np.array(SOURCE.geometry.spacing_mm)[::-1] / 2 + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_every_voxel_keeps_its_place_in_the_patient(shape: tuple[int, int, int]) -> None:
    result = run(shape, volumes.ramp())
    expected = volumes.ramp(result.geometry)
    np.testing.assert_allclose(result.voxels[result.valid], expected.voxels[result.valid], atol=1e-3)
    assert (result.voxels[~result.valid] == -1024).all()


def test_cropping_undoes_padding() -> None:
    padded = run((9, 11, 20))
    np.testing.assert_array_equal(run((6, 8, 7), padded).voxels, SOURCE.voxels)
    assert run((6, 8, 7), padded).valid.all()


def test_the_own_shape_changes_nothing() -> None:
    result = run((6, 8, 7))
    assert result.geometry == SOURCE.geometry
    np.testing.assert_array_equal(result.voxels, SOURCE.voxels)


@settings(max_examples=40, deadline=None)
@given(shapes, st.tuples(*[st.floats(0, 1)] * 3))
def test_the_centre_is_within_half_a_voxel_of_the_point(
    shape: tuple[int, int, int], share: tuple[float, float, float]
) -> None:
    index = Zyx(*(at * (n - 1) for at, n in zip(share, SOURCE.geometry.shape, strict=True)))
    around = CropOrPad(shape, SOURCE.geometry.world(index))
    result = around.after(SPEC).geometry
    moved = np.subtract(result.centre_mm, around.around)
    assert result.shape == shape
    assert (np.abs(moved) <= np.array(SOURCE.geometry.spacing_mm)[::-1] * (0.5 + 1e-5)).all()
    assert around.after(VolumeSpec(result)).geometry == result


def test_a_crop_around_a_point_changes_no_bit() -> None:
    result = execute.execute_on_volume(
        Program.compile([CropOrPad((5, 5, 5), SOURCE.geometry.origin_mm)], SPEC, "float32"), SOURCE
    )
    np.testing.assert_allclose(result.spec.geometry.world(Zyx(2, 2, 2)), SOURCE.geometry.origin_mm)
    np.testing.assert_array_equal(result.array[2:, 2:, 2:], SOURCE.voxels[:3, :3, :3])
    assert result.valid.sum() == 27
    assert (result.array[~result.valid] == -1024).all()


def test_a_crop_that_leaves_no_voxel_refuses_the_series() -> None:
    program = Program.compile([CropOrPad((4, 4, 4), (0, 0, 5000))], SPEC)
    with pytest.raises(SeriesRefusedError, match="nothing but padding"):
        execute.execute_on_volume(program, SOURCE)


def test_a_point_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="a point in millimetres"):
        CropOrPad((1, 1, 1), (0, 0, float("inf")))


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, -1, 1), (1, 1, 100_001)])
def test_a_shape_that_cannot_be_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="from 1 to 100000"):
        CropOrPad(shape)


@pytest.mark.parametrize(("n", "start"), [(9, -2), (8, -1), (6, 0), (3, 2), (2, 2)])
def test_an_odd_number_cuts_or_adds_one_more_on_the_first_side_on_request(n: int, start: int) -> None:
    change = CropOrPad((n, 8, 7), odd="before").change(SPEC)
    assert (change.axes.z.start, change.axes.z.n) == (start, n)


def test_padding_has_the_value_given_in_the_units_at_that_point() -> None:
    steps = [Clip(-1000, 1000), Normalise("minus_one_one"), CropOrPad((8, 9, 9), value=-3.5)]
    prepared = execute.execute_on_volume(Program.compile(steps, SPEC, "float32"), SOURCE)
    assert (prepared.array[~prepared.valid] == -3.5).all()
    assert prepared.fill_value == -3.5
    np.testing.assert_allclose(
        prepared.array[prepared.valid], SOURCE.voxels.clip(-1000, 1000).ravel() / 1000, atol=1e-6
    )


def test_steps_after_it_change_its_value_as_all_others() -> None:
    pad, windows = CropOrPad((8, 9, 9), value=-1), Window(channels=(Channel("lung"), Channel(range="volume")))
    prepared = execute.execute_on_volume(
        Program.compile([pad, windows, Normalise("zero_one"), CropOrPad((9, 9, 9))], SPEC, "float32"), SOURCE
    )
    low, high = float(SOURCE.voxels.min()), float(SOURCE.voxels.max())
    expected = ((-1 + 1350) / 1500, (-1 - low) / (high - low))
    np.testing.assert_allclose(prepared.array[:, 0, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(prepared.array[:, -1, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(prepared.spec.padding, expected, atol=1e-6)


def test_a_value_given_after_a_statistic_stays_that_value() -> None:
    steps = [Normalise("z_score"), CropOrPad((8, 9, 9), value=0)]
    prepared = execute.execute_on_volume(Program.compile(steps, SPEC, "float32"), SOURCE)
    assert (prepared.array[~prepared.valid] == 0).all()
    assert prepared.spec.padding == (0,)


def test_a_value_given_before_a_statistic_is_changed_by_it() -> None:
    steps = [CropOrPad((8, 9, 9), value=500), Normalise("z_score")]
    prepared = execute.execute_on_volume(Program.compile(steps, SPEC, "float32"), SOURCE)
    assert prepared.array[0, 0, 0] == pytest.approx(prepared.spec.padding[0])
    assert prepared.array[0, 0, 0] == pytest.approx((500 - SOURCE.voxels.mean()) / SOURCE.voxels.std(), abs=1e-5)
