from pathlib import Path

import pytest

from pipeline.cohort.options import IDENTIFIERS, LabelOptions, TableOptions
from pipeline.masks.sources import MaskOptions


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "../x", "nifti": "a.nii"}, "name must be"),
        ({"name": "", "nifti": "a.nii"}, "name must be"),
        ({"name": "lung"}, "either nifti: FILE or dicom:"),
        ({"name": "lung", "nifti": "a.nii", "dicom": "SEG"}, "either nifti: FILE or dicom:"),
        ({"name": "lung", "nifti": "a.nii", "roi": "x"}, "no names"),
        ({"name": "lung", "dicom": "SEG", "roi": "("}, "regular expression"),
    ],
)
def test_a_mask_that_cannot_be_is_refused(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaskOptions(**wrong)  # type: ignore[arg-type]  # as a configuration might have it


def test_masks_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="names of their own"):
        LabelOptions(masks=(MaskOptions("gtv", nifti="a"), MaskOptions("gtv", nifti="b")))


def test_a_table_is_joined_on_the_column_of_that_name_by_default() -> None:
    assert LabelOptions().table is None
    assert LabelOptions(csv="a.csv").table == TableOptions(Path("a.csv"), "PatientID")
    assert TableOptions(Path("a.csv"), "PatientID").key_column == "PatientID"
    assert TableOptions(Path("a.csv"), "PatientID", "Patient").key_column == "Patient"


def test_only_two_identifiers_speak_of_slices() -> None:
    speak = [name for name in IDENTIFIERS if TableOptions(Path(), name).is_about_slices]  # type: ignore[arg-type]
    assert speak == ["SOPInstanceUID", "slice_key"]


def test_the_files_of_a_pattern_are_those_of_any_series(tmp_path: Path) -> None:
    (tmp_path / "[a]").mkdir()
    for name in ("P-1.nii", "P-2.nii", "other.txt"):
        (tmp_path / "[a]" / name).write_bytes(b"")
    mask = MaskOptions("gtv", nifti=str(tmp_path / "[a]" / "{PatientID}.nii"))
    assert [Path(name).name for name in mask.files()] == ["P-1.nii", "P-2.nii"]
    assert MaskOptions("gtv", dicom="SEG").files() == []


@pytest.mark.parametrize(
    "pattern", ["{PatientName}.nii", "{PatientID!r}.nii", "{PatientID:9}.nii", "{PatientID.x}", "{", "{}.nii"]
)
def test_only_known_names_stand_in_braces(pattern: str) -> None:
    with pytest.raises(ValueError, match="in braces"):
        MaskOptions("gtv", nifti=pattern)
