import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline.errors import LockedError, OutputError
from pipeline.sources.address import Address
from pipeline.sources.cache import cache_folder, hold_alone, make_private_folder, open_cached, output_folder


def test_the_cache_lies_where_the_user_says_or_where_caches_do(tmp_path: Path) -> None:
    assert cache_folder({"CTPREP_CACHE": str(tmp_path), "XDG_CACHE_HOME": "/x"}) == tmp_path
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "ctprep"
    assert cache_folder({}).is_relative_to(Path.home())


def test_a_series_is_cached_and_makes_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTPREP_CACHE", str(tmp_path))
    written: list[str] = []

    def read(key: str, limit_bytes: int = 10) -> bytes:
        def fill(file: BinaryIO) -> None:
            written.append(key)
            file.write(key.encode() * 4)

        with open_cached(key, 4, limit_bytes, fill) as file:
            return file.read()

    assert [read(key) for key in "aaba"] == [b"aaaa", b"aaaa", b"bbbb", b"aaaa"]
    assert written == ["a", "b"]
    os.utime(tmp_path / "series" / "b", ns=(1, 1))
    read("c")
    assert {path.name for path in (tmp_path / "series").iterdir()} == {"a", "c"}
    assert read("d", limit_bytes=3) == b"dddd"  # too large for the cache
    assert {path.name for path in (tmp_path / "series").iterdir()} == {"a", "c"}


def test_what_is_not_whole_does_not_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTPREP_CACHE", str(tmp_path))

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ConnectionError

    with pytest.raises(ConnectionError), open_cached("a", 8, 10, fill=fail):
        pass
    assert list((tmp_path / "series").iterdir()) == []


def test_each_output_of_each_endpoint_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTPREP_CACHE", str(tmp_path))
    one, other = Address("box", "out"), Address("box", "out2")
    endpoints = ({}, {"AWS_ENDPOINT_URL": "http://a"}, {"AWS_ENDPOINT_URL_S3": "http://b"})
    assert len({output_folder(address, endpoint) for address in (one, other) for endpoint in endpoints}) == 6


def test_a_folder_of_the_cache_is_its_owners_alone(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "a" / "b")
    assert {stat.S_IMODE(place.stat().st_mode) for place in (folder, folder.parent)} == {0o700}
    assert make_private_folder(folder) == folder


def test_a_cache_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="CTPREP_CACHE names another"):
        make_private_folder(tmp_path / "file" / "cache")


def test_one_process_at_a_time_is_at_work_in_a_place(tmp_path: Path) -> None:
    with hold_alone(tmp_path / "lock", waits=False):
        with pytest.raises(LockedError), hold_alone(tmp_path / "lock", waits=False):
            pass
        assert os.access(tmp_path / "lock", os.R_OK)
    with hold_alone(tmp_path / "lock", waits=True):
        pass
