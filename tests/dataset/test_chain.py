import numpy as np
import prepared
import pytest
from prepared import Moved

from pipeline.dataset.chain import MOVING, chain_of
from pipeline.errors import UsageError
from pipeline.program.changes import Barrier, Blank, LineChange, Quantisation
from pipeline.steps import STEPS
from pipeline.steps.remove_table import FoundBody
from pipeline.volume import VolumeSpec

WHAT_THE_OTHERS_NEED = {
    "clip": {"low_hu": -1000, "high_hu": 400},
    "window": {"preset": "lung"},
    "normalise": {"to": "z_score"},
    "quantise": {},
    "centre": {"mean": 0.0},
}


@pytest.mark.parametrize("steps", prepared.STEPS)
@pytest.mark.parametrize("stack", prepared.STACKS)
def test_the_source_through_the_chain_is_the_stored_image(stack: str, steps: str, moved: Moved) -> None:
    volume = moved(steps)[stack]
    measured = volume.measured()
    assert measured.mean() > 0.1
    projected = volume.project(prepared.marked().astype(np.float32))
    np.testing.assert_allclose(projected[measured], volume.values()[measured], rtol=0, atol=0.01)


def test_a_trail_that_leads_elsewhere_is_refused(moved: Moved) -> None:
    volume = moved("resample")["regular"]
    attributes = {**volume.attributes, "trail": volume.attributes["trail"][:1]}
    with pytest.raises(UsageError, match="does not lead from its source to its grid"):
        chain_of(attributes, volume.geometry, volume.slices)


def test_a_table_of_other_slices_is_refused(moved: Moved) -> None:
    volume = moved("nothing")["regular"]
    with pytest.raises(UsageError, match=r"names 11 slices .* made of 12"):
        chain_of(volume.attributes, volume.geometry, volume.slices[1:])


SEARCHED = {"remove_table": FoundBody(5, True, np.ones((1, 1, 1), np.bool_))}  # noqa: FBT003
"""What a step that searches becomes."""


@pytest.mark.parametrize("name", sorted(set(STEPS) - set(MOVING)))
def test_a_step_that_is_not_said_to_move_voxels_changes_values_only(name: str, moved: Moved) -> None:
    spec = VolumeSpec(moved("nothing")["regular"].geometry)
    step = SEARCHED.get(name) or STEPS[name](**WHAT_THE_OTHERS_NEED[name])
    assert isinstance(step.change(spec), LineChange | Barrier | Quantisation | Blank)
