from pathlib import Path

import numpy as np
import prepared
import pydicom
import pytest
from prepared import Moved, ball
from segmentations import read_segmentation

from pipeline.dataset import CohortVolume
from pipeline.errors import UsageError
from pipeline.export.segmentation import write_segmentation
from pipeline.output.tables import read_rows

pytest.importorskip("highdicom", reason="needs the extra seg")


def source_uids(volume: CohortVolume) -> list[str]:
    rows = read_rows(volume.output.files, "series_key", volume.key)
    return [row["SOPInstanceUID"] for row in sorted(rows, key=lambda row: row["z_index"])]


@pytest.mark.parametrize("stack", prepared.STACKS)
def test_a_mask_lands_on_the_frames_of_its_slices(stack: str, moved: Moved, tmp_path: Path) -> None:
    volume = moved("resample")[stack]
    mask = ball(volume.geometry.shape, volume.geometry.spacing_mm, 6).astype(np.uint8) * 3
    mask[:, :2] = 0
    write_segmentation(volume, mask, tmp_path / "seg.dcm")
    found = read_segmentation(tmp_path / "seg.dcm")
    expected = volume.restore(mask) == 3
    frames = found.get_pixels_by_source_instance(
        source_uids(volume), ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    assert expected.any()
    np.testing.assert_array_equal(frames[..., 0], expected)
    assert found.NumberOfFrames == expected.any(axis=(1, 2)).sum()
    assert found.get_segment_description(1).segment_label == "label 3"


def test_frames_lie_where_the_slices_lie_and_name_the_same_patient(moved: Moved, tmp_path: Path) -> None:
    volume = moved("orient")["feet first"]
    mask = np.zeros(volume.geometry.shape, bool)
    mask[2, 3, 4] = True
    write_segmentation(volume, mask, tmp_path / "seg.dcm")
    found = pydicom.dcmread(tmp_path / "seg.dcm")
    place = found.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
    k, _, _ = np.rint(volume.to_pixel([2, 3, 4])).astype(int)
    np.testing.assert_allclose(place, volume.to_world(volume.from_pixel(k, 0, 0)), atol=1e-3)
    assert (found.PatientID, found.Modality) == ("P-feet first", "SEG")


def test_the_file_is_its_owners_alone(moved: Moved, tmp_path: Path) -> None:
    volume = moved("orient")["regular"]
    write_segmentation(volume, np.ones(volume.geometry.shape, bool), tmp_path / "seg.dcm")
    assert (tmp_path / "seg.dcm").stat().st_mode & 0o077 == 0


def test_a_segmentation_does_not_go_where_an_output_is_shared(moved: Moved) -> None:
    volume = moved("orient")["regular"]
    mask = np.ones(volume.geometry.shape, bool)
    with pytest.raises(UsageError, match="names the patient"):
        write_segmentation(volume, mask, volume.output.root / "volumes" / "seg.dcm")
    write_segmentation(volume, mask, volume.output.private / "seg.dcm")
    assert (volume.output.private / "seg.dcm").exists()


def test_slices_that_have_gone_are_said(tmp_path: Path) -> None:
    volume = prepared.only(prepared.prepared(tmp_path, prepared.STEPS["orient"], series={}))
    for path in sorted((tmp_path / "dicom").rglob("*.dcm"))[:3]:
        path.unlink()
    with pytest.raises(UsageError, match="3 of the source's 12 slices are not where they were"):
        write_segmentation(volume, np.ones(volume.geometry.shape, bool), tmp_path / "seg.dcm")


def test_without_the_private_tables_that_is_said(tmp_path: Path) -> None:
    volume = prepared.only(prepared.prepared(tmp_path, prepared.STEPS["orient"], series={}))
    volume.output.files.unlink()
    with pytest.raises(UsageError, match=r"private/files.parquet is not there"):
        write_segmentation(volume, np.ones(volume.geometry.shape, bool), tmp_path / "seg.dcm")
