import numpy as np
import pytest
import torsos

from pipeline.program import execute
from pipeline.program.program import Program
from pipeline.steps.crop_body import CropBody
from pipeline.volume import VolumeSpec


@pytest.mark.parametrize("margin_mm", [0.0, 9.0])
def test_the_box_holds_the_body_and_its_margin_and_no_table(margin_mm: float) -> None:
    torso = torsos.torso()
    program = Program.compile([CropBody(margin_mm)], VolumeSpec(torso.geometry), "float32")
    geometry = execute.execute_on_volume(program, torso).spec.geometry
    half_mm = (np.array(geometry.shape) - 1) / 2 * geometry.spacing_mm
    wanted_mm = np.array(torsos.BODY_MM) + margin_mm
    np.testing.assert_allclose(geometry.centre_mm, 0, atol=torsos.TABLE_MM / 2)
    # Where the shell of the table touches the back it counts as body.
    np.testing.assert_allclose(half_mm[1:], wanted_mm, atol=1.5 + torsos.TABLE_MM / 2)
    assert geometry.shape.z == torso.geometry.shape.z
