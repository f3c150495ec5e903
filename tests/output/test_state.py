from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.features.statistics import Histogram
from pipeline.output.durable import hash_store
from pipeline.output.layout import OutputFolder, name_try_folder
from pipeline.output.state import Finished, OutputState
from pipeline.output.tables import write_table
from pipeline.record import SeriesRecord, SliceOutcome
from pipeline.vocabulary import FileStatus, Reason, Status

KEY = "0123456789abcdef0123"


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    folder = OutputFolder(tmp_path / "out")
    folder.prepare()
    return folder


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


def same(one: Finished, other: Finished) -> bool:
    assert one.histogram is not None
    assert other.histogram is not None
    np.testing.assert_array_equal(one.histogram.counts, other.histogram.counts)
    return (one.record, one.signature, one.rules, one.slices) == (
        other.record, other.signature, other.rules, other.slices,
    )  # fmt: skip


def test_what_is_committed_is_what_is_read(output: OutputFolder) -> None:
    told = finished(unfinished(output))
    OutputState(output).commit(told)
    assert same(OutputState.read(output).finished[KEY], told)
    assert output.store(KEY).is_dir()
    assert not output.unfinished_store(KEY).exists()


def test_a_store_whose_record_is_in_the_journal_is_adopted_after_a_kill(output: OutputFolder) -> None:
    OutputState(output).commit(finished(unfinished(output)))
    output.store(KEY).rename(output.unfinished_store(KEY))  # as if killed before the rename
    OutputState.open(output)
    assert output.store(KEY).is_dir()
    assert not output.unfinished_store(KEY).exists()


def test_a_store_that_no_record_names_is_removed_after_a_kill(output: OutputFolder) -> None:
    unfinished(output)
    OutputState.open(output)
    assert list(output.volumes.iterdir()) == []


def test_a_store_that_differs_from_its_record_is_not_adopted(output: OutputFolder) -> None:
    OutputState(output).commit(finished(unfinished(output)))
    unfinished(output, b"other voxels")
    OutputState.open(output)
    assert (output.store(KEY) / "zarr.json").read_bytes() == b"voxels"


def test_reading_alone_settles_nothing(output: OutputFolder) -> None:
    unfinished(output)
    OutputState.read(output)
    assert output.unfinished_store(KEY).exists()


def test_a_refused_series_moves_no_store(output: OutputFolder) -> None:
    OutputState(output).commit(finished(None, Status.REJECTED))
    assert not output.store(KEY).exists()


def test_histograms_outlive_the_compacted_journal(output: OutputFolder) -> None:
    state = OutputState(output)
    state.commit(finished(unfinished(output)))
    state.publish([state.finished[KEY].record], "pseudonym")
    state.compact([KEY])
    again = OutputState.open(output)
    assert again.finished[KEY].slices is None
    assert again.histograms()[KEY].counts.tolist() == [3, 0, 2]


def test_what_is_forgotten_is_out_of_the_journal_and_the_rest_is_whole(output: OutputFolder) -> None:
    state = OutputState(output)
    told = finished(unfinished(output))
    state.commit(told)
    state.commit(replace(finished(None, Status.REJECTED), record=SeriesRecord(series_key="b", status=Status.REJECTED)))
    state.forget(["b", "never there"])
    again = OutputState.read(output)
    assert list(again.finished) == [KEY]
    assert same(again.finished[KEY], told)


def test_of_several_tries_the_one_that_is_in_the_journal_is_adopted(output: OutputFolder) -> None:
    told = finished(unfinished(output))
    store = output.unfinished_store(KEY)
    for name in ("0a", "f9"):
        dead = Path(name_try_folder(str(store), name))
        dead.mkdir()
        (dead / "zarr.json").write_bytes(b"other voxels")
    whole = store.rename(name_try_folder(str(store), "7b"))
    OutputState(output).commit(told, str(whole))
    output.store(KEY).rename(whole)
    assert OutputState.open(output).finished[KEY].has_store
    assert [path.name for path in output.volumes.iterdir()] == [f"{KEY}.zarr"]
    assert hash_store(output.store(KEY)) == told.record.sha256


def test_a_store_that_somebody_removed_is_missed(output: OutputFolder) -> None:
    OutputState(output).commit(finished(unfinished(output)))
    output.store(KEY).rename(output.unfinished_store(KEY))
    assert OutputState.read(output).finished[KEY].has_store
    (output.unfinished_store(KEY) / "zarr.json").unlink()
    assert not OutputState.open(output).finished[KEY].has_store
    assert list(output.volumes.iterdir()) == []


@pytest.mark.parametrize("name", ["files", "slices", "histograms"])
def test_a_series_whose_rows_somebody_removed_or_cut_is_missed_as_long_as_the_journal_has_them_not(
    output: OutputFolder, name: str
) -> None:
    state = OutputState(output)
    state.commit(finished(unfinished(output)))
    for table in (output.files, output.slices, output.histograms):
        write_table(table, {"series_key": "text"}, [])
    spoilt: Path = getattr(output, name)
    spoilt.write_bytes(spoilt.read_bytes()[:-9])
    assert OutputState.read(output).finished[KEY].has_rows
    state.compact([KEY])
    assert not OutputState.read(output).finished[KEY].has_rows
    assert spoilt.exists()
    assert not OutputState.open(output).finished[KEY].has_rows
    assert not spoilt.exists()


def test_how_often_a_series_failed_and_by_which_program_outlives_the_compacted_journal(output: OutputFolder) -> None:
    state = OutputState(output)
    told = replace(finished(None, Status.FAILED), stages="reading 1", n_failures=2)
    state.commit(told)
    state.compact([KEY])
    again = OutputState.read(output).finished[KEY]
    assert (again.stages, again.n_failures) == ("reading 1", 2)
    assert again.has_same_terms(told)
    assert not again.has_same_terms(replace(told, rules="other"))
