from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from running import Quiet

from pipeline.config import Config, load
from pipeline.errors import LockedError, OutputError, UsageError
from pipeline.run.session import open_session

if TYPE_CHECKING:
    from bucket_server import BucketServer

NNUNET = Path(__file__).parents[2] / "configs" / "nnunet.yaml"


def config(tmp_path: Path, *overrides: str, path: Path | None = None, **options: Any) -> Config:
    (tmp_path / "in").mkdir(exist_ok=True)
    if path is None:
        path = tmp_path / "config.yaml"
        path.write_text("steps: [{orient: {to: LPS}}]\n")
    given = {"inputs": [tmp_path / "in"], "output": tmp_path / "out"} | options
    return load(path, overrides=overrides, **given)


def open_and_close(asked: Config, **options: bool) -> None:
    with open_session(asked, Quiet(), **options):
        pass


def test_what_can_be_done_is_opened(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("PatientID,grade\nA,1\n")
    split = "manifest.split={train: 0.8, test: 0.2, stratify: label_grade}"
    asked = config(tmp_path, f"manifest.labels={{csv: {tmp_path / 'labels.csv'}}}", split)
    with open_session(asked, Quiet()) as session:
        assert session.config == session.asked == asked
        assert [set(table.columns) for table in session.cohort.tables] == [{"label_grade"}]
        assert session.output.key.exists()


def test_a_session_that_does_not_write_leaves_no_trace(tmp_path: Path) -> None:
    open_and_close(config(tmp_path), writes=False)
    assert not (tmp_path / "out").exists()


def test_an_output_is_open_once(tmp_path: Path) -> None:
    with open_session(config(tmp_path), Quiet()), pytest.raises(LockedError):
        open_and_close(config(tmp_path))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("manifest.labels={csv: gone.csv, on: PatientID}", r"^gone\.csv cannot be read"),
        ("manifest.patient_map=gone.csv", r"^gone\.csv cannot be read"),
        ("manifest.split={train: 1, group: label_site}", r"^manifest\.split\.group: label_site is no column"),
        ("on_finish='mail \"me'", "on_finish"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_and_close(config(tmp_path, override))
    assert not (tmp_path / "out").exists()


def test_masks_in_nifti_need_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = config(tmp_path, "manifest.labels={masks: [{name: gtv, nifti: 'x.nii'}]}")
    open_and_close(asked)
    monkeypatch.setattr("pipeline.run.session.has_nifti", lambda: False)
    with pytest.raises(UsageError, match=r"pip install 'ctprep\[nifti\]'"):
        open_and_close(asked)


def test_statistics_of_the_cohort_must_be_there_where_they_are_needed(tmp_path: Path) -> None:
    asked = config(tmp_path, path=NNUNET)
    with pytest.raises(UsageError, match=r"^steps\.\d: .*ctprep fit"):
        open_and_close(asked)
    assert not (tmp_path / "out").exists()
    open_and_close(asked, needs_statistics=False)


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    asked = config(tmp_path)
    (tmp_path / "in").rmdir()
    with pytest.raises(UsageError, match="not a folder"):
        open_and_close(asked)


@pytest.mark.parametrize("name", ["x" * 300, "out/" * 2000])
def test_an_output_name_that_is_too_long_is_an_output_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="too long"):
        open_and_close(config(tmp_path, output=tmp_path / name))


def test_an_output_in_a_bucket_becomes_a_folder_here_and_an_input_is_read_there(
    server: "BucketServer", tmp_path: Path
) -> None:
    server.opened("in").put("a/1.dcm", b"1")
    asked = config(tmp_path, inputs=[server.url("in"), tmp_path / "in"], output=server.url("out"))
    with open_session(asked, Quiet()) as session:
        assert session.config.input.roots == asked.input.roots
        assert Path(session.config.output.folder) == session.output.root
        assert session.asked == asked
