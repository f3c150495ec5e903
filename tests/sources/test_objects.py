"""Inputs in a bucket: listed and read where they lie."""

import os
import urllib.request
import zipfile
from typing import TYPE_CHECKING

import pytest
from archives import tar_of, zip_of

from pipeline.errors import UsageError
from pipeline.sources.address import Address
from pipeline.sources.files import FoundFile, SourceError, expect_files, open_stream, open_unchanged
from pipeline.sources.folders import InputOptions, find_files
from pipeline.sources.members import hold_files
from pipeline.sources.objects import HEAD_BYTES, require_any
from pipeline.vocabulary import Reason

if TYPE_CHECKING:
    from bucket_server import BucketServer

CONTENTS = {"a/1.dcm": b"1" * 3 * HEAD_BYTES, "a/b/2 ü#?%20.dcm": b"2", "3": b"3"}
CACHE_BYTES = 1 << 24


@pytest.fixture
def root(server: "BucketServer") -> str:
    """Three objects in a bucket."""
    for name, content in CONTENTS.items():
        server.opened("in").put(name, content)
    return server.url("in")


def found(root: str) -> list[FoundFile]:
    return list(find_files(InputOptions((root,))))


def contents(root: str, cache_bytes: int = CACHE_BYTES) -> dict[str, bytes]:
    with hold_files(found(root), cache_bytes) as held:
        read = {}
        for path, file in held.items():
            with open_unchanged(file) as (descriptor, begin):
                read[path.removeprefix(f"{root}/")] = os.pread(descriptor, file.size, begin)
        return read


def n_requests(server: "BucketServer", name: str) -> int:
    return sum(path.endswith(f"/in/{name}") for _, path in server.seen)


def test_every_object_is_a_file_and_is_read_whole(root: str) -> None:
    assert contents(root) == CONTENTS


def test_a_header_takes_one_request_of_a_part(root: str, server: "BucketServer") -> None:
    files = found(root)
    server.seen.clear()
    with expect_files(files):
        for file in files:
            with open_stream(file) as stream:
                assert stream.read(9) == CONTENTS[file.path.removeprefix(f"{root}/")][:9]
    assert n_requests(server, "a/1.dcm") == 1


def test_a_series_that_was_fetched_is_not_fetched_again(root: str, server: "BucketServer") -> None:
    contents(root)
    server.seen.clear()
    assert contents(root) == CONTENTS
    assert n_requests(server, "a/1.dcm") == 0
    assert contents(root, cache_bytes=0) == CONTENTS
    assert n_requests(server, "a/1.dcm") == 1


def test_an_object_changes_by_its_etag(root: str, server: "BucketServer") -> None:
    before = {file.path: file for file in found(root)}
    assert {file.path: file.state for file in found(root)} == {path: file.state for path, file in before.items()}
    server.opened("in").put("3", b"!")
    assert {path for path, file in before.items() if file not in found(root)} == {f"{root}/3"}
    with pytest.raises(SourceError, match="changed") as raised, hold_files(before.values()):
        pass
    assert raised.value.reason is Reason.UNSTABLE


def test_an_object_that_is_gone_is_no_file(root: str, server: "BucketServer") -> None:
    files = found(root)
    server.opened("in").remove(["3"])
    with pytest.raises(FileNotFoundError), hold_files(files):
        pass


def test_a_server_that_refuses_is_no_damage(root: str, server: "BucketServer") -> None:
    files = found(root)

    def refuse(request: tuple[str, str]) -> None:
        if request[1].endswith("/in/3"):
            raise PermissionError

    server.before = refuse
    with pytest.raises(ConnectionError, match="denies access"), hold_files(files):
        pass
    [refused] = [file for file in files if file.path.endswith("/in/3")]
    with expect_files(files), open_stream(refused) as stream, pytest.raises(ConnectionError):
        stream.read(1)


def test_an_object_that_marks_a_folder_is_no_file(root: str, server: "BucketServer") -> None:
    url = f"{server.environment['AWS_ENDPOINT_URL']}/{server.bucket}/in/a/"
    urllib.request.urlopen(urllib.request.Request(url, b"", method="PUT")).close()  # noqa: S310  on loopback
    assert {file.path.removeprefix(f"{root}/") for file in found(root)} == set(CONTENTS)


def test_one_object_may_be_a_root(root: str) -> None:
    assert [file.path for file in found(f"{root}/3")] == [f"{root}/3"]


def test_a_root_where_nothing_lies_is_found(root: str, server: "BucketServer") -> None:
    del root
    addresses = [Address(server.bucket, prefix) for prefix in ("in", "in/3", "out")]
    assert require_any(addresses) == addresses[2:]
    with pytest.raises(UsageError, match="no such bucket"):
        require_any([Address("nobodys-bucket", "")])


@pytest.mark.parametrize("name", ["stored.zip", "deflated.zip", "plain.tar"])
def test_an_archive_in_a_bucket_is_read_where_it_lies(name: str, server: "BucketServer") -> None:
    method = zipfile.ZIP_DEFLATED if name.startswith("deflated") else zipfile.ZIP_STORED
    inside = {member: os.urandom(HEAD_BYTES) for member in ("x/1", "x/2", "y")}
    content = tar_of(*inside.items()) if name.endswith("tar") else zip_of(inside, method)
    server.opened("in").put(name, content)
    root = server.url("in")
    assert contents(root) == {f"{name}!/{member}": raw for member, raw in inside.items()}


def test_a_member_of_an_archive_in_a_bucket_is_read_where_it_lies_now(server: "BucketServer") -> None:
    server.opened("in").put("x.zip", zip_of({"a": b"1"}))
    files = found(server.url("in"))
    server.opened("in").put("x.zip", zip_of({"new": b"0" * 99, "a": b"1"}))
    with hold_files(files) as held, open_unchanged(held[files[0].path]) as (descriptor, begin):
        assert os.pread(descriptor, 1, begin) == b"1"


def test_a_public_bucket_is_asked_without_keys(
    root: str, server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    server.signed.clear()
    assert [file.size for file in found(f"{root}/a/b")] == [1]
    assert not any(server.signed)
