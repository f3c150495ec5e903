import numpy as np
import pytest
import torsos

from pipeline.program import execute
from pipeline.program.program import Program
from pipeline.steps.crop_lung import CropLung
from pipeline.volume import VolumeSpec


@pytest.mark.parametrize("margin_mm", [0.0, 9.0])
def test_the_box_holds_both_lungs_and_the_margin(margin_mm: float) -> None:
    torso = torsos.torso()
    program = Program.compile([CropLung(margin_mm)], VolumeSpec(torso.geometry), "float32")
    geometry = execute.execute_on_volume(program, torso).spec.geometry
    z, y, x = torsos.LUNG_MM
    half_mm = (np.array(geometry.shape) - 1) / 2 * geometry.spacing_mm
    np.testing.assert_allclose(geometry.centre_mm, 0, atol=1e-9)
    np.testing.assert_allclose(half_mm, np.array([z, y, x + torsos.LUNGS_AT_MM]) + margin_mm, atol=3.0)
