import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from phantoms import Series, write_series

from pipeline.config import Config, load
from pipeline.dicom.headers import read as header
from pipeline.plan.recipe import scan_inputs
from pipeline.run import session as session_room
from pipeline.run.scan import scan_only
from pipeline.run.session import NoListener, Session, open_session
from pipeline.run.unchanged import LastRun
from pipeline.scan.files import FileTable
from pipeline.scan.headers import Reading
from pipeline.scan.series import Scan


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

    monkeypatch.setattr(session_room, "scan_inputs", noting)
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


@pytest.mark.parametrize("spoiled", ["touched", "added", "removed", "table", "configuration"])
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


@contextmanager
def remembering(tmp_path: Path, yaml: str = "steps: []\n") -> Iterator[tuple[Session, LastRun]]:
    """Yield an opened output, and what its last run left."""
    with open_session(config(tmp_path, yaml), NoListener()) as session:
        yield session, LastRun(session)


def keep(session: Session, last: LastRun, *, is_settled: bool = True) -> None:
    """Remember a run over the files that are there."""
    reading = Reading(None, FileTable(session.database))
    last.write(scan_inputs(session.config, session.key, reading), {"exit_code": 0}, is_settled=is_settled)


@pytest.mark.usefixtures("series")
def test_a_run_that_left_nothing_to_do_is_remembered(tmp_path: Path) -> None:
    with remembering(tmp_path) as (session, last):
        keep(session, last)
    with remembering(tmp_path) as (session, last):
        assert last.read(session.list_files()) == {"exit_code": 0}


@pytest.mark.usefixtures("series")
def test_a_file_that_came_while_the_run_went_on_is_no_part_of_what_it_found(tmp_path: Path) -> None:
    with remembering(tmp_path) as (session, last):
        keep(session, last)
        (tmp_path / "in/late").write_text("no DICOM")
        assert last.read(session.list_files()) is None


def test_where_no_file_is_left_nothing_is_as_it_was(tmp_path: Path, series: Series) -> None:
    with remembering(tmp_path) as (session, last):
        keep(session, last)
    for path in series.paths:
        path.unlink()
    with remembering(tmp_path) as (session, last):
        assert last.read(session.list_files()) is None


@pytest.mark.usefixtures("series")
def test_what_may_end_otherwise_the_next_time_is_not_remembered(tmp_path: Path) -> None:
    with remembering(tmp_path) as (session, last):
        keep(session, last)
        keep(session, last, is_settled=False)
        assert last.read(session.list_files()) is None


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("spoiled", ["store", "manifest", "key file", "stage"])
def test_whatever_a_run_follows_from_makes_it_look_again(
    tmp_path: Path, spoiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remembering(tmp_path) as (session, last):
        keep(session, last)
    if spoiled == "store":
        (tmp_path / "out/volumes/another").mkdir()
    elif spoiled == "manifest":
        (tmp_path / "out/manifest.parquet").touch()
    elif spoiled == "key file":
        (tmp_path / "key").write_text("0" * 64)
        (tmp_path / "key").chmod(0o600)
        monkeypatch.setenv("CTPREP_KEY_FILE", str(tmp_path / "key"))
    elif spoiled == "stage":
        monkeypatch.setattr("pipeline.versions.STAGES", {"steps": 2})
    with remembering(tmp_path) as (session, last):
        assert last.read(session.list_files()) is None
