import numpy as np
import pytest
import volumes

from pipeline.program.execute import PreparedVolume, execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import Step, StepOrderError
from pipeline.steps.clip import Clip
from pipeline.steps.crop import list_empty_crops
from pipeline.steps.crop_above import CropAbove
from pipeline.steps.normalise import Normalise
from pipeline.volume import VolumeSpec

GEOMETRY = volumes.grid((8, 12, 11))


def prepared(*steps: Step) -> PreparedVolume:
    """Return a volume of air with two bright voxels, one of them not valid."""
    voxels, valid = np.full(GEOMETRY.shape, -1000, np.float32), np.ones(GEOMETRY.shape, np.bool_)
    voxels[2, 3, 4], voxels[5, 3, 9], voxels[7, 11, 10] = 1, 200, 0
    valid[5, 3, 9] = False
    source = volumes.volume(voxels, GEOMETRY, valid)
    return execute_on_volume(Program.compile(steps, VolumeSpec(GEOMETRY), "float32"), source)


@pytest.mark.parametrize(("margin", "start", "shape"), [(0, (2, 3, 4), (4, 1, 6)), (3, (0, 0, 1), (8, 7, 10))])
def test_the_box_holds_every_voxel_above_and_a_margin_within_the_volume(
    margin: int, start: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    result = prepared(CropAbove(0, margin))
    assert result.array.shape == shape
    parameters = result.program.trail()[0]["parameters"]
    assert (parameters["found"], parameters["start"], parameters["shape"]) == (True, start, shape)
    assert result.array.max() == 200
    np.testing.assert_allclose(result.spec.geometry.origin_mm, GEOMETRY.world(volumes.Zyx(*map(float, start))))


def test_where_nothing_is_above_nothing_is_cut() -> None:
    result = prepared(CropAbove(200))
    assert result.array.shape == GEOMETRY.shape
    assert list_empty_crops(result.program.steps) == ["crop_above: nothing found, nothing cut"]


def test_it_stands_before_what_hides_its_value() -> None:
    with pytest.raises(StepOrderError, match="put crop_above before it"):
        prepared(Clip(-1000, -100), CropAbove(0))
    with pytest.raises(StepOrderError, match="works on Hounsfield units"):
        prepared(Clip(-1000, 400), Normalise("zero_one"), CropAbove(0))
