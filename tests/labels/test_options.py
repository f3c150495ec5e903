from pathlib import Path

import pytest

from pipeline.labels.options import IDENTIFIERS, LabelOptions, MaskOptions, TableOptions


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


def test_a_table_is_joined_on_the_column_of_that_name_unless_told() -> None:
    assert LabelOptions().table is None
    assert LabelOptions(csv="a.csv").table == TableOptions(Path("a.csv"), "PatientID")
    assert TableOptions(Path("a.csv"), "PatientID").key_column == "PatientID"
    assert TableOptions(Path("a.csv"), "PatientID", "Patient").key_column == "Patient"


def test_only_two_identifiers_speak_of_slices() -> None:
    speak = [name for name in IDENTIFIERS if TableOptions(Path(), name).speaks_of_slices]  # type: ignore[arg-type]
    assert speak == ["SOPInstanceUID", "slice_key"]
