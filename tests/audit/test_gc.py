import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from phantoms import write_series
from running import ORIENTED, Quiet, bytes_of_stores, carry_out
from states import finished_in, state_of

from pipeline.audit.gc import GarbageKind, collect_garbage, unseen_roots
from pipeline.audit.verify import MismatchKind, verify
from pipeline.config import load
from pipeline.errors import LockedError, OutputError, UsageError
from pipeline.output.columns import INDEX_COLUMNS
from pipeline.output.database import Database
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.manifest import read_records
from pipeline.output.state import OutputState
from pipeline.output.tables import write_table
from pipeline.record import map_types
from pipeline.run.run import Outcome, run

pytestmark = pytest.mark.usefixtures("in_this_process")

BARE = ORIENTED + "report: {enabled: false}\n"


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """Run over two patients, and again when the files of one are gone."""
    for number in range(2):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    first = carry_out(tmp_path, tmp_path / "in", BARE)
    (tmp_path / "in" / "p0").rename(tmp_path / "elsewhere")
    assert len(carry_out(tmp_path, tmp_path / "in", BARE).records) == len(first.records) == 2
    return first


def test_a_series_whose_files_are_gone_is_listed_and_nothing_is_changed(outcome: Outcome) -> None:
    before = bytes_of_stores(outcome), outcome.output.manifest.read_bytes(), finished_in(outcome.output)
    (garbage,) = collect_garbage(outcome.output)
    assert garbage.kind is GarbageKind.GONE
    assert garbage.folder == outcome.output.store(garbage.name)
    assert garbage.n_bytes == next(r.store_bytes for r in outcome.records if r.series_key == garbage.name)
    assert (
        bytes_of_stores(outcome),
        outcome.output.manifest.read_bytes(),
        finished_in(outcome.output),
    ) == before


def test_what_is_gone_is_removed_with_its_rows_and_the_rest_is_as_it_was(outcome: Outcome, tmp_path: Path) -> None:
    output = outcome.output
    records = {record.series_key: record for record in read_records(output)}
    (garbage,) = collect_garbage(output, delete=True)
    del records[garbage.name]
    assert {record.series_key: record for record in read_records(output)} == records
    with OutputState.read(output) as state:
        assert set(state.finished) == set(state.histograms()) == set(records)
    assert [path.name for path in output.volumes.iterdir()] == [f"{key}.zarr" for key in records]
    assert verify(output) == []
    assert collect_garbage(output) == []
    stores = bytes_of_stores(outcome)
    carry_out(tmp_path, tmp_path / "in", BARE)
    assert bytes_of_stores(outcome) == stores


def test_a_series_that_comes_back_is_prepared_again(outcome: Outcome, tmp_path: Path) -> None:
    before = bytes_of_stores(outcome)
    collect_garbage(outcome.output, delete=True)
    (tmp_path / "elsewhere").rename(tmp_path / "in" / "p0")
    again = carry_out(tmp_path, tmp_path / "in", BARE)
    assert bytes_of_stores(again) == before


