import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import OutputError, UsageError
from pipeline.sources.address import Address
from pipeline.sources.bucket import Bucket

if TYPE_CHECKING:
    from bucket_server import BucketServer


def test_what_is_put_is_listed_read_and_fetched(server: "BucketServer", tmp_path: Path) -> None:
    bucket = server.opened("deep/out")
    etag = bucket.put("a/one", b"1")
    (tmp_path / "two").write_bytes(b"22")
    bucket.put("two", tmp_path / "two")
    assert [(found.name, found.size) for found in bucket.objects()] == [("a/one", 1), ("two", 2)]
    assert [found.etag for found in bucket.objects("a")] == [etag]
    files, folders = bucket.top()
    assert ([found.name for found in files], folders) == (["two"], ["a"])
    got = bucket.read("a/one")
    assert got is not None
    assert (got[0], got[1].etag) == (b"1", etag)
    assert bucket.fetch("two", tmp_path / "again") is not None
    assert (tmp_path / "again").read_bytes() == b"22"
    assert b"".join(bucket.blocks("two")) == b"22"


def test_a_folder_of_a_bucket_sees_nothing_beside_it(server: "BucketServer") -> None:
    server.opened("out2").put("x", b"")
    assert list(server.opened("out").objects()) == []


def test_what_is_not_there_is_none(server: "BucketServer", tmp_path: Path) -> None:
    bucket = server.opened("out")
    assert bucket.read("x") is None
    assert bucket.fetch("x", tmp_path / "x") is None
    bucket.remove(["x"])
    bucket.remove([])


def test_an_object_is_created_once_and_updated_by_who_knows_it(server: "BucketServer") -> None:
    bucket = server.opened("out")
    first = bucket.create("x", b"1")
    assert first is not None
    assert bucket.create("x", b"2") is None
    second = bucket.update("x", b"2", first)
    assert second is not None
    assert bucket.update("x", b"3", first) is None
    assert bucket.update("y", b"3", first) is None
    assert server.tree("out") == {"x": b"2"}


def test_a_bucket_that_is_not_there_is_said(server: "BucketServer") -> None:
    with pytest.raises(UsageError, match="s3://nowhere/x: there is no such bucket"):
        list(Bucket.open(Address("nowhere", "x"), UsageError).objects())
    assert server.seen


def test_a_server_that_is_gone_is_said(server: "BucketServer") -> None:
    server.stop()
    with pytest.raises(OutputError, match="cannot be reached, or was lost; look at AWS_ENDPOINT_URL"):
        server.opened("out").put("x", b"")


def test_a_refusal_is_said_without_the_object_that_it_is_about(server: "BucketServer") -> None:
    def refuse(_: object) -> None:
        raise PermissionError

    server.before = refuse
    with pytest.raises(OutputError, match="the server denies access; look at the AWS_ variables") as caught:
        server.opened("out").put("Somebody^Secret", b"")
    assert "Somebody" not in str(caught.value)


def test_an_endpoint_of_another_machine_must_be_encrypted(
    server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1:9")
    with pytest.raises(OutputError, match="the endpoint is not encrypted; use https, or set AWS_ALLOW_HTTP=true"):
        server.opened("out").put("x", b"")


def test_a_machine_without_obstore_says_what_to_install(
    server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(UsageError, match=r"install ctprep\[s3\]"):
        server.opened("out")
