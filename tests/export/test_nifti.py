from pathlib import Path

import nibabel
import numpy as np
import phantoms
import prepared
import pytest
from prepared import Moved, only, prepared_from

from pipeline.dataset import Cohort
from pipeline.errors import UsageError
from pipeline.export.nifti import image_of, is_sheared, read_on_grid, write_nifti

GEOMETRY_FIELDS = (
    *("dim", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
ORIENT = "steps: [{orient: {to: LPS}}]\nreport: {enabled: false}\n"


@pytest.mark.parametrize("patient", ["STS_002", "STS_025"])
def test_orient_alone_gives_what_another_group_has_made_of_the_series(
    patient: str, shared_data: Path, tmp_path: Path
) -> None:
    reference = nibabel.load(next((shared_data / "sts_ibsi/nifti" / patient).rglob("*image*.nii*")))
    volume = only(prepared_from(tmp_path, shared_data / "sts_ibsi/dicom" / patient / "CT/image", ORIENT))
    (path,) = write_nifti(volume, tmp_path)
    ours = nibabel.load(path)
    axes = [nibabel.orientations.io_orientation(image.affine) for image in (ours, reference)]
    ours = ours.as_reoriented(nibabel.orientations.ornt_transform(*axes))
    assert ours.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(ours.dataobj), reference.get_fdata())
    np.testing.assert_allclose(ours.affine, reference.affine, atol=1e-4)
    np.testing.assert_allclose(ours.affine, ours.get_qform(), atol=1e-4)


def test_a_voxel_lies_where_the_store_says(packed: Cohort, tmp_path: Path) -> None:
    volume = next(packed.volumes())
    image = nibabel.load(write_nifti(volume, tmp_path)[0])
    x, y, z = volume.to_world([3, 5, 7])
    np.testing.assert_allclose(image.affine @ [7, 5, 3, 1], [-x, -y, z, 1], atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)


def test_normalised_values_leave_as_hu(packed: Cohort, tmp_path: Path) -> None:
    (key,) = packed.where(kernel_class="smooth").keys
    volume = packed.volume(key)
    truth = phantoms.truth_volume(12, 32, 32, seed=2).clip(-1000, 400)
    image = nibabel.load(write_nifti(volume, tmp_path)[0])
    assert (image.get_data_dtype(), image.header["descrip"].item()) == (np.float32, b"HU")
    np.testing.assert_allclose(np.asarray(image.dataobj).T, truth, atol=1e-3)
    whole = image_of(volume, "int16")
    assert whole.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(whole.dataobj).T, truth)


def test_what_leads_nowhere_leaves_as_it_is(tmp_path: Path) -> None:
    steps = "steps: [{window: {preset: lung}}, {clip: {low_hu: 500, high_hu: 600}}, {centre: {mean: 3}}]\n"
    volume = only(prepared.prepared(tmp_path, steps, series={}))
    image = image_of(volume)
    assert (image.header["descrip"].item(), float(image.dataobj[0, 0, 0])) == (b"normalised", 497.0)


def test_channels_are_the_last_axis(tmp_path: Path) -> None:
    steps = "steps: [{window: {channels: [{preset: lung}, {preset: bone}]}}]\n"
    volume = only(prepared.prepared(tmp_path, steps, series={}))
    image = image_of(volume)
    assert image.shape == (32, 32, 12, 2)
    np.testing.assert_array_equal(image.dataobj[7, 5, 3], volume.values()[:, 3, 5, 7])


def test_mask_and_labels_lie_beside_the_volume_on_request(packed: Cohort, tmp_path: Path) -> None:
    volume = next(packed.volumes())
    paths = write_nifti(volume, tmp_path, with_masks=True)
    assert [path.name.removeprefix(volume.key) for path in paths] == [".nii.gz", "_mask.nii.gz", "_lesion.nii.gz"]
    np.testing.assert_array_equal(read_on_grid(paths[2], volume), volume.label("lesion")[...])
    np.testing.assert_array_equal(nibabel.load(paths[2]).affine, nibabel.load(paths[0]).affine)


