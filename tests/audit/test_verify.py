import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import InThisProcess
from states import state_of
from stores import StoreContent, write_store

from pipeline.audit.verify import Mismatch, MismatchKind, verify
from pipeline.cluster.jobs import JobFailure
from pipeline.errors import DamageError, LockedError, UsageError
from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.manifest import publish, read_records
from pipeline.output.state import Finished
from pipeline.record import SeriesRecord
from pipeline.store.layout import StoreOptions
from pipeline.vocabulary import Reason, Status

KEYS = ("aa", "bb", "cc")
OPTIONS = StoreOptions(chunks=(4, 8, 8), shards=None)

pytestmark = pytest.mark.usefixtures("in_this_process")


def _record(output: OutputFolder, key: str) -> SeriesRecord:
    content = StoreContent(
        array=np.random.default_rng(int(key, 16)).integers(0, 9, (8, 8, 8)).astype("int16"),
        valid=np.ones((8, 8, 8), bool),
        geometry=Geometry(Zyx(8, 8, 8), Zyx(1.0, 1.0, 1.0), Xyz(0.0, 0.0, 0.0), LPS_AXES),
        attributes={"series_key": key},
    )
    receipt = write_store(output.store(key), content, OPTIONS)
    return SeriesRecord(series_key=key, status=Status.OK, store_bytes=receipt.n_bytes, sha256=receipt.sha256)


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    refused = SeriesRecord(series_key="dd", status=Status.REJECTED, reason=Reason.SLICE_GAP)
    publish(output, [*(_record(output, key) for key in KEYS), refused])
    return output


def _kinds(found: list[Mismatch]) -> list[tuple[MismatchKind, str]]:
    return [(mismatch.kind, mismatch.series_key) for mismatch in found]


@pytest.mark.parametrize("fast", [True, False])
def test_an_untouched_output_is_whole(output: OutputFolder, *, fast: bool) -> None:
    output.unfinished_store("dd").mkdir()
    assert verify(output, fast=fast) == []


def test_a_flipped_bit_is_found_by_reading(output: OutputFolder) -> None:
    chunk = output.store("bb") / "0" / "c" / "1" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    assert _kinds(verify(output)) == [(MismatchKind.CHANGED, "bb")]
    assert verify(output, fast=True) == []


@pytest.mark.parametrize("fast", [True, False])
def test_a_deleted_chunk_is_found(output: OutputFolder, *, fast: bool) -> None:
    (output.store("bb") / "0" / "c" / "1" / "0" / "0").unlink()
    assert _kinds(verify(output, fast=fast)) == [(MismatchKind.CHANGED, "bb")]


def test_two_swapped_chunks_are_found(output: OutputFolder) -> None:
    first, second, aside = (output.store("bb") / "0" / "c" / name for name in ("0", "1", "aside"))
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    assert _kinds(verify(output)) == [(MismatchKind.CHANGED, "bb")]


@pytest.mark.parametrize("fast", [True, False])
def test_a_file_too_many_is_found(output: OutputFolder, *, fast: bool) -> None:
    (output.store("bb") / "note").write_text("mine")
    assert _kinds(verify(output, fast=fast)) == [(MismatchKind.CHANGED, "bb")]


def test_a_link_to_nowhere_in_a_store_is_found(output: OutputFolder) -> None:
    (output.store("bb") / "link").symlink_to("nowhere")
    assert verify(output) == [
        Mismatch(MismatchKind.CHANGED, "bb", "the store cannot be read: No such file or directory"),
    ]


@pytest.mark.parametrize("fast", [True, False])
def test_a_removed_store_is_missing(output: OutputFolder, *, fast: bool) -> None:
    shutil.rmtree(output.store("cc"))
    assert _kinds(verify(output, fast=fast)) == [(MismatchKind.MISSING, "cc")]


@pytest.mark.parametrize("fast", [True, False])
def test_what_no_series_has_is_extra(output: OutputFolder, *, fast: bool) -> None:
    shutil.copytree(output.store("aa"), output.store("ff"))
    shutil.copytree(output.store("aa"), output.volumes / "aa")
    (output.volumes / "note").write_text("mine")
    extra = [(MismatchKind.EXTRA, name) for name in ("aa", "ff", "note")]
    assert _kinds(verify(output, fast=fast)) == extra


@pytest.mark.parametrize("fast", [True, False])
def test_the_store_of_a_series_that_was_refused_since_is_left_over_and_no_damage(
    output: OutputFolder, *, fast: bool
) -> None:
    shutil.copytree(output.store("aa"), output.store("dd"))
    (left,) = verify(output, fast=fast)
    assert (left.kind, left.series_key, left.kind.is_damage) == (MismatchKind.LEFTOVER, "dd", False)


