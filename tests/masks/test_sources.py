import re
from pathlib import Path

import pytest
from masked import FRAME, SERIES, grid, outline, structures
from phantoms import Series, write_series

from pipeline.config import load
from pipeline.limits import Limits
from pipeline.masks.sources import MaskOptions
from pipeline.plan.recipe import scan_inputs
from pipeline.privacy import PseudonymKey
from pipeline.scan.headers import Reading
from pipeline.scan.masks import CACHE, add_masks
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.vocabulary import MaskReason, Reason, SeriesWarning

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


def with_masks(tmp_path: Path, *options: MaskOptions, reading: Reading | None = None) -> Scan:
    return add_masks(scan(tmp_path), options, Limits(), reading)


def draw(tmp_path: Path, name: str, patient: str = "P-1", series: str = SERIES) -> Path:
    dataset = structures({"gtv": [outline(grid(), 1, SQUARE)]}, series=series)
    dataset.PatientID = patient
    path = tmp_path / "in" / name
    dataset.save_as(path, enforce_file_format=True)
    return path


GTV = MaskOptions("gtv", dicom="RTSTRUCT", roi="gtv")


@pytest.mark.usefixtures("series")
def test_without_masks_nothing_changes(tmp_path: Path) -> None:
    found = scan(tmp_path)
    assert add_masks(found, (), Limits()) is found


def test_an_object_is_linked_to_the_series_that_it_names(tmp_path: Path, series: Series) -> None:
    path = draw(tmp_path, "rs.dcm", series=series.series_uid)
    ct = ct_of(with_masks(tmp_path, GTV, MaskOptions("organs", dicom="SEG")))
    gtv, organs = ct.masks
    assert [(file.path, file.linked_by) for file in gtv.files] == [(str(path), "series")]
    assert gtv.choice.numbers == (("gtv", 1),)
    assert (organs.files, organs.missing) == ((), MaskReason.NO_OBJECT)
    assert SeriesWarning.W_LABEL_MISSING not in ct.warnings


def test_an_object_that_belongs_to_no_series_is_missing_from_those_of_its_patient(
    tmp_path: Path, series: Series
) -> None:
    path = draw(tmp_path, "rs.dcm", series="7.7")
    found = with_masks(tmp_path, GTV)
    ct = ct_of(found)
    assert ct.masks[0].missing is MaskReason.NOT_LINKED
    assert SeriesWarning.W_LABEL_MISSING in ct.warnings
    assert [(row["path"], row["reason"]) for row in found.mask_rows] == [(str(path), "not_linked")]
    assert ct.signature == ct_of(scan(tmp_path)).signature
    assert series.series_uid


@pytest.mark.parametrize("name", ["zz.dcm", "aa.dcm"])
def test_an_object_in_the_series_of_its_images_is_found_under_any_name(
    tmp_path: Path, series: Series, name: str
) -> None:
    dataset = structures({"gtv": []}, series=series.series_uid)
    dataset.SeriesInstanceUID = series.series_uid
    dataset.save_as(tmp_path / "in" / "ct" / name, enforce_file_format=True)
    (source,) = ct_of(with_masks(tmp_path, GTV)).masks
    assert len(source.files) == 1


def test_a_bare_or_damaged_object_is_no_rejected_series(tmp_path: Path, series: Series) -> None:
    path = draw(tmp_path, "rs.dcm", series=series.series_uid)
    bare = path.read_bytes()[132:]
    path.write_bytes(bare[int.from_bytes(bare[8:12], "little") + 12 :])
    draw(tmp_path, "cut.dcm").write_bytes(draw(tmp_path, "cut.dcm").read_bytes()[:-30])
    found = with_masks(tmp_path, GTV)
    assert {one.refusal[0] for one in found.series if one.refusal} == {Reason.NOT_CT}
    assert str(path) in {file.path for file in ct_of(found).masks[0].files}


def test_what_objects_refer_to_is_read_once(tmp_path: Path, series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path, "rs.dcm", series=series.series_uid)
    reading = Reading()
    first = with_masks(tmp_path, GTV, reading=reading)
    assert re.search(FRAME, reading.table.database.fact(CACHE) or "")
    monkeypatch.setattr("pipeline.scan.masks.read_references", None)
    again = with_masks(tmp_path, GTV, reading=reading)
    assert [(one.signature, one.masks) for one in again.series] == [(one.signature, one.masks) for one in first.series]


def test_a_number_that_moves_changes_the_series_that_has_it(tmp_path: Path, series: Series) -> None:
    draw(tmp_path, "rs.dcm", series=series.series_uid)
    everything = MaskOptions("all", dicom="RTSTRUCT")
    before = ct_of(with_masks(tmp_path, everything)).signature
    other = write_series(tmp_path / "in" / "other", n=4, rows=16, columns=16, patient_id="P-2", seed=2)
    dataset = structures({"aorta": []}, series=other.series_uid)
    dataset.PatientID = "P-2"
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = "1.5.1", "1.5"
    dataset.StudyInstanceUID = other.study_uid
    dataset.save_as(tmp_path / "in" / "aorta.dcm", enforce_file_format=True)
    after = next(
        one
        for one in with_masks(tmp_path, everything).series
        if one.identifiers["SeriesInstanceUID"] == series.series_uid
    )
    assert after.masks[0].choice.numbers == (("gtv", 2),)
    assert after.signature != before


def test_a_nifti_file_is_found_by_what_the_series_is_known_by(tmp_path: Path, series: Series) -> None:
    (tmp_path / "P-1.nii.gz").write_bytes(b"x")
    (tmp_path / f"{series.series_uid}.nii").write_bytes(b"x")
    for pattern, name in (
        ("{PatientID}.nii.gz", "P-1.nii.gz"),
        ("{SeriesInstanceUID}.nii", f"{series.series_uid}.nii"),
    ):
        found = ct_of(with_masks(tmp_path, MaskOptions("gtv", nifti=str(tmp_path / pattern))))
        assert [file.path for source in found.masks for file in source.files] == [str(tmp_path / name)]
    (source,) = ct_of(with_masks(tmp_path, MaskOptions("gtv", nifti=str(tmp_path / "{patient}.nii")))).masks
    assert source.missing is MaskReason.NO_OBJECT


@pytest.mark.parametrize("patient", ["../outside", "..", "a\\b", ""])
def test_an_identifier_leads_to_no_file_outside(tmp_path: Path, patient: str) -> None:
    write_series(tmp_path / "in" / "ct", n=4, rows=16, columns=16, patient_id=patient)
    (tmp_path / "masks").mkdir()
    for name in ("outside.nii.gz", "masks/.nii.gz", "masks/...nii.gz"):
        (tmp_path / name).write_bytes(b"x")
    found = with_masks(tmp_path, MaskOptions("gtv", nifti=str(tmp_path / "masks" / "{PatientID}.nii.gz")))
    assert [source.files for source in ct_of(found).masks] == [()]


@pytest.mark.usefixtures("series")
def test_a_mask_that_comes_or_changes_makes_the_series_changed(tmp_path: Path) -> None:
    options = [MaskOptions("gtv", nifti=str(tmp_path / "{PatientID}.nii.gz"))]
    path, signatures = tmp_path / "P-1.nii.gz", []
    for content in (None, b"one", b"other"):
        if content:
            path.write_bytes(content)
        signatures.append(ct_of(with_masks(tmp_path, *options)).signature)
    assert len(set(signatures)) == 3
    assert signatures[0] == ct_of(scan(tmp_path)).signature
