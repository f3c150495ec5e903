from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from masked import outline, segments, structures
from numpy.typing import NDArray
from phantoms import Series, uid, write_series
from running import Outcome, by_uid, carry_out, store_of

from pipeline.geometry import LPS_TO_RAS, Xyz, Zyx
from pipeline.masks.grid import SourceGrid
from pipeline.output.manifest import count_mask_reasons, read_records
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.store.read import StoredVolume, open_store
from pipeline.vocabulary import MaskReason, SeriesWarning, Status

pytestmark = pytest.mark.usefixtures("in_this_process")

SIZE = {"n": 8, "rows": 24, "columns": 20}
ORIENT, FINER = "{orient: {to: LPS}}", "{resample: {factor: [1, 2, 2]}}"
SQUARE = [(2.5, 4.5), (9.5, 4.5), (9.5, 12.5), (2.5, 12.5)]


def source_of(series: Series) -> SourceGrid:
    """Return a series' slices as its masks must lie on them."""
    geometry = series.geometry
    row, column = np.array(geometry.axes.x), np.array(geometry.axes.y)
    corners = np.array([geometry.world(Zyx(k, 0, 0)) for k in range(geometry.shape.z)])
    spacing = (geometry.spacing_mm.y, geometry.spacing_mm.x)
    return SourceGrid(geometry.shape, corners, row, column, spacing, uid("frame", series.study_uid), series.series_uid)