def test_identifiers_that_are_kept_stay_in_the_manifest(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_series(tmp_path / "in" / name, patient_id=name)
    kept = BARE + "manifest: {identifiers: keep, tags: [PatientID]}\n"
    output = carry_out(tmp_path, tmp_path / "in", kept).output
    shutil.rmtree(tmp_path / "in" / "one")
    carry_out(tmp_path, tmp_path / "in", kept)
    collect_garbage(output, delete=True)
    header, row = output.manifest_csv.read_text().splitlines()
    assert "PatientID" in header.split(",")
    assert "other" in row.split(",")


def test_an_empty_scan_calls_nothing_gone(outcome: Outcome) -> None:
    write_table(outcome.output.index, map_types(INDEX_COLUMNS), [], private=True)
    assert collect_garbage(outcome.output) == []


def test_while_one_of_two_roots_held_no_file_nothing_is_called_gone(tmp_path: Path) -> None:
    here, share = roots = tmp_path / "here", tmp_path / "share"
    for root in roots:
        write_series(root / "series", patient_id=root.name)
    output = _carried_out(tmp_path, *roots)
    share.rename(tmp_path / "unmounted")
    share.mkdir()
    _carried_out(tmp_path, *roots)
    assert collect_garbage(output, delete=True) == []
    assert unseen_roots(output) == [str(share)]
    assert len(read_records(output)) == len(list(output.volumes.iterdir())) == 2
    _carried_out(tmp_path, here)  # the share is no input any more
    assert [garbage.kind for garbage in collect_garbage(output)] == [GarbageKind.GONE]
    assert unseen_roots(output) == []


def _carried_out(tmp_path: Path, *roots: Path) -> OutputFolder:
    (tmp_path / "c.yaml").write_text(BARE)
    return run(load(tmp_path / "c.yaml", inputs=roots, output=tmp_path / "out"), Quiet()).output


def test_stores_that_no_record_names_and_what_a_kill_left_are_removed(outcome: Outcome) -> None:
    output = outcome.output
    collect_garbage(output, delete=True)
    key = read_records(output)[0].series_key
    shutil.copytree(output.store(key), output.volumes / "copy.zarr")
    shutil.copytree(output.store(key), output.unfinished_store("0" * 20))
    (output.volumes / "link.zarr").symlink_to(output.root)
    found = {garbage.name: garbage.kind for garbage in collect_garbage(output, delete=True)}
    assert found == {
        "copy.zarr": GarbageKind.UNNAMED,
        "link.zarr": GarbageKind.UNNAMED,
        f".{'0' * 20}.unfinished": GarbageKind.UNFINISHED,
    }
    assert [path.name for path in output.volumes.iterdir()] == [f"{key}.zarr"]
    assert output.manifest.exists()
    assert verify(output) == []


def test_an_unfinished_store_that_the_next_run_adopts_is_kept(outcome: Outcome) -> None:
    output = outcome.output
    collect_garbage(output, delete=True)
    key = read_records(output)[0].series_key
    output.store(key).rename(output.unfinished_store(key))
    assert collect_garbage(output, delete=True) == []
    with Database.open(output.state) as database:
        OutputState.open(output, database)
    assert verify(output) == []


def test_the_store_of_a_series_that_is_refused_now_is_removed(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in" / "one", n=4)
    output = carry_out(tmp_path, tmp_path / "in", BARE).output
    for path in series.paths[:2]:
        path.unlink()
    carry_out(tmp_path, tmp_path / "in", BARE)
    assert [mismatch.kind for mismatch in verify(output)] == [MismatchKind.LEFTOVER]
    assert [garbage.kind for garbage in collect_garbage(output, delete=True)] == [GarbageKind.LEFTOVER]
    assert [record.reason for record in read_records(output)] == ["TOO_FEW_SLICES"]
    assert verify(output) == []


def test_a_row_without_a_store_goes_too(outcome: Outcome) -> None:
    output = outcome.output
    collect_garbage(output, delete=True)
    before = finished_in(output)
    (known,) = before.values()
    with state_of(output) as state:
        state.table.write([replace(known, record=replace(known.record, series_key="f" * 20))])
    (garbage,) = collect_garbage(output, delete=True)
    assert (garbage.kind, garbage.name, garbage.folder) == (GarbageKind.GONE, "f" * 20, None)
    assert finished_in(output) == before


def test_nothing_is_looked_at_while_a_run_holds_the_output(outcome: Outcome) -> None:
    with run_lock(outcome.output), pytest.raises(LockedError):
        collect_garbage(outcome.output)


def test_a_folder_that_is_no_output_is_reported_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no manifest\.parquet"):
        collect_garbage(OutputFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_to_remove_is_reported(outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pipeline.audit.gc.shutil.rmtree", refuse)
    with pytest.raises(OutputError, match="cannot remove volumes/"):
        collect_garbage(outcome.output, delete=True)
