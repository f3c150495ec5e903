import nibabel
import numpy as np
import pytest
from prepared import Moved

from pipeline.dataset.world import affine_xyz, to_cxyz


@pytest.mark.parametrize("stack", ["regular", "feet first", "coronal"])
def test_an_index_goes_to_the_same_place_in_either_order(stack: str, moved: Moved) -> None:
    geometry = moved("orient")[stack].geometry
    x, y, z = geometry.world((3, 5, 7))
    np.testing.assert_allclose(affine_xyz(geometry) @ [7, 5, 3, 1], [-x, -y, z, 1])
    assert "".join(nibabel.aff2axcodes(affine_xyz(geometry))) == "LPS"


def test_axes_are_turned_and_channels_stay_in_front() -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert to_cxyz(array)[1, 4, 3, 2] == array[1, 2, 3, 4]
    assert to_cxyz(array[0]).shape == (1, 5, 4, 3)
