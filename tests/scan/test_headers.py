import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from phantoms import Series, write_series
from running import InThisProcess

from pipeline.cluster.jobs import JobFailure
from pipeline.dicom.headers import read as header_room
from pipeline.dicom.headers.batch import Terms
from pipeline.limits import Limits
from pipeline.scan import headers
from pipeline.scan.headers import Headers, Reading
from pipeline.sources.folders import FoundFile, InputOptions, find_files
from pipeline.vocabulary import Reason

TERMS = Terms(Limits(), frozenset({"KVP"}))


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep the names of the files that are opened."""
    names: list[str] = []
    read = header_room.read_data_set
    monkeypatch.setattr(
        header_room, "read_data_set", lambda file, limits: names.append(file.path) or read(file, limits)
    )
    return names


def read(tmp_path: Path, terms: Terms = TERMS) -> Headers:
    reading = Reading(None, tmp_path / "scan")
    return reading.headers_of(find_files(InputOptions((str(tmp_path / "in"),))), terms)


def test_unchanged_files_are_not_opened_again(tmp_path: Path, series: Series, opened: list[str]) -> None:
    first = read(tmp_path)
    assert len(opened) == len(series.paths)
    assert read(tmp_path) == first
    assert len(opened) == len(series.paths)
    assert first.census.n_files == len(series.paths)


def test_only_a_changed_a_new_and_no_vanished_file_is_read(tmp_path: Path, series: Series, opened: list[str]) -> None:
    read(tmp_path)
    opened.clear()
    changed, moved, gone = series.paths[:3]
    os.utime(changed, ns=(1, 1))
    new = moved.rename(moved.with_name("new.dcm"))
    gone.unlink()
    again = read(tmp_path)
    assert sorted(opened) == sorted(map(str, (changed, new)))
    assert [one.file.path for one in again.slices] == sorted(str(path) for path in (tmp_path / "in").iterdir())
    assert again == Reading().headers_of(find_files(InputOptions((str(tmp_path / "in"),))), TERMS)
    opened.clear()
    assert read(tmp_path) == again
    assert opened == []


def test_other_terms_read_anew(tmp_path: Path, series: Series, opened: list[str]) -> None:
    read(tmp_path)
    other = read(tmp_path, Terms(Limits(), frozenset({"Rows"})))
    assert len(opened) == 2 * len(series.paths)
    assert other.slices[0].elements == {"Rows": 32}


@pytest.mark.usefixtures("series")
def test_a_damaged_cache_is_as_none(tmp_path: Path) -> None:
    first = read(tmp_path)
    for path in (tmp_path / "scan").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    assert read(tmp_path) == first


@pytest.mark.usefixtures("series")
def test_the_cache_is_its_owners_alone(tmp_path: Path) -> None:
    read(tmp_path)
    (path,) = (tmp_path / "scan").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_the_system_refused_is_tried_again(
    tmp_path: Path, series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(header_room, "read_data_set", refuses)
        assert {one.refusal and one.refusal[0] for one in read(tmp_path).slices} == {Reason.UNREADABLE}
    assert {one.refusal for one in read(tmp_path).slices} == {None}
    assert len(series.paths) == 12


@pytest.mark.parametrize("reason", Reason)
def test_only_files_that_were_read_are_kept(tmp_path: Path, reason: Reason) -> None:
    found = FoundFile(str(tmp_path / "absent"), 1, 1, (reason, "refused"))
    Reading(None, tmp_path / "scan").headers_of([found], TERMS)
    assert (tmp_path / "scan").is_dir() is (reason not in {"UNREADABLE", "UNSTABLE"})


@pytest.mark.usefixtures("series")
def test_a_file_that_ends_its_process_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Reading().headers_of(find_files(InputOptions((str(tmp_path / "in"),))), TERMS)

    class Losing(InThisProcess):
        def run(self, task: Any, jobs: Any, n_jobs: int | None = None) -> Iterator[tuple[Any, Any]]:
            for job, result in super().run(task, jobs, n_jobs):
                is_lost = any(file.path.endswith("IM0003.dcm") for file in job[0])
                yield job, JobFailure(Reason.WORKER_LOST, "killed by signal 9") if is_lost else result

    monkeypatch.setattr(headers, "BATCH_FILES", 5)
    reading = Reading(Losing(), tmp_path / "scan")  # type: ignore[arg-type]
    found = reading.headers_of(find_files(InputOptions((str(tmp_path / "in"),))), TERMS)
    assert [one.refusal for one in found.slices if one.refusal] == [
        (Reason.UNREADABLE, "reading it ended its process: killed by signal 9")
    ]
    readable = [one for one in expected.slices if not one.file.path.endswith("IM0003.dcm")]
    assert [one for one in found.slices if not one.refusal] == readable
    again = Reading(None, tmp_path / "scan").headers_of(find_files(InputOptions((str(tmp_path / "in"),))), TERMS)
    assert again == expected
