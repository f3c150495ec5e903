import numpy as np
import pytest
import volumes
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SeriesRefusedError
from pipeline.geometry import Zyx
from pipeline.program import execute
from pipeline.program.program import Program
from pipeline.steps.crop_or_pad import CropOrPad
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
