from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from states import finished_in, state_of

from pipeline.errors import DamageError
from pipeline.features.statistics import Histogram
from pipeline.output.database import Database
from pipeline.output.durable import hash_store
from pipeline.output.layout import OutputFolder, name_try_folder
from pipeline.output.state import Finished, OutputState, pack_result, unpack_result
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord, SliceOutcome
from pipeline.vocabulary import FileStatus, Reason, Status

KEY = "0123456789abcdef0123"


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    folder = OutputFolder(tmp_path / "out")
    folder.prepare()
    return folder


@contextmanager
def opened(output: OutputFolder) -> Iterator[OutputState]:
    """Yield the state of an output as a run has it."""
    with Database.open(output.state) as database:
        yield OutputState.open(output, database)


def commit(output: OutputFolder, *several: Finished, folder: str | None = None) -> None:
    with state_of(output) as state:
        for one in several:
            state.commit(one, folder)


def reopen(output: OutputFolder) -> dict[str, Finished]:
    with opened(output) as state:
        return state.finished


def unfinished(output: OutputFolder, content: bytes = b"voxels") -> str:
    """Leave a store as a worker does, and return its hash."""
    folder = output.unfinished_store(KEY)
    folder.mkdir()
    (folder / "zarr.json").write_bytes(content)
    return hash_store(folder)


def finished(sha256: str | None, status: Status = Status.OK) -> Finished:
    outcome = SliceOutcome("/in/1", None, FileStatus.USED, None, 1.5, (0.0, 0.5), 0)
    dropped = SliceOutcome("/in/2", 3, FileStatus.SKIPPED, Reason.LOCALIZER)
    histogram = Histogram(-1000, np.array([3, 0, 2], np.int64))
    record = SeriesRecord(series_key=KEY, status=status, sha256=sha256)
    return Finished(record, "signature", "rules", (outcome, dropped), histogram)


def test_what_is_committed_is_what_is_read(output: OutputFolder) -> None:
    given = finished(unfinished(output))
    commit(output, given)
    with OutputState.read(output) as state:
        assert state.finished[KEY] == replace(given, slices=None, histogram=None)
        assert state.slices_of(KEY) == given.slices
        assert state.histograms()[KEY].counts.tolist() == [3, 0, 2]
    assert output.store(KEY).is_dir()
    assert not output.unfinished_store(KEY).exists()


def test_a_store_whose_record_is_in_the_database_is_adopted_after_a_kill(output: OutputFolder) -> None:
    commit(output, finished(unfinished(output)))
    output.store(KEY).rename(output.unfinished_store(KEY))  # as if killed before the rename
    reopen(output)
    assert output.store(KEY).is_dir()
    assert not output.unfinished_store(KEY).exists()


def test_a_store_that_no_record_names_is_removed_after_a_kill(output: OutputFolder) -> None:
    unfinished(output)
    reopen(output)
    assert list(output.volumes.iterdir()) == []


def test_a_store_that_differs_from_its_record_is_not_adopted(output: OutputFolder) -> None:
    commit(output, finished(unfinished(output)))
    unfinished(output, b"other voxels")
    reopen(output)
    assert (output.store(KEY) / "zarr.json").read_bytes() == b"voxels"


def test_reading_alone_settles_nothing(output: OutputFolder) -> None:
    unfinished(output)
    finished_in(output)
    assert output.unfinished_store(KEY).exists()


def test_a_refused_series_moves_no_store(output: OutputFolder) -> None:
    commit(output, finished(None, Status.REJECTED))
    assert not output.store(KEY).exists()


def test_histograms_are_published_for_series_with_a_store(output: OutputFolder) -> None:
    with opened(output) as state:
        state.commit(finished(unfinished(output)))
        other = replace(finished(None, Status.REJECTED), record=SeriesRecord(series_key="b", status=Status.REJECTED))
        state.commit(other)
        published = state.publish([one.record for one in state.finished.values()], "pseudonym")
        assert {key: found.counts.tolist() for key, found in published.items()} == {KEY: [3, 0, 2]}
    assert [row["series_key"] for row in read_table(output.histograms)] == [KEY]


def test_what_is_forgotten_is_new_and_the_rest_is_whole(output: OutputFolder) -> None:
    with opened(output) as state:
        given = finished(unfinished(output))
        state.commit(given)
        state.commit(replace(given, record=SeriesRecord(series_key="b", status=Status.REJECTED)))
        state.forget(["b", "never there"])
    assert list(finished_in(output)) == [KEY]


def test_of_several_tries_the_one_that_is_in_the_database_is_adopted(output: OutputFolder) -> None:
    given = finished(unfinished(output))
    store = output.unfinished_store(KEY)
    for name in ("0a", "f9"):
        dead = Path(name_try_folder(str(store), name))
        dead.mkdir()
        (dead / "zarr.json").write_bytes(b"other voxels")
    whole = store.rename(name_try_folder(str(store), "7b"))
    commit(output, given, folder=str(whole))
    output.store(KEY).rename(whole)
    assert reopen(output)[KEY].has_store
    assert [path.name for path in output.volumes.iterdir()] == [f"{KEY}.zarr"]
    assert hash_store(output.store(KEY)) == given.record.sha256


def test_a_store_that_somebody_removed_is_missed(output: OutputFolder) -> None:
    commit(output, finished(unfinished(output)))
    output.store(KEY).rename(output.unfinished_store(KEY))
    assert finished_in(output)[KEY].has_store
    (output.unfinished_store(KEY) / "zarr.json").unlink()
    assert not reopen(output)[KEY].has_store
    assert list(output.volumes.iterdir()) == []


def test_how_often_a_series_failed_and_by_which_program_is_kept(output: OutputFolder) -> None:
    given = replace(finished(None, Status.FAILED), stages="reading 1", n_failures=2)
    commit(output, given)
    again = finished_in(output)[KEY]
    assert (again.stages, again.n_failures) == ("reading 1", 2)
    assert again.has_same_terms(given)
    assert not again.has_same_terms(replace(given, rules="other"))


def test_a_changed_bit_in_what_is_known_of_a_series_is_damage(output: OutputFolder) -> None:
    commit(output, finished(None, Status.REJECTED))
    with Database.open(output.state) as database:
        ((entry,),) = database.all("SELECT entry FROM result")
        database.execute("UPDATE result SET entry = ?", (entry[:-6] + bytes([entry[-6] ^ 1]) + entry[-5:],))
    with pytest.raises(DamageError, match=r"state\.sqlite"):
        finished_in(output)


def test_a_result_goes_through_a_bucket(output: OutputFolder) -> None:
    given = finished(unfinished(output))
    back = unpack_result(pack_result(given))
    assert (back.record, back.slices, back.signature) == (given.record, given.slices, given.signature)
    assert back.histogram is not None
    assert back.histogram.counts.tolist() == [3, 0, 2]
