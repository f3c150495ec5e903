import os
import stat
from pathlib import Path

import pytest

from pipeline.errors import LockedError, OutputError
from pipeline.sources.address import Address
from pipeline.sources.cache import cache_folder, hold_alone, input_folder, make_private_folder, output_folder


def test_the_cache_lies_where_the_user_says_or_where_caches_do(tmp_path: Path) -> None:
    assert cache_folder({"CTPREP_CACHE": str(tmp_path), "XDG_CACHE_HOME": "/x"}) == tmp_path
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "ctprep"
    assert cache_folder({}).is_relative_to(Path.home())


def test_an_input_is_mirrored_under_its_own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTPREP_CACHE", str(tmp_path))
    assert input_folder(Address("box", "ct/raw")) == tmp_path / "inputs/box/ct/raw"


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
