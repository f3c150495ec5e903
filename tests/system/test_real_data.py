"""The public CT series beside the project: every file accounted for, every volume as another group reads it."""

from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pytest
from running import ORIENTED, carry_out, store_of
from scipy import ndimage

from pipeline.geometry import LPS_TO_RAS
from pipeline.output.tables import read_table
from pipeline.run.run import Outcome
from pipeline.store.read import open_store

DEFAULT = (Path(__file__).parents[2] / "configs" / "default.yaml").read_text()


@pytest.fixture(scope="module")
def whole(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Everything in one cohort, with the default configuration."""
    return carry_out(tmp_path_factory.mktemp("real"), shared_data, DEFAULT, cluster="serial")


def by_folder(outcome: Outcome, part: str) -> list[tuple[str, str | None]]:
    """Return status and reason of every series whose folder's path holds a text."""
    keys = {row["series_key"] for row in read_table(outcome.output.index) if part in row["folder"]}
    return [(record.status.value, record.reason) for record in outcome.records if record.series_key in keys]


@pytest.mark.parametrize(
    "folder",
    [f"sts_ibsi/dicom/STS_{number}/CT/image" for number in ("002", "008", "019", "025", "042")]
    + ["lung_pet_ct_dx", "philips_head_phantom/S21570/S2010", "siemens_mct_j2k"],
)
def test_a_ct_is_prepared(whole: Outcome, folder: str) -> None:
    assert by_folder(whole, folder) == [("ok", None)]


@pytest.mark.parametrize(
    ("folder", "status", "reason"),
    [
        ("STS_008/MR_T1/image", "excluded", "NOT_CT"),
        ("STS_008/PET/image", "excluded", "NOT_CT"),
        ("STS_008/CT/mask", "excluded", "NOT_CT"),
        ("philips_head_phantom/S21570/S1000", "excluded", "LOCALIZER"),
        ("philips_head_phantom/S21570/S4010", "excluded", "NOT_CT"),
        ("notavolume", "rejected", "DUPLICATE_POSITION"),
        ("sliceincrement", "rejected", "SLICE_GAP"),
    ],
)
def test_what_is_no_volume_has_its_reason(whole: Outcome, folder: str, status: str, reason: str) -> None:
    assert by_folder(whole, folder) == [(status, reason)]


def test_every_file_is_accounted_for(whole: Outcome, shared_data: Path) -> None:
    rows = read_table(whole.output.files)
    paths = Counter(str(path) for path in shared_data.resolve().rglob("*") if not path.is_dir())
    assert Counter(row["path"] for row in rows) == paths
    assert {row["status"] for row in rows} <= {"used", "skipped", "rejected"}
    assert all((row["reason"] is None) == (row["status"] == "used") for row in rows)
    assert len(read_table(whole.output.slices)) == len(rows)


def test_a_run_with_rejected_series_ends_with_3(whole: Outcome) -> None:
    assert whole.exit_code == 3


@pytest.mark.parametrize("patient", ["STS_002", "STS_025"])
@pytest.mark.usefixtures("in_this_process")
def test_hounsfield_volume_and_affine_equal_another_groups_nifti(
    patient: str, shared_data: Path, tmp_path: Path
) -> None:
    reference = nibabel.load(next((shared_data / "sts_ibsi/nifti" / patient).rglob("*image*.nii*")))
    outcome = carry_out(tmp_path, shared_data / "sts_ibsi/dicom" / patient / "CT/image", ORIENTED)
    store = open_store(store_of(outcome.output, outcome.records[0]))
    ours = nibabel.Nifti1Image(np.asarray(store.array[:]).T, xyz(LPS_TO_RAS @ store.geometry.affine_lps))
    ours = ours.as_reoriented(nibabel.orientations.ornt_transform(*map(axes_of, (ours, reference))))
    assert np.abs(np.asarray(ours.dataobj, float) - reference.get_fdata()).max() == 0
    np.testing.assert_allclose(ours.affine, reference.affine, atol=1e-4)


def xyz(affine: np.ndarray) -> np.ndarray:
    """Return an affine that takes (x, y, z) for one that takes (z, y, x)."""
    return affine[:, [2, 1, 0, 3]]


def axes_of(image: nibabel.Nifti1Image) -> np.ndarray:
    return nibabel.orientations.io_orientation(image.affine)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("{gap: interpolate}", "SLICE_GAP"),  # one of five planes is more than max_missing_share
        ("{gap: interpolate, max_missing_share: 0.25}", "HU_IMPLAUSIBLE"),  # its pixels were anonymised to 0-255
    ],
)
def test_a_gap_is_filled_only_as_far_as_the_policy_goes(
    policy: str, reason: str, shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "dicom2nifti_failing/sliceincrement"
    (record,) = carry_out(tmp_path, source, f"{ORIENTED}geometry: {policy}\n").records
    assert (record.status, record.reason) == ("rejected", reason)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("patient", ["STS_002", "STS_025"])
def test_resampling_agrees_with_scipy_on_a_real_volume(patient: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "sts_ibsi/dicom" / patient / "CT/image"
    resampled = "resample: {spacing_mm: [1, 1, 1], antialias: false}"
    stores = []
    for name, steps in (("plain", ""), ("fine", f", {{{resampled}}}")):
        yaml = f"steps: [{{orient: {{to: LPS}}}}{steps}]\nstore: {{dtype: float32}}\n"
        outcome = carry_out(tmp_path, source, yaml, name)
        stores.append(open_store(store_of(outcome.output, outcome.records[0])))
    plain, fine = stores
    to_source = np.linalg.solve(plain.geometry.affine_lps, fine.geometry.affine_lps)
    expected = ndimage.affine_transform(
        plain.array[:].astype(float), to_source, output_shape=fine.array.shape, order=1, mode="nearest"
    )
    assert np.abs(fine.array[:] - expected).max() < 0.01
