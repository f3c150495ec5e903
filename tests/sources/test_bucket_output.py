import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from states import finished_in

from pipeline.output.database import Database
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Finished, SeriesTable, pack_result
from pipeline.record import SeriesRecord
from pipeline.sources.bucket_output import DATABASE, OutputCopy, piece_name
from pipeline.sources.bucket_stores import store_name
from pipeline.sources.lease import LEASE
from pipeline.vocabulary import Status

if TYPE_CHECKING:
    from bucket_server import BucketServer


def finished(key: str, signature: str = "before") -> Finished:
    return Finished(SeriesRecord(series_key=key, status=Status.OK), signature, "rules")


def known_in(output: OutputFolder) -> dict[str, str]:
    return {key: found.signature for key, found in finished_in(output).items()}


@pytest.fixture
def state(server: "BucketServer", tmp_path: Path) -> OutputCopy:
    """Put an output of three tables and two stores into a bucket."""
    bucket = server.opened("out")
    with Database.open(tmp_path / "state.sqlite") as database:
        SeriesTable(database).write([finished("aa"), finished("bb")])
    for name in ("manifest.parquet", "run.json"):
        bucket.put(name, name.encode())
    bucket.put(DATABASE, (tmp_path / "state.sqlite").read_bytes())
    for key in ("aa", "bb"):
        bucket.put(f"{store_name(key)}/zarr.json", b"{}")
    bucket.put(LEASE, b"")
    return OutputCopy(bucket, OutputFolder(tmp_path / "copy"), tmp_path / "known.json")


def names(state: OutputCopy) -> set[str]:
    return state._names()


def written(server: "BucketServer") -> list[str]:
    return [name.removeprefix("out/") for name in server.written()]


def test_everything_but_stores_and_the_lease_is_fetched(state: OutputCopy) -> None:
    state.fetch(mends=True)
    assert names(state) == {"manifest.parquet", "run.json", DATABASE}
    assert not state.output.volumes.exists()
    assert stat.S_IMODE(state.output.state.stat().st_mode) == 0o600


def test_some_of_it_can_be_enough(state: OutputCopy) -> None:
    state.fetch({"run.json"}, mends=False)
    assert names(state) == {"run.json"}


def test_what_is_here_already_is_not_fetched_again_and_what_changed_is(
    state: OutputCopy, server: "BucketServer"
) -> None:
    state.fetch(mends=True)
    server.opened("out").put("run.json", b"new")
    (state.output.root / "manifest.parquet").write_bytes(b"touched")
    (state.output.root / "stray").write_bytes(b"")
    (state.output.volumes / "cc.zarr").mkdir(parents=True)
    server.seen.clear()
    state.fetch(mends=True)
    read = {path.partition("/out/")[2] for method, path in server.seen if method == "GET"} - {""}
    assert read == {"run.json", "manifest.parquet"}
    assert (state.output.root / "run.json").read_bytes() == b"new"
    assert state.output.manifest.read_bytes() == b"manifest.parquet"
    assert not (state.output.root / "stray").exists()
    assert not state.output.volumes.exists()


def test_what_changed_is_published_and_the_manifest_at_the_end(state: OutputCopy, server: "BucketServer") -> None:
    state.fetch(mends=True)
    for name in ("manifest.parquet", "manifest.csv", "slices.parquet", DATABASE):
        (state.output.root / name).write_bytes(b"new")
    server.seen.clear()
    state.publish()
    assert written(server) == ["slices.parquet", DATABASE, "manifest.csv", "manifest.parquet"]


def test_what_was_removed_here_is_removed_there(state: OutputCopy, server: "BucketServer") -> None:
    state.fetch(mends=True)
    (state.output.root / "run.json").unlink()
    state.publish()
    assert "run.json" not in server.tree("out")
    assert f"{store_name('aa')}/zarr.json" in server.tree("out")


def test_publishing_twice_writes_once(state: OutputCopy, server: "BucketServer") -> None:
    state.fetch(mends=True)
    (state.output.root / "slices.parquet").write_bytes(b"new")
    state.publish()
    server.seen.clear()
    state.publish()
    assert written(server) == []


def test_pieces_win_over_the_database_and_go_when_it_is_published(state: OutputCopy, server: "BucketServer") -> None:
    state.bucket.put(piece_name("bb"), pack_result(finished("bb", "new")))
    state.bucket.put(piece_name("cc"), pack_result(finished("cc", "new")))
    assert state.fetch(mends=True) == set()
    assert known_in(state.output) == {"aa": "before", "bb": "new", "cc": "new"}
    state.publish()
    there = server.tree("out")
    assert there[DATABASE] == state.output.state.read_bytes()
    assert not any(name.startswith("private/results/") for name in there)


def test_pieces_of_the_version_before_count_and_go(state: OutputCopy, server: "BucketServer") -> None:
    state.bucket.put("private/journal/cc.json", pack_result(finished("cc", "new")))
    state.bucket.put("private/journal/bb.json", b"")
    assert state.fetch(mends=True) == {"bb"}
    assert known_in(state.output) == {"aa": "before", "cc": "new"}
    state.publish()
    assert not any(name.startswith("private/journal/") for name in server.tree("out"))


@pytest.mark.parametrize("mends", [True, False])
def test_a_store_that_was_only_begun_is_in_no_database(
    state: OutputCopy, server: "BucketServer", *, mends: bool
) -> None:
    state.bucket.put(piece_name("bb"), b"")
    assert state.fetch(mends=mends) == {"bb"}
    assert known_in(state.output) == {"aa": "before"}
    assert (f"{store_name('bb')}/zarr.json" in server.tree("out")) is not mends
    assert f"{store_name('aa')}/zarr.json" in server.tree("out")


def test_a_lost_index_costs_a_fetch_and_nothing_else(state: OutputCopy) -> None:
    state.fetch(mends=True)
    state.index.write_text("?")
    state.fetch(mends=True)
    assert names(state) == {"manifest.parquet", "run.json", DATABASE}
