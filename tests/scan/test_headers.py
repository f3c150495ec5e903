import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from phantoms import Series, write_series
from running import InThisProcess

from pipeline.cluster.jobs import JobFailure
from pipeline.dicom.headers import read as header_room
from pipeline.dicom.headers.batch import Terms
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.errors import DamageError
from pipeline.limits import Limits
from pipeline.output.database import Database
from pipeline.scan import headers
from pipeline.scan.census import Census
from pipeline.scan.files import FileCounts, FileTable
from pipeline.scan.headers import Reading
from pipeline.scan.scan import Library
from pipeline.scan.summary import Rules
from pipeline.sources.files import FoundFile
from pipeline.sources.folders import InputOptions, find_files
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


Read = tuple[list[SliceHeader], Census]


def list_files(tmp_path: Path) -> Iterator[FoundFile]:
    return find_files(InputOptions((str(tmp_path / "in"),)))


def read(tmp_path: Path, terms: Terms = TERMS, dispatcher: Any = None) -> Read:
    """Return the slices and the census of all files, as the database of ``tmp_path`` helps to read them."""
    with Database.open(tmp_path / "state.sqlite") as database:
        return read_with(Reading(dispatcher, FileTable(database)), list_files(tmp_path), terms)


def read_with(reading: Reading, files: Iterable[FoundFile], terms: Terms = TERMS) -> Read:
    reading.table.update(files)
    reading.read(terms)
    found = [header for name in reading.table.list_series() for header in reading.slices_of(name)]
    library = Library(Reading(table=reading.table), Rules(Policy()))
    library.summarise_series()
    return [*found, *reading.slices_of_none()], library.count_elements()


def test_unchanged_files_are_not_opened_again(tmp_path: Path, series: Series, opened: list[str]) -> None:
    first = read(tmp_path)
    assert len(opened) == len(series.paths)
    assert read(tmp_path) == first
    assert len(opened) == len(series.paths)
    assert first[1].n_files == len(series.paths)


def test_only_a_changed_a_new_and_no_vanished_file_is_read(tmp_path: Path, series: Series, opened: list[str]) -> None:
    read(tmp_path)
    opened.clear()
    changed, moved, gone = series.paths[:3]
    os.utime(changed, ns=(1, 1))
    new = moved.rename(moved.with_name("new.dcm"))
    gone.unlink()
    again = read(tmp_path)
    assert sorted(opened) == sorted(map(str, (changed, new)))
    assert [one.file.path for one in again[0]] == sorted(str(path) for path in (tmp_path / "in").iterdir())
    assert again == read_with(Reading(), list_files(tmp_path))
    opened.clear()
    assert read(tmp_path) == again
    assert opened == []


def test_a_look_counts_what_is_new_other_and_gone(tmp_path: Path, series: Series) -> None:
    reading = Reading()
    assert reading.table.update(list_files(tmp_path)) == FileCounts(12, 12)
    assert reading.table.update(list_files(tmp_path)) == FileCounts(12, 0)
    os.utime(series.paths[0], ns=(1, 1))
    series.paths[1].unlink()
    assert reading.table.update(list_files(tmp_path)) == FileCounts(11, 2)
    assert reading.table.update([]) == FileCounts(0, 0)
    assert reading.table.update(list_files(tmp_path)) == FileCounts(11, 0)


def test_a_folder_that_is_gone_is_forgotten(tmp_path: Path, series: Series) -> None:
    moved = series.folder / "moved"
    moved.mkdir()
    for path in series.paths[:4]:
        path.rename(moved / path.name)
    reading = Reading()
    read_with(reading, list_files(tmp_path))
    shutil.rmtree(moved)
    slices, census = read_with(reading, list_files(tmp_path))
    assert (len(slices), census.n_files) == (8, 8)


def test_names_that_are_no_utf_8_are_known_again(tmp_path: Path, series: Series, opened: list[str]) -> None:
    os.rename(os.fsencode(series.paths[0]), os.fsencode(series.folder) + b"/\xe4\xf6.dcm")  # noqa: PTH104  bytes
    first = read(tmp_path)
    opened.clear()
    assert read(tmp_path) == first
    assert opened == []


def test_other_terms_read_anew(tmp_path: Path, series: Series, opened: list[str]) -> None:
    read(tmp_path)
    slices, _ = read(tmp_path, Terms(Limits(), frozenset({"Rows"})))
    assert len(opened) == 2 * len(series.paths)
    assert slices[0].elements == {"Rows": 32}


@pytest.mark.usefixtures("series")
def test_headers_of_which_a_bit_changed_are_damage(tmp_path: Path) -> None:
    read(tmp_path)
    with Database.open(tmp_path / "state.sqlite") as database:
        ((headers,),) = database.all("SELECT headers FROM part")
        database.execute("UPDATE part SET headers = ?", (headers[:-9] + bytes([headers[-9] ^ 1]) + headers[-8:],))
    with pytest.raises(DamageError, match=r"state\.sqlite"):
        read(tmp_path)


def test_what_the_system_refused_is_tried_again(
    tmp_path: Path, series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(header_room, "read_data_set", refuses)
        assert {one.refusal and one.refusal[0] for one in read(tmp_path)[0]} == {Reason.UNREADABLE}
    assert {one.refusal for one in read(tmp_path)[0]} == {None}
    assert len(series.paths) == 12


@pytest.mark.parametrize("reason", Reason)
def test_only_files_that_were_read_stay_read(tmp_path: Path, reason: Reason) -> None:
    found = FoundFile(str(tmp_path / "absent"), 1, 1, (reason, "refused"))
    reading = Reading()
    read_with(reading, [found])
    reading.table.use_terms(reading.table.database.fact("header terms") or "")
    assert reading.table.count_unread() == (reason in {"UNREADABLE", "UNSTABLE"})


@pytest.mark.usefixtures("series")
def test_a_file_that_ends_its_process_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = read_with(Reading(), list_files(tmp_path))

    class Losing(InThisProcess):
        def run(self, task: Any, jobs: Any, n_jobs: int | None = None) -> Iterator[tuple[Any, Any]]:
            for job, result in super().run(task, jobs, n_jobs):
                is_lost = any(file.found.path.endswith("IM0003.dcm") for file in job[0])
                yield job, JobFailure(Reason.WORKER_LOST, "killed by signal 9") if is_lost else result

    monkeypatch.setattr(headers, "BATCH_FILES", 5)
    found, _ = read(tmp_path, dispatcher=Losing())
    assert [one.refusal for one in found if one.refusal] == [
        (Reason.UNREADABLE, "reading it ended its process: killed by signal 9")
    ]
    readable = [one for one in expected if not one.file.path.endswith("IM0003.dcm")]
    assert [one for one in found if not one.refusal] == readable
    assert read(tmp_path)[0] == expected


@pytest.mark.parametrize("n_rewrites", [10, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_slice_rewritten_in_place_within_one_tick_of_the_clock_is_read_again(
    tmp_path: Path, series: Series, n_rewrites: int
) -> None:
    path, reading = min(series.paths), Reading()
    before = path.read_bytes()
    after = before.replace(b"120", b"140")
    assert after != before
    missed = 0
    for number in range(n_rewrites):
        path.write_bytes(after if number % 2 else before)
        read_with(reading, list_files(tmp_path))
        there = path.stat()
        path.write_bytes(before if number % 2 else after)
        os.utime(path, ns=(there.st_atime_ns, there.st_mtime_ns))
        slices, _ = read_with(reading, list_files(tmp_path))
        missed += slices[0].elements["KVP"] != (120 if number % 2 else 140)
    assert missed == 0
