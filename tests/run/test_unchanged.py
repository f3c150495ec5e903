import os
from pathlib import Path
from typing import Any

import pytest
from phantoms import Series, write_series

from pipeline.config import Config, load
from pipeline.dicom.headers import read as header
from pipeline.output.layout import OutputFolder
from pipeline.plan.recipe import scan_inputs
from pipeline.privacy import PseudonymKey
from pipeline.run import session
from pipeline.run.scan import scan_only
from pipeline.run.unchanged import LastRun
from pipeline.scan.series import Scan
from pipeline.sources.folders import FoundFile, find_files


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Keep a note of each scan that is done in full."""
    notes: list[object] = []

    def noting(*words: Any, **options: Any) -> Scan:
        notes.append(words)
        return scan_inputs(*words, **options)

    monkeypatch.setattr(session, "scan_inputs", noting)
    return notes


def config(tmp_path: Path, yaml: str = "steps: []\n") -> Config:
    (tmp_path / "config.yaml").write_text(yaml)
    return load(tmp_path / "config.yaml", inputs=[tmp_path / "in"], output=tmp_path / "out")


@pytest.mark.usefixtures("series")
def test_a_scan_of_what_is_unchanged_writes_nothing(tmp_path: Path, scans: list[object]) -> None:
    first = scan_only(config(tmp_path))
    tables = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    assert scan_only(config(tmp_path)) == first
    assert len(scans) == 1
    assert {path: path.stat().st_mtime_ns for path in tables} == tables


@pytest.mark.parametrize("spoiled", ["touched", "added", "removed", "table", "configuration", "mark"])
def test_whatever_changed_is_scanned_again(tmp_path: Path, series: Series, scans: list[object], spoiled: str) -> None:
    scan_only(config(tmp_path))
    if spoiled == "touched":
        os.utime(series.paths[0], ns=(1, 1))
    elif spoiled == "added":
        (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    elif spoiled == "removed":
        series.paths[0].unlink()
    elif spoiled == "table":
        (tmp_path / "out/tags.parquet").unlink()
    elif spoiled == "mark":
        (tmp_path / "out/private/scan/last.json").write_text("{")
    scan_only(config(tmp_path, "steps: []\nselect: {min_slices: 4}\n" if spoiled == "configuration" else "steps: []\n"))
    assert len(scans) == 2


@pytest.mark.usefixtures("series", "in_this_process")
def test_a_file_that_may_yet_be_read_is_tried_again(
    tmp_path: Path, scans: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(header, "read_data_set", refuses)
    for _ in range(2):
        scan_only(config(tmp_path))
    assert len(scans) == 2


def files(tmp_path: Path) -> list[FoundFile]:
    return list(find_files(config(tmp_path).input))


def kept(tmp_path: Path) -> LastRun:
    """Return what a run over three files remembers."""
    write_series(tmp_path / "in", n=3)
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    last = LastRun(config(tmp_path), output)
    last.write(scan_inputs(config(tmp_path), PseudonymKey()), {"exit_code": 0})
    return last


def test_a_run_that_left_nothing_to_do_is_remembered(tmp_path: Path) -> None:
    assert kept(tmp_path).read(files(tmp_path)) == {"exit_code": 0}


def test_a_file_that_came_while_the_run_went_on_is_no_part_of_what_it_found(tmp_path: Path) -> None:
    write_series(tmp_path / "in", n=3)
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    found = scan_inputs(config(tmp_path), PseudonymKey())
    (tmp_path / "in/late").write_text("no DICOM")
    last = LastRun(config(tmp_path), output)
    last.write(found, {"exit_code": 0})
    assert last.read(files(tmp_path)) is None


def test_what_may_end_otherwise_the_next_time_is_not_remembered(tmp_path: Path) -> None:
    last = kept(tmp_path)
    last.write(scan_inputs(config(tmp_path), PseudonymKey()), {"exit_code": 4}, is_settled=False)
    assert last.read(files(tmp_path)) is None


@pytest.mark.parametrize("spoiled", ["store", "manifest", "key file", "stage"])
def test_whatever_a_run_follows_from_makes_it_look_again(
    tmp_path: Path, spoiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path)
    if spoiled == "store":
        (tmp_path / "out/volumes/another").mkdir()
    elif spoiled == "manifest":
        (tmp_path / "out/manifest.parquet").touch()
    elif spoiled == "key file":
        monkeypatch.setenv("CTPREP_KEY_FILE", str(tmp_path / "key"))
    elif spoiled == "stage":
        monkeypatch.setattr("pipeline.versions.STAGES", {"steps": 2})
    assert LastRun(config(tmp_path), OutputFolder(tmp_path / "out")).read(files(tmp_path)) is None
