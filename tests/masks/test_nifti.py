from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from masked import grid, marked
from numpy.typing import NDArray

from pipeline.geometry import LPS_TO_RAS, Zyx
from pipeline.limits import Limits
from pipeline.masks.grid import MaskMismatchError, SourceGrid
from pipeline.masks.nifti import has_nifti, read_nifti
from pipeline.vocabulary import MaskReason


def write(
    folder: Path, source: SourceGrid, labels: NDArray, order: tuple[int, ...] = (2, 1, 0), flips: tuple[int, ...] = ()
) -> Path:
    """Write labels [z, y, x] with their axes in another order, some of them backwards; the affine says so."""
    assert source.affine_lps is not None
    affine = source.affine_lps[:, [*order, 3]].copy()
    array = labels.transpose(order)
    for axis in flips:
        affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
        affine[:, axis] *= -1
        array = np.flip(array, axis)
    path = folder / "mask.nii.gz"
    nibabel.Nifti1Image(array, LPS_TO_RAS @ affine).to_filename(path)
    return path


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_mask_is_found_whatever_the_order_of_its_axes(tmp_path: Path, order: tuple[int, ...]) -> None:
    source = grid(5)
    labels = marked(source, values=4)
    for picked in product((False, True), repeat=3):
        flips = tuple(axis for axis in range(3) if picked[axis])
        np.testing.assert_array_equal(
            read_nifti(write(tmp_path, source, labels, order, flips), source, Limits()).labels, labels
        )


def test_a_mask_of_a_tilted_stack_has_a_slanted_affine(tmp_path: Path) -> None:
    source = grid(tilt=1.3)
    labels = marked(source)
    np.testing.assert_array_equal(read_nifti(write(tmp_path, source, labels), source, Limits()).labels, labels)


def test_whole_numbers_in_floating_point_are_labels_and_a_fourth_axis_of_one_is_none(tmp_path: Path) -> None:
    source, path = grid(), tmp_path / "mask.nii"
    labels = marked(source, values=300)
    assert source.affine_lps is not None
    affine = LPS_TO_RAS @ source.affine_lps
    nibabel.Nifti1Image(labels.astype(np.float32)[..., None], affine).to_filename(path)
    found = read_nifti(path, source, Limits()).labels
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (grid(5), r"has the shape \(8, 6, 5\), the slices \(4, 6, 8\)"),
        (grid(tilt=0.4), r"lie \d\.\d\d voxels from those of the slices"),
    ],
)
def test_voxels_elsewhere_are_refused(tmp_path: Path, other: SourceGrid, message: str) -> None:
    with pytest.raises(MaskMismatchError, match=message):
        read_nifti(write(tmp_path, other, marked(other)), grid(), Limits())


def test_a_mask_that_is_moved_by_a_voxel_is_refused(tmp_path: Path) -> None:
    source = grid()
    moved = grid()
    moved.corners[:] += [0.7, 0, 0]
    with pytest.raises(MaskMismatchError, match=r"lie 1\.00 voxels"):
        read_nifti(write(tmp_path, moved, marked(source)), source, Limits())


def test_oblique_axes_are_not_those_of_the_slices(tmp_path: Path) -> None:
    source, path = grid(), tmp_path / "mask.nii"
    assert source.affine_lps is not None
    turn = np.eye(4)
    turn[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    nibabel.Nifti1Image(marked(source), LPS_TO_RAS @ turn @ source.affine_lps).to_filename(path)
    with pytest.raises(MaskMismatchError):
        read_nifti(path, source, Limits())


def test_uneven_slices_have_no_nifti(tmp_path: Path) -> None:
    source = grid()
    path = write(tmp_path, source, marked(source))
    uneven = grid()
    uneven.corners[2, 2] += 0.5
    with pytest.raises(MaskMismatchError, match="not evenly spaced"):
        read_nifti(path, uneven, Limits())


@pytest.mark.parametrize("value", [0.5, np.nan, -1.0])
def test_fractions_and_negatives_are_no_labels(tmp_path: Path, value: float) -> None:
    source = grid()
    labels = marked(source).astype(np.float32)
    labels[0, 0, 0] = value
    with pytest.raises(MaskMismatchError, match="whole numbers"):
        read_nifti(write(tmp_path, source, labels), source, Limits())


def test_what_is_no_nifti_is_refused(tmp_path: Path) -> None:
    assert has_nifti()
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(MaskMismatchError, match="cannot be read"):
        read_nifti(path, grid(), Limits())


def test_a_file_that_would_take_too_much_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    source = grid(500)
    wide = replace(source, shape=Zyx(500, 60, 80))
    assert wide.affine_lps is not None
    path = tmp_path / "mask.nii"
    nibabel.Nifti1Image(np.zeros((80, 60, 500)), LPS_TO_RAS @ wide.affine_lps[:, [2, 1, 0, 3]]).to_filename(path)
    assert read_nifti(path, wide, Limits(series_memory_mb=40)).is_empty
    with pytest.raises(MaskMismatchError, match="would take 18 MiB, more than 15") as raised:
        read_nifti(path, wide, Limits(series_memory_mb=30))
    assert raised.value.reason is MaskReason.TOO_LARGE