def test_a_sheared_grid_has_no_qform(tmp_path: Path) -> None:
    yaml = "geometry: {gantry_tilt: keep}\nreport: {enabled: false}\n"
    tilted = only(prepared.prepared(tmp_path, yaml, series={"tilt_deg": 12.0}))
    image, mask = map(nibabel.load, write_nifti(tilted, tmp_path, with_masks=True)[:2])
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 0)
    assert is_sheared(tilted)
    for name in GEOMETRY_FIELDS:
        assert image.header[name].tobytes() == mask.header[name].tobytes()


def test_image_and_mask_have_the_same_geometry_byte_for_byte(packed: Cohort, tmp_path: Path) -> None:
    volume = next(packed.volumes())
    image, *masks = map(nibabel.load, write_nifti(volume, tmp_path, with_masks=True))
    assert not is_sheared(volume)
    for mask in masks:
        assert all(image.header[name].tobytes() == mask.header[name].tobytes() for name in GEOMETRY_FIELDS)


def test_the_same_volume_gives_the_same_bytes(packed: Cohort, tmp_path: Path) -> None:
    volume = next(packed.volumes())
    first, second = (write_nifti(volume, tmp_path / name)[0] for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("stack", ["feet first", "coronal", "tilted"])
@pytest.mark.parametrize("axes", ["RAS", "PIR"])
def test_a_mask_in_any_orientation_is_brought_to_the_stores(
    stack: str, axes: str, moved: Moved, tmp_path: Path
) -> None:
    volume = moved("resample")[stack]
    mask = np.random.default_rng(0).integers(0, 3, volume.geometry.shape).astype(np.uint8)
    image = image_of(volume, "float32")
    image = nibabel.Nifti1Image(mask.T, image.affine)
    wanted = nibabel.orientations.axcodes2ornt(axes)
    turned = image.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.orientations.io_orientation(image.affine), wanted)
    )
    nibabel.save(turned, tmp_path / "mask.nii")
    np.testing.assert_array_equal(read_on_grid(tmp_path / "mask.nii", volume), mask)


def test_a_mask_as_numpy_is_taken_as_it_is(packed: Cohort, tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", prepared.lesion((12, 32, 32)).astype(np.float64))
    read = read_on_grid(tmp_path / "mask.npy", next(packed.volumes()))
    np.testing.assert_array_equal(read, prepared.lesion((12, 32, 32)))


def test_a_mask_elsewhere_is_refused(packed: Cohort, tmp_path: Path) -> None:
    volume = next(packed.volumes())
    image = image_of(volume, "int16")
    affine = image.affine.copy()
    affine[0, 3] += 3
    nibabel.save(nibabel.Nifti1Image(np.zeros(image.shape, np.uint8), affine), tmp_path / "mask.nii.gz")
    with pytest.raises(UsageError, match=r"mask.nii.gz does not lie on the volume's grid"):
        read_on_grid(tmp_path / "mask.nii.gz", volume)


@pytest.mark.parametrize("name", ["mask.npy", "mask.nii.gz", "mask.nii", "mask.txt"])
def test_a_file_that_cannot_be_read_is_refused(name: str, packed: Cohort, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no mask at all")
    with pytest.raises(UsageError, match=f"{name} cannot be read as a mask"):
        read_on_grid(tmp_path / name, next(packed.volumes()))


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((2, 2, 2)), "holds"),
        (np.full((12, 32, 32), 0.5), "is no mask"),
        (np.full((12, 32, 32), -1), "no mask"),
    ],
)
def test_what_is_no_mask_is_refused(array: np.ndarray, problem: str, packed: Cohort, tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", array)
    with pytest.raises(UsageError, match=problem):
        read_on_grid(tmp_path / "mask.npy", next(packed.volumes()))
