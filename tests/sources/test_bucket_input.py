from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import UsageError
from pipeline.sources.address import Address
from pipeline.sources.bucket_input import mirror_input

if TYPE_CHECKING:
    from bucket_server import BucketServer


@pytest.fixture
def root(server: "BucketServer") -> Address:
    """Three objects in a bucket."""
    bucket = server.opened("in")
    for name in ("a/1.dcm", "a/b/2 ü#?%20.dcm", "3"):
        bucket.put(name, name.encode())
    return Address(server.bucket, "in")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetched(server: "BucketServer") -> int:
    return sum(method == "GET" and "/in/" in path for method, path in server.seen)


def test_every_object_is_a_file(root: Address) -> None:
    said: list[str] = []
    assert files(mirror_input(root, said.append)) == {
        name: name.encode() for name in ("a/1.dcm", "a/b/2 ü#?%20.dcm", "3")
    }
    assert said == [f"fetching 3 objects, 0.0 MB, from {root}"]


def test_what_did_not_change_is_not_fetched_again(root: Address, server: "BucketServer") -> None:
    mirror_input(root, lambda _: None)
    before = fetched(server)
    said: list[str] = []
    mirror_input(root, said.append)
    assert (fetched(server), said) == (before, [])


def test_a_file_tells_by_its_time_which_bytes_it_holds(root: Address, server: "BucketServer") -> None:
    path = mirror_input(root, lambda _: None) / "3"
    first = path.stat().st_mtime_ns
    path.unlink()
    mirror_input(root, lambda _: None)
    assert path.stat().st_mtime_ns == first
    server.opened("in").put("3", b"!")
    mirror_input(root, lambda _: None)
    assert path.read_bytes() == b"!"
    assert path.stat().st_mtime_ns % 10**9 != first % 10**9


def test_what_is_gone_goes(root: Address, server: "BucketServer") -> None:
    folder = mirror_input(root, lambda _: None)
    server.opened("in").remove(["a/b/2 ü#?%20.dcm"])
    mirror_input(root, lambda _: None)
    assert files(folder).keys() == {"a/1.dcm", "3"}
    assert not (folder / "a/b").exists()


def test_what_was_touched_here_or_left_half_is_fetched_again(root: Address) -> None:
    folder = mirror_input(root, lambda _: None)
    (folder / "3").write_bytes(b"?")
    (folder / "stray").write_bytes(b"?")
    assert files(mirror_input(root, lambda _: None))["3"] == b"3"
    assert not (folder / "stray").exists()


def test_an_object_that_marks_a_folder_is_no_file(root: Address, server: "BucketServer") -> None:
    server.opened("in").put("a", b"")
    assert (mirror_input(root, lambda _: None) / "a").is_dir()


def test_a_file_that_is_a_folder_too_is_refused(root: Address, server: "BucketServer") -> None:
    server.opened("in").put("a", b"1")
    with pytest.raises(UsageError, match="1 objects have the name of a folder too"):
        mirror_input(root, lambda _: None)


def test_a_name_that_no_file_can_have_is_refused_and_not_told(root: Address, server: "BucketServer") -> None:
    server.opened("in").put("Somebody" * 40, b"1")
    with pytest.raises(UsageError, match="an object cannot be kept as a file: File name too long") as caught:
        mirror_input(root, lambda _: None)
    assert "Somebody" not in str(caught.value)


def test_nothing_under_a_root_is_said_and_removes_nothing(root: Address, server: "BucketServer") -> None:
    folder = mirror_input(root, lambda _: None)
    server.opened("in").remove(found.name for found in list(server.opened("in").objects()))
    with pytest.raises(UsageError, match="nothing lies there"):
        mirror_input(root, lambda _: None)
    assert len(files(folder)) == 3


def test_more_than_the_disk_holds_is_not_begun(root: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sources.bucket_input.free_bytes", lambda _: 3)
    with pytest.raises(UsageError, match="the cache has 0 MB left"):
        mirror_input(root, lambda _: None)


def test_an_object_that_cannot_be_read_ends_it_all(root: Address, server: "BucketServer") -> None:
    def refuse(request: tuple[str, str]) -> None:
        if request[1].endswith("/in/3"):
            raise PermissionError

    server.before = refuse
    with pytest.raises(UsageError, match="denies access"):
        mirror_input(root, lambda _: None)