def ball(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return an ellipsoid off the middle."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return sum((axis - at) ** 2 for axis, at in zip(axes, (0.1, -0.2, 0.15), strict=True)) < 0.45


def run_with(
    tmp_path: Path, masks: str, *steps: str, more: str = "", source: Path | None = None, name: str = "out"
) -> Outcome:
    yaml = (
        f"steps: [{', '.join(steps)}]\nmanifest: {{labels: {{masks: [{masks}]}}}}\nreport: {{enabled: false}}\n{more}"
    )
    return carry_out(tmp_path, source or tmp_path / "in", yaml, name)


def opened(outcome: Outcome, series: Series) -> tuple[SeriesRecord, StoredVolume]:
    record = by_uid(outcome)[series.series_uid]
    return record, open_store(store_of(outcome.output, record))


def write_nifti(path: Path, series: Series, labels: NDArray[Any]) -> None:
    affine = LPS_TO_RAS @ series.affine_lps[:, [2, 1, 0, 3]]
    nibabel.Nifti1Image(labels.transpose(2, 1, 0).astype(np.uint8), affine).to_filename(path)


def test_masks_of_every_kind_lie_in_the_store_as_in_their_source(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in" / "ct", **SIZE)
    source, mask = source_of(series), ball(series.geometry.shape)
    segments(source, {"liver": mask}).save_as(tmp_path / "in" / "seg.dcm", enforce_file_format=True)
    drawn = structures({"gtv": [outline(source, 5, SQUARE)]}, frame=source.frame_of_reference_uid)
    referenced = drawn.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    referenced.SeriesInstanceUID = series.series_uid
    drawn.save_as(tmp_path / "in" / "rs.dcm", enforce_file_format=True)
    write_nifti(tmp_path / "P-1.nii.gz", series, mask * 7)
    masks = "{name: organs, dicom: SEG}, {name: gtv, dicom: RTSTRUCT, roi: gtv}, "
    masks += f"{{name: lesion, nifti: '{tmp_path}/{{PatientID}}.nii.gz'}}"
    record, store = opened(run_with(tmp_path, masks, ORIENT), series)
    np.testing.assert_array_equal(store.labels["organs"][...], mask)
    np.testing.assert_array_equal(store.labels["lesion"][...], mask * 7)
    assert np.argwhere(store.labels["gtv"][...]).min(axis=0).tolist() == [5, 5, 3]
    assert record.labels == {
        "label_mask_gtv": 7 * 8,
        "label_mask_lesion": mask.sum(),
        "label_mask_organs": mask.sum(),
        "label_reason_gtv": "ok",
        "label_reason_lesion": "ok",
        "label_reason_organs": "ok",
    }
    assert SeriesWarning.W_LABEL_MISMATCH not in record.warnings
    assert all(
        one.labels.keys() == record.labels.keys() for one in read_records(run_with(tmp_path, masks, ORIENT).output)
    )


@pytest.mark.parametrize(
    "axes", [{}, {"row_axis": (-1.0, 0.0, 0.0)}, {"row_axis": (0.0, 1.0, 0.0), "column_axis": (0.0, 0.0, -1.0)}]
)
def test_a_mask_turns_and_grows_with_its_image(tmp_path: Path, axes: dict[str, Any]) -> None:
    """A mask of what is above a threshold is, in the store, where the image is above it."""
    wanted = {name: Xyz(*value) for name, value in axes.items()}
    hu = np.where(ball((8, 24, 20)), 300, -800).astype(np.int16)
    series = write_series(tmp_path / "in" / "ct", **SIZE, hu=hu, **wanted)
    write_nifti(tmp_path / "P-1.nii", series, ball((8, 24, 20)))
    masks = f"{{name: ball, nifti: '{tmp_path}/{{PatientID}}.nii'}}"
    halfway_hu = (300 - 800) / 2
    _, store = opened(run_with(tmp_path, masks, ORIENT, "{resample: {factor: [2, 2, 2]}}"), series)
    np.testing.assert_array_equal(store.labels["ball"][...], store.array[...] > halfway_hu)
    assert store.labels["ball"].shape == tuple(store.geometry.shape)


def test_a_mask_goes_through_a_repaired_gap_with_its_image(tmp_path: Path) -> None:
    hu = np.where(ball((8, 24, 20)), 300, -800).astype(np.int16)
    positions = [2.5 * k for k in (0, 1, 2, 3, 5, 6, 7, 8)]
    series = write_series(tmp_path / "in" / "ct", **SIZE, hu=hu, positions_mm=positions)
    source = source_of(series)
    source.corners[:, 2] = series.geometry.origin_mm.z + np.array(positions)
    segments(source, {"ball": hu > 0}).save_as(tmp_path / "in" / "seg.dcm", enforce_file_format=True)
    outcome = run_with(
        tmp_path, "{name: ball, dicom: SEG}", ORIENT, more="geometry: {gap: interpolate, max_missing_share: 0.2}\n"
    )
    _, store = opened(outcome, series)
    kept = [0, 1, 2, 3, 5, 6, 7, 8]
    np.testing.assert_array_equal(store.labels["ball"][...][kept], hu > 0)
    assert store.labels["ball"][...][4].any()


@pytest.mark.parametrize("spoil", ["moved", "two objects", "damaged"])
def test_a_mask_off_the_grid_is_not_written(tmp_path: Path, spoil: str) -> None:
    series = write_series(tmp_path / "in" / "ct", **SIZE)
    source, mask = source_of(series), ball(series.geometry.shape)
    if spoil == "moved":
        source.corners[:] += [0.0, 0.4, 0.0]
    dataset = segments(source, {"liver": mask})
    dataset.save_as(tmp_path / "in" / "seg.dcm", enforce_file_format=True)
    if spoil == "two objects":
        dataset = segments(source, {"liver": ~mask})
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.9"
        dataset.save_as(tmp_path / "in" / "seg2.dcm", enforce_file_format=True)
    if spoil == "damaged":
        del dataset.PixelData
        dataset.save_as(tmp_path / "in" / "seg.dcm", enforce_file_format=True)
    record, store = opened(run_with(tmp_path, "{name: organs, dicom: SEG}", ORIENT), series)
    assert SeriesWarning.W_LABEL_MISMATCH in record.warnings
    reasons = {"moved": "off_grid", "two objects": "several", "damaged": "unreadable"}
    assert (store.labels, record.labels) == ({}, {"label_mask_organs": None, "label_reason_organs": reasons[spoil]})
    assert record.detail is not None
    assert record.detail.startswith("mask organs: ")


def test_a_changed_mask_makes_the_store_again_and_the_masks_are_part_of_its_hash(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in" / "ct", **SIZE)
    masks = f"{{name: ball, nifti: '{tmp_path}/{{PatientID}}.nii'}}"
    before, store = opened(run_with(tmp_path, masks, ORIENT), series)
    assert store.labels == {}
    write_nifti(tmp_path / "P-1.nii", series, ball(series.geometry.shape))
    after, store = opened(run_with(tmp_path, masks, ORIENT), series)
    assert store.labels["ball"][...].any()
    assert (before.config_hash, before.sha256 == after.sha256) == (after.config_hash, False)
    plain, store = opened(
        carry_out(tmp_path, tmp_path / "in", f"steps: [{ORIENT}]\nreport: {{enabled: false}}\n"), series
    )
    assert (store.labels, plain.labels) == ({}, {})
    assert plain.config_hash != after.config_hash


def volume_and_centre(labels: NDArray[Any], affine_lps: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the cubic millimetres of what is marked, and its middle in LPS."""
    marked = np.argwhere(labels)
    return len(marked) * abs(np.linalg.det(affine_lps[:3, :3])), (affine_lps @ [*marked.mean(axis=0), 1.0])[:3]


def area_and_centre(points: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the area of a contour [n, (x, y, z)] in its plane, and its middle, by the formula of Gauss."""
    x, y = points[:, 0], points[:, 1]
    following_x, following_y = np.roll(x, -1), np.roll(y, -1)
    cross = x * following_y - following_x * y
    area = cross.sum() / 2
    middle = [((x + following_x) * cross).sum() / (6 * area), ((y + following_y) * cross).sum() / (6 * area)]
    return abs(float(area)), np.array([*middle, points[0, 2]])


def contours_of(path: Path) -> tuple[float, NDArray[np.float64]]:
    """Return the volume that the contours of an RTSTRUCT enclose, slices of one thickness, and its middle in LPS."""
    (roi,) = pydicom.dcmread(path).ROIContourSequence
    points = [np.array(contour.ContourData, float).reshape(-1, 3) for contour in roi.ContourSequence]
    parts = [area_and_centre(contour) for contour in points]
    heights = sorted({contour[0, 2] for contour in points})
    volume = sum(area for area, _ in parts)
    return volume * (heights[1] - heights[0]), sum(area * middle for area, middle in parts) / volume


STEPS = {
    "oriented": (),
    "1 mm": ("{resample: {spacing_mm: [1, 1, 1]}}",),
    "1.5 mm": ("{resample: {spacing_mm: [1.5, 1.5, 1.5]}}",),
    "finer": (FINER,),
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_published_masks_land_on_their_images(tmp_path: Path, shared_data: Path, steps: tuple[str, ...]) -> None:
    """Volume within 2 % of the source, middle within half a voxel: NIfTI of two patients, RTSTRUCT of a third."""
    sts = shared_data / "sts_ibsi"
    nifti = f"{sts}/nifti/{{PatientID}}/CT_mask.nii.gz"
    masks = f"{{name: gtv, dicom: RTSTRUCT, roi: GTV}}, {{name: lesion, nifti: '{nifti}'}}"
    stores = {}
    for patient in ("STS_002", "STS_008", "STS_025"):
        outcome = run_with(tmp_path, masks, ORIENT, *steps, source=sts / "dicom" / patient, name=patient)
        (record,) = (one for one in outcome.records if one.status is Status.OK)
        assert SeriesWarning.W_LABEL_MISMATCH not in record.warnings
        stores[patient] = open_store(store_of(outcome.output, record))
    sources = {"STS_008": contours_of(sts / "dicom/STS_008/CT/mask/RS.dcm")}
    for patient in ("STS_002", "STS_025"):
        image: Any = nibabel.load(sts / "nifti" / patient / "CT_mask.nii.gz")
        sources[patient] = volume_and_centre(np.asarray(image.dataobj), LPS_TO_RAS @ image.affine)
    for patient, (volume, centre) in sources.items():
        (labels,) = stores[patient].labels.values()
        geometry = stores[patient].geometry
        found, middle = volume_and_centre(labels[...], geometry.affine_lps)
        assert found == pytest.approx(volume, rel=0.02), patient
        assert np.all(np.abs(middle - centre) < np.array(geometry.spacing_mm)[::-1] / 2), patient


def object_rows(outcome: Outcome) -> list[dict[str, Any]]:
    return read_table(outcome.output.masks)


def save(dataset: Any, path: Path, series: Series, sop: str = "1.7.1") -> None:
    """Save an RTSTRUCT that refers to a series."""
    referenced = (
        dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    )
    referenced.SeriesInstanceUID = series.series_uid
    dataset.SOPInstanceUID, dataset.PatientID = sop, series.patient_id
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = series.study_uid, f"{sop}.1"
    dataset.save_as(path, enforce_file_format=True)


def drawn_on(series: Series, names: list[str], rows: list[int]) -> Any:
    """Return an RTSTRUCT with a square a region, each further down."""
    source = source_of(series)
    outlines = {
        name: [outline(source, 4, [(2.5, y - 0.5), (9.5, y - 0.5), (9.5, y + 1.5), (2.5, y + 1.5)])]
        for name, y in zip(names, rows, strict=True)
    }
    return structures(outlines, frame=source.frame_of_reference_uid)


def test_one_name_has_one_number_in_all_patients_and_only_private_tables_hold_it(tmp_path: Path) -> None:
    both = write_series(tmp_path / "in" / "a", **SIZE)
    heart = write_series(tmp_path / "in" / "b", **SIZE, patient_id="P-2", seed=2)
    save(drawn_on(both, ["Esophagus^Doe", "Heart^Doe"], [2, 8]), tmp_path / "in" / "a.dcm", both)
    save(drawn_on(heart, ["Heart^Doe"], [8]), tmp_path / "in" / "b.dcm", heart, "1.7.2")
    outcome = run_with(tmp_path, "{name: organs, dicom: RTSTRUCT}")
    values = [np.unique(opened(outcome, one)[1].labels["organs"][...]).tolist() for one in (both, heart)]
    assert values == [[0, 1, 2], [0, 2]]
    assert {(row["region"], row["number"]) for row in object_rows(outcome)} == {("Esophagus^Doe", 1), ("Heart^Doe", 2)}
    for path in outcome.output.root.rglob("*"):
        if path.is_file() and not path.is_relative_to(outcome.output.private):
            assert b"Doe" not in path.read_bytes(), path


def test_named_regions_and_layers_are_described_in_the_store(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in" / "ct", **SIZE)
    save(drawn_on(series, ["BODY", "GTV 1", "GTV 2"], [1, 2, 6]), tmp_path / "in" / "rs.dcm", series)
    mask = "{name: m, dicom: RTSTRUCT, layers: true, regions: {gtv: '^GTV', body: '(?i)^body', heart: heart}}"
    outcome = run_with(tmp_path, mask, ORIENT)
    record, store = opened(outcome, series)
    layers = store.labels["m"][...]
    assert layers.shape == (3, *store.geometry.shape)
    assert layers.sum(axis=(1, 2, 3)).tolist() == [28, 14, 0]
    assert record.labels == {"label_mask_m": 35, "label_reason_m": "ok"}
    assert not set(record.warnings) & {SeriesWarning.W_LABEL_OVERLAP}
    assert {(row["region"], row["number"]) for row in object_rows(outcome)} == {("GTV 1", 1), ("GTV 2", 1), ("BODY", 2)}
    again = opened(run_with(tmp_path, mask, ORIENT), series)[0]
    assert (again.sha256, again.finished_at) == (record.sha256, record.finished_at)
    reordered = mask.replace("gtv: '^GTV', body: '(?i)^body'", "body: '(?i)^body', gtv: '^GTV'")
    assert opened(run_with(tmp_path, reordered, ORIENT), series)[1].labels["m"][0].sum() == 14


def test_several_objects_are_refused_or_merged_and_copies_count_once(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in" / "ct", **SIZE)
    save(drawn_on(series, ["gtv"], [2]), tmp_path / "in" / "one.dcm", series)
    save(drawn_on(series, ["gtv"], [2]), tmp_path / "in" / "copy.dcm", series)
    record, _ = opened(run_with(tmp_path, "{name: m, dicom: RTSTRUCT}"), series)
    assert record.labels == {"label_mask_m": 14, "label_reason_m": "ok"}
    save(drawn_on(series, ["node"], [6]), tmp_path / "in" / "two.dcm", series, "1.7.3")
    outcome = run_with(tmp_path, "{name: m, dicom: RTSTRUCT}")
    record, _ = opened(outcome, series)
    assert (record.labels, SeriesWarning.W_LABEL_MISMATCH in record.warnings) == (
        {"label_mask_m": None, "label_reason_m": "several"},
        True,
    )
    assert [row["reason"] for row in object_rows(outcome)] == ["several"] * 3
    record, _ = opened(run_with(tmp_path, "{name: m, dicom: RTSTRUCT, pick: merge}"), series)
    assert record.labels == {"label_mask_m": 28, "label_reason_m": "ok"}


def test_a_mask_that_is_not_there_says_why_and_no_store_is_made_again_for_it(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in" / "ct", **SIZE)
    masks = "{name: m, dicom: RTSTRUCT}"
    before, _ = opened(run_with(tmp_path, masks), series)
    assert before.labels == {"label_mask_m": None, "label_reason_m": "no_object"}
    dataset = drawn_on(series, ["gtv"], [2])
    save(dataset, tmp_path / "in" / "rs.dcm", series)
    (study,) = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    study.RTReferencedSeriesSequence[0].SeriesInstanceUID = "7.7"
    dataset.save_as(tmp_path / "in" / "rs.dcm", enforce_file_format=True)
    outcome = run_with(tmp_path, masks)
    after, _ = opened(outcome, series)
    assert after.labels == {"label_mask_m": None, "label_reason_m": "not_linked"}
    assert SeriesWarning.W_LABEL_MISSING in after.warnings
    assert (after.sha256, after.finished_at) == (before.sha256, before.finished_at)
    (row,) = object_rows(outcome)
    assert (row["reason"], row["series_key"]) == ("not_linked", None)
    assert (outcome.output.masks.stat().st_mode & 0o777) == 0o600
    assert count_mask_reasons(outcome.records) == {"m": {MaskReason.NOT_LINKED: 1}}


def test_a_volume_is_cropped_to_its_label_on_any_grid_and_the_label_with_it(tmp_path: Path) -> None:
    series, other = (
        write_series(tmp_path / "in" / name, seed=n, patient_id=name, **SIZE) for n, name in enumerate("ab")
    )
    mask = np.zeros((8, 24, 20), np.uint8)
    mask[3:5, 6:10, 8:11] = 1
    write_nifti(tmp_path / "a.nii.gz", series, mask)
    masks = f"{{name: liver, nifti: '{tmp_path}/{{PatientID}}.nii.gz'}}"
    outcome = run_with(tmp_path, masks, "{orient: {to: RAS}}", FINER, "{crop_to: {label: liver, margin_mm: 2.6}}")
    record, store = opened(outcome, series)
    margin = [int(np.ceil(2.6 / mm - 1e-6)) for mm in store.geometry.spacing_mm]
    labels = store.labels["liver"][...]
    hits = [
        np.flatnonzero(np.moveaxis(labels, axis, 0).reshape(n, -1).any(axis=1)) for axis, n in enumerate(labels.shape)
    ]
    assert labels.any()
    assert [int(hit[0]) for hit in hits] == margin
    assert [n - 1 - int(hit[-1]) for n, hit in zip(labels.shape, hits, strict=True)] == margin
    (entry,) = (one for one in store.attributes["trail"] if one["step"] == "crop_to")
    assert (entry["parameters"]["label"], entry["parameters"]["found"]) == ("liver", True)
    assert record.qc != "look" or "crop_to" not in (record.qc_why or "")
    record, store = opened(outcome, other)
    assert store.array.shape == (8, 48, 40)
    assert "crop_to: nothing found, nothing cut" in (record.qc_why or "")
