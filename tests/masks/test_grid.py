import numpy as np
import pytest
from masked import grid

from pipeline.masks.grid import MaskMismatchError, smallest_dtype


@pytest.mark.parametrize("tilt", [0.0, 1.3])
def test_even_slices_have_an_affine_that_leads_to_their_pixels(tilt: float) -> None:
    source = grid(tilt=tilt)
    assert source.affine_lps is not None
    for k in range(4):
        expected = source.corners[k] + np.array([5 * 0.7, 2 * 0.9, 0])
        np.testing.assert_allclose((source.affine_lps @ (k, 2, 5, 1))[:3], expected)


def test_uneven_slices_have_none() -> None:
    source = grid()
    source.corners[2, 2] += 0.5
    assert source.affine_lps is None


def test_a_slice_is_found_by_its_first_pixel_within_the_rounding_of_a_header() -> None:
    source = grid()
    assert source.slice_at(source.corners[2] + [0, 0.05, 0.03]) == 2
    with pytest.raises(MaskMismatchError, match=r"0\.20 mm from the nearest slice"):
        source.slice_at(source.corners[2] + [0, 0, 0.2])


def test_a_frame_of_reference_that_nobody_tells_is_believed() -> None:
    grid().require_frame_of_reference("")
    grid(frame_of_reference_uid="").require_frame_of_reference("9.9")
    with pytest.raises(MaskMismatchError):
        grid().require_frame_of_reference("9.9")


@pytest.mark.parametrize(("most", "dtype"), [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65536, "uint32")])
def test_labels_take_the_fewest_bytes(most: int, dtype: str) -> None:
    assert smallest_dtype(0, most) == dtype


@pytest.mark.parametrize("labels", [[-1, 3], [0, 2**32]])
def test_what_is_no_label_is_refused(labels: list[int]) -> None:
    with pytest.raises(MaskMismatchError, match="labels are whole numbers from 0"):
        smallest_dtype(*labels)
