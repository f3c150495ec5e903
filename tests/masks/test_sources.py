from pathlib import Path

import pytest
from masked import grid, outline, structures
from phantoms import Series, write_series

from pipeline.config import load
from pipeline.masks.sources import MaskOptions
from pipeline.plan.recipe import scan_inputs
from pipeline.privacy import PseudonymKey
from pipeline.scan.series import Scan, ScannedSeries, add_masks

SQUARE = [(0.5, 0.5), (4.5, 0.5), (4.5, 3.5), (0.5, 3.5)]


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in" / "ct", n=4, rows=16, columns=16)


def scan(tmp_path: Path) -> Scan:
    path = tmp_path / "config.yaml"
    path.write_text("steps: []\n")
    return scan_inputs(load(path, inputs=[tmp_path / "in"], output=tmp_path / "out"), PseudonymKey())


def ct_of(found: Scan) -> ScannedSeries:
    (ct,) = (one for one in found.series if one.refusal is None)
    return ct


def draw(tmp_path: Path, name: str, patient: str = "P-1") -> Path:
    dataset = structures({"gtv": [outline(grid(), 1, SQUARE)]})
    dataset.PatientID = patient
    path = tmp_path / "in" / name
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.usefixtures("series")
def test_without_masks_nothing_changes(tmp_path: Path) -> None:
    found = scan(tmp_path)
    assert add_masks(found, ()) is found


@pytest.mark.usefixtures("series")
def test_objects_of_the_same_patient_or_study_may_speak_of_a_series(tmp_path: Path) -> None:
    path = draw(tmp_path, "rs.dcm")
    draw(tmp_path, "other.dcm", "P-2")
    found = ct_of(add_masks(scan(tmp_path), [MaskOptions("gtv", dicom="RTSTRUCT", roi="gtv")]))
    assert [(source.name, source.kind, source.paths, source.roi) for source in found.masks] == [
        ("gtv", "RTSTRUCT", (str(path),), "gtv")
    ]
    assert ct_of(add_masks(scan(tmp_path), [MaskOptions("organs", dicom="SEG")])).masks == ()


def test_a_nifti_file_is_found_by_what_the_series_is_known_by(tmp_path: Path, series: Series) -> None:
    (tmp_path / "P-1.nii.gz").write_bytes(b"x")
    (tmp_path / f"{series.series_uid}.nii").write_bytes(b"x")
    for pattern, name in (
        ("{PatientID}.nii.gz", "P-1.nii.gz"),
        ("{SeriesInstanceUID}.nii", f"{series.series_uid}.nii"),
    ):
        found = ct_of(add_masks(scan(tmp_path), [MaskOptions("gtv", nifti=str(tmp_path / pattern))]))
        assert [source.paths for source in found.masks] == [(str(tmp_path / name),)]
    assert ct_of(add_masks(scan(tmp_path), [MaskOptions("gtv", nifti=str(tmp_path / "{patient}.nii"))])).masks == ()


@pytest.mark.parametrize("patient", ["../outside", "..", "a\\b", ""])
def test_an_identifier_leads_to_no_file_outside(tmp_path: Path, patient: str) -> None:
    write_series(tmp_path / "in" / "ct", n=4, rows=16, columns=16, patient_id=patient)
    (tmp_path / "masks").mkdir()
    for name in ("outside.nii.gz", "masks/.nii.gz", "masks/...nii.gz"):
        (tmp_path / name).write_bytes(b"x")
    found = add_masks(scan(tmp_path), [MaskOptions("gtv", nifti=str(tmp_path / "masks" / "{PatientID}.nii.gz"))])
    assert ct_of(found).masks == ()


@pytest.mark.usefixtures("series")
def test_a_mask_that_comes_or_changes_makes_the_series_changed(tmp_path: Path) -> None:
    options = [MaskOptions("gtv", nifti=str(tmp_path / "{PatientID}.nii.gz"))]
    path, signatures = tmp_path / "P-1.nii.gz", []
    for content in (None, b"one", b"other"):
        if content:
            path.write_bytes(content)
        signatures.append(ct_of(add_masks(scan(tmp_path), options)).signature)
    assert len(set(signatures)) == 3
    assert signatures[0] == ct_of(scan(tmp_path)).signature
