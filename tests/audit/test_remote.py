import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from remote_runs import remote_run, two_patients

from pipeline.audit.remote import open_tables, verify_anywhere
from pipeline.audit.verify import MismatchKind
from pipeline.errors import LockedError, UsageError
from pipeline.output.manifest import read_records
from pipeline.sources.bucket_output import piece_name
from pipeline.sources.bucket_stores import store_name
from pipeline.sources.lease import LEASE

if TYPE_CHECKING:
    from bucket_server import BucketServer


@pytest.fixture
def url(server: "BucketServer", tmp_path: Path, in_this_process: None) -> str:
    """Run two series into a bucket."""
    del in_this_process
    remote_run(tmp_path, two_patients(tmp_path / "in"), server.url("out"))
    return server.url("out")


def keys(server: "BucketServer") -> list[str]:
    return sorted({name.split("/")[0].removesuffix(".zarr") for name in server.tree("out/volumes")})


def chunk(server: "BucketServer", key: str) -> str:
    return next(f"{store_name(key)}/{name}" for name in server.tree(f"out/{store_name(key)}") if "/c/" in name)


def kinds(url: str, *, fast: bool) -> list[tuple[MismatchKind, str]]:
    return [(found.kind, found.series_key) for found in verify_anywhere(url, fast=fast)]


def test_the_manifest_of_an_output_is_read_wherever_it_lies(url: str, server: "BucketServer") -> None:
    with open_tables(url) as output:
        assert [record.series_key for record in read_records(output)] == keys(server)
        assert output.run.exists()


def test_a_folder_of_this_machine_is_looked_at_where_it_is(tmp_path: Path) -> None:
    for name in (str(tmp_path), tmp_path.as_uri()):
        with open_tables(name) as output:
            assert output.root == tmp_path


def test_stores_in_a_bucket_are_verified(url: str, server: "BucketServer") -> None:
    bucket = server.opened("out")
    one, other = keys(server)
    assert verify_anywhere(url) == verify_anywhere(url, fast=True) == []
    content = bytearray(server.tree("out")[chunk(server, one)])
    content[-1] ^= 1
    bucket.put(chunk(server, one), bytes(content))
    assert kinds(url, fast=True) == []
    assert kinds(url, fast=False) == [(MismatchKind.CHANGED, one)]
    bucket.put(chunk(server, one), bytes(content[:-1]))
    assert kinds(url, fast=True) == [(MismatchKind.CHANGED, one)]
    bucket.remove([f"{store_name(other)}/{name}" for name in server.tree(f"out/{store_name(other)}")])
    bucket.put("volumes/stray.zarr/zarr.json", b"")
    assert (MismatchKind.MISSING, other) in kinds(url, fast=True)
    assert (MismatchKind.EXTRA, "stray") in kinds(url, fast=True)


def test_a_store_that_a_killed_run_had_only_begun_is_no_damage(url: str, server: "BucketServer") -> None:
    bucket = server.opened("out")
    bucket.put(piece_name("cc"), b"")
    bucket.put(f"{store_name('cc')}/0/c/0", b"half")
    assert verify_anywhere(url) == []
    assert f"{store_name('cc')}/0/c/0" in server.tree("out")


def test_a_bucket_without_an_output_is_said(server: "BucketServer") -> None:
    with pytest.raises(UsageError, match=r"holds no manifest.parquet"):
        verify_anywhere(server.url("nothing"))
    with pytest.raises(UsageError, match=r"holds no manifest.parquet"), open_tables(server.url("nothing")):
        pass


def test_a_run_at_work_is_waited_for(url: str, server: "BucketServer") -> None:
    server.opened("out").put(LEASE, json.dumps({"holder": "x"}).encode())
    with pytest.raises(LockedError, match="a run is at work"):
        verify_anywhere(url)
