import json
from pathlib import Path

import nibabel
import numpy as np
import prepared
import pytest
from segmentations import read_segmentation

from pipeline.cli import main
from pipeline.dataset import Cohort

pytest.importorskip("highdicom", reason="needs the extra seg")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return prepared.labelled(tmp_path_factory.mktemp("exported"))


def test_all_series_are_written(cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(cohort.output.root), "--nifti", str(tmp_path / "nifti")]) == 0
    assert sorted(path.name for path in (tmp_path / "nifti").iterdir()) == [f"{key}.nii.gz" for key in cohort.keys]
    assert capsys.readouterr().out.endswith("3 series written; 1 without a volume left out\n")


@pytest.mark.parametrize("order", ["before", "after"])
def test_series_may_be_named_before_and_after_the_option(order: str, cohort: Cohort, tmp_path: Path) -> None:
    names = ["P-first", cohort.keys[0]]
    words = ["--nifti", str(tmp_path)]
    named = [*names, *words] if order == "before" else [*words, *names]
    assert main(["export", str(cohort.output.root), *named, "--with-masks", "--dtype", "int16"]) == 0
    written = {path.name.split("_")[0].split(".")[0] for path in tmp_path.iterdir()}
    assert cohort.keys[0] in written
    assert len(list(tmp_path.iterdir())) == 3 * len(written) <= 6
    assert nibabel.load(next(tmp_path.glob("*_mask.nii.gz"))).get_data_dtype() == np.uint8


def test_a_mask_goes_back_to_the_source_as_dicom(
    cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "mask.npy", prepared.lesion((12, 32, 32)))
    words = ["--dicom-seg", str(tmp_path / "seg.dcm"), "--mask", str(tmp_path / "mask.npy"), "P-second"]
    assert main(["export", str(cohort.output.root), *words]) == 0
    found = read_segmentation(tmp_path / "seg.dcm")
    assert (found.PatientID, found.number_of_segments, found.NumberOfFrames) == ("P-second", 2, 4)
    assert capsys.readouterr().out == f"{tmp_path / 'seg.dcm'}\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "nothing to write: give --nifti DIR"),
        (["--nifti", "out", "P-nobody"], "no series of this output has that name"),
        (["--dicom-seg", "seg.dcm", "P-first"], "needs a --mask and one series"),
        (["--dicom-seg", "seg.dcm", "--mask", "mask.npy"], "needs a --mask and one series"),
        (["--dicom-seg", "seg.dcm", "--mask", "mask.npy", "P-refused"], "that means 0 series"),
        (["--dicom-seg", "seg.dcm", "--mask", "none.npy", "P-first"], "none.npy cannot be read as a mask"),
    ],
)
def test_what_cannot_be_written_is_said(
    words: list[str],
    problem: str,
    cohort: Cohort,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(cohort.output.root), *words]) == 2
    assert problem in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_not_there_is_named_with_its_extra(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    monkeypatch.delitem(__import__("sys").modules, "pipeline.export.nifti", raising=False)
    assert main(["export", str(cohort.output.root), "--nifti", str(tmp_path)]) == 2
    assert "nibabel is not installed: pip install 'ctprep[nifti]'" in capsys.readouterr().err
    assert json.dumps(list(tmp_path.iterdir())) == "[]"