@pytest.mark.parametrize("fast", [True, False])
def test_what_a_stopped_run_did_not_publish_is_no_damage(output: OutputFolder, *, fast: bool) -> None:
    """One store of a new series, one made anew, one in the database that has not got its name yet."""
    shutil.rmtree(output.store("bb"))
    new, anew = _record(output, "ee"), replace(_record(output, "abb"), series_key="bb")
    output.store("abb").rename(output.store("bb"))
    unnamed = next(record for record in read_records(output) if record.series_key == "cc")
    with state_of(output) as state:
        for record in (new, anew, unnamed):
            output.store(record.series_key).rename(output.unfinished_store(record.series_key))
            state.commit(Finished(record, "", ""))
    output.store("cc").rename(output.unfinished_store("cc"))
    found = verify(output, fast=fast)
    assert {mismatch.series_key for mismatch in found if mismatch.kind is MismatchKind.UNPUBLISHED} >= {"cc", "ee"}
    assert not [mismatch for mismatch in found if mismatch.kind.is_damage]


def test_two_stores_that_changed_places_are_swapped(output: OutputFolder) -> None:
    aside = output.volumes / "aside"
    output.store("aa").rename(aside)
    output.store("bb").rename(output.store("aa"))
    aside.rename(output.store("bb"))
    assert verify(output) == [
        Mismatch(MismatchKind.SWAPPED, "aa", "the store is that of series bb"),
        Mismatch(MismatchKind.SWAPPED, "bb", "the store is that of series aa"),
    ]


def test_a_size_that_the_manifest_does_not_say_is_found_even_if_the_bytes_are_right(output: OutputFolder) -> None:
    record = replace(_record(output, "ee"), store_bytes=1)
    shutil.rmtree(output.volumes / "aa.zarr")
    publish(output, [record])
    assert (MismatchKind.CHANGED, "ee") in _kinds(verify(output))


def test_verifying_changes_nothing(output: OutputFolder) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in output.root.rglob("*") if path.is_file()}

    shutil.rmtree(output.store("cc"))
    before = everything()
    verify(output)
    assert everything() == before


def test_a_folder_without_manifest_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        verify(OutputFolder(tmp_path))


def test_a_truncated_store_is_found(output: OutputFolder) -> None:
    chunk = output.store("bb") / "0" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    for fast in (True, False):
        assert _kinds(verify(output, fast=fast)) == [(MismatchKind.CHANGED, "bb")]


def test_two_chunks_that_changed_stores_are_found(output: OutputFolder) -> None:
    one, other = (output.store(key) / "0" / "c" / "1" / "0" / "0" for key in ("aa", "bb"))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert _kinds(verify(output)) == [(MismatchKind.CHANGED, "aa"), (MismatchKind.CHANGED, "bb")]


@pytest.mark.parametrize("n_bytes", [0, 100])
def test_a_truncated_manifest_is_damage(output: OutputFolder, n_bytes: int) -> None:
    output.manifest.write_bytes(output.manifest.read_bytes()[:n_bytes])
    with pytest.raises(DamageError, match=r"manifest\.parquet is damaged"):
        verify(output)


def test_a_manifest_that_is_gone_is_damage_where_a_database_names_series(output: OutputFolder) -> None:
    with state_of(output) as state:
        state.table.write([Finished(read_records(output)[-1], "", "")])
    output.manifest.unlink()
    with pytest.raises(DamageError, match="publishes it again"):
        verify(output)


def test_nothing_is_called_damaged_while_a_run_is_at_work(
    output: OutputFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_lock(output), pytest.raises(LockedError, match="at work"):
        verify(output)

    class Publishing(InThisProcess):
        def process(self, function: Any, jobs: Any) -> Any:
            for job in jobs:
                publish(output, [])
                yield job, replace(function(job), n_bytes=0)

    monkeypatch.setattr("pipeline.audit.verify.open_cluster", lambda *_, **__: Publishing())
    with pytest.raises(LockedError, match="published"):
        verify(output)


def test_a_store_whose_reader_was_lost_is_read_again(output: OutputFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing(InThisProcess):
        def process(self, _function: Any, jobs: Any) -> Any:
            return ((job, JobFailure(Reason.WORKER_LOST, "killed by signal 9")) for job in jobs)

    monkeypatch.setattr("pipeline.audit.verify.open_cluster", lambda *_, **__: Losing())
    assert verify(output) == []


def test_a_damaged_database_is_reported(output: OutputFolder) -> None:
    with state_of(output) as state:
        state.table.write([Finished(record, "", "") for record in read_records(output)])
    spoilt = bytearray(output.state.read_bytes())
    spoilt[4096:] = bytes(len(spoilt) - 4096)
    output.state.write_bytes(spoilt)
    with pytest.raises(DamageError, match=r"state\.sqlite is damaged"):
        verify(output)
