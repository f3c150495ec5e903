from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config, check_ready, check_ready_to_read, load
from pipeline.errors import UsageError

NNUNET = Path(__file__).parents[2] / "configs" / "nnunet.yaml"


def config(tmp_path: Path, *overrides: str, path: Path | None = None, **options: Any) -> Config:
    (tmp_path / "in").mkdir()
    if path is None:
        path = tmp_path / "config.yaml"
        path.write_text("steps: [{orient: {to: LPS}}]\n")
    return load(path, overrides=overrides, inputs=[tmp_path / "in"], output=tmp_path / "out", **options)


def test_what_can_be_done_passes(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("PatientID,grade\nA,1\n")
    split = "manifest.split={train: 0.8, test: 0.2, stratify: label_grade}"
    check_ready(config(tmp_path, f"manifest.labels={{csv: {tmp_path / 'labels.csv'}}}", split))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("manifest.labels={csv: gone.csv, on: PatientID}", r"^gone\.csv cannot be read"),
        ("manifest.patient_map=gone.csv", r"^gone\.csv cannot be read"),
        ("manifest.split={train: 1, group: label_site}", r"^manifest\.split\.group: label_site is no column"),
    ],
)
def test_a_table_that_is_not_there_is_told_before_anything_is_written(
    tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_ready(config(tmp_path, override))
    assert not (tmp_path / "out").exists()


def test_masks_in_nifti_need_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = "manifest.labels={masks: [{name: gtv, nifti: 'x.nii'}]}"
    asked = config(tmp_path, masks)
    check_ready(asked)
    monkeypatch.setattr("pipeline.config.ready.has_nifti", lambda: False)
    with pytest.raises(UsageError, match=r"pip install 'ctprep\[nifti\]'"):
        check_ready(asked)


def test_statistics_of_the_cohort_must_be_there_unless_they_are_to_be_found(tmp_path: Path) -> None:
    asked = config(tmp_path, path=NNUNET)
    check_ready_to_read(asked)
    with pytest.raises(UsageError, match=r"^steps\.\d: .*ctprep fit"):
        check_ready(asked)


def test_a_missing_root_is_still_told(tmp_path: Path) -> None:
    one = config(tmp_path)
    (tmp_path / "in").rmdir()
    with pytest.raises(UsageError, match="not a folder"):
        check_ready(one)


def test_a_command_that_cannot_be_split_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="on_finish"):
        check_ready(config(tmp_path, "on_finish='mail \"me'"))
