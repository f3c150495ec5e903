import numpy as np
import pytest
import torsos

from pipeline.geometry import Zyx
from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.program.step import StepOrderError
from pipeline.steps.clip import Clip
from pipeline.steps.crop import list_empty_crops
from pipeline.steps.remove_table import RemoveTable
from pipeline.volume import Volume, VolumeSpec


@pytest.mark.parametrize("order", [Zyx(0, 1, 2), Zyx(2, 0, 1)])
def test_what_lies_away_from_the_body_becomes_padding(order: Zyx[int]) -> None:
    torso = torsos.torso(torsos.turned(torsos.grid(), order))
    away = torsos.AIR_HU + 500
    voxels = torso.voxels.copy()
    voxels[0, 0, 0] = away
    program = Program.compile([RemoveTable(3)], VolumeSpec(torso.geometry), "float32")
    result = execute_on_volume(program, Volume(voxels, torso.valid, torso.geometry))
    kept, body = result.valid, (torso.voxels != torsos.AIR_HU) & (torso.voxels != torsos.TABLE_HU)
    assert kept[body].all()
    np.testing.assert_array_equal(result.array[kept], voxels[kept])
    assert (result.array[~kept] == -1024).all()
    table = torso.voxels == torsos.TABLE_HU
    assert kept[table].mean() < 0.35
    assert not kept[0, 0, 0]
    assert result.program.trail() == [{"step": "remove_table", "parameters": {"margin_mm": 3, "found": True}}]


def test_without_a_body_nothing_is_removed() -> None:
    torso = torsos.torso()
    air = Volume(np.full_like(torso.voxels, -1000), torso.valid, torso.geometry)
    result = execute_on_volume(Program.compile([RemoveTable()], VolumeSpec(torso.geometry), "float32"), air)
    np.testing.assert_array_equal(result.array, air.voxels)
    assert list_empty_crops(result.program.steps) == ["remove_table: nothing found, nothing cut"]


def test_it_stands_before_what_hides_the_body() -> None:
    with pytest.raises(StepOrderError, match="put it before the clip or window"):
        Program.compile([Clip(0, 100), RemoveTable()], VolumeSpec(torsos.grid()))
