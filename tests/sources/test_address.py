import pytest

from pipeline.errors import UsageError
from pipeline.sources.address import Address, parse_address, resolve_file_url


@pytest.mark.parametrize("folder", ["out", "/data/out", "file:///data/out", "C:/out", "a:b", "s3"])
def test_a_path_lies_on_this_machine(folder: str) -> None:
    assert parse_address(folder) is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://box", Address("box", "")),
        ("s3://box/", Address("box", "")),
        ("s3://box/ct/night 1", Address("box", "ct/night 1")),
        ("S3://my.box-1/ct/", Address("my.box-1", "ct")),
    ],
)
def test_a_url_names_a_bucket_and_a_prefix(url: str, address: Address) -> None:
    assert parse_address(url) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "https://host/x", "gs://box/x", "s3:///x", "s3://b", "s3://box/a//b", "s3://box/a/../b"]
)
def test_any_other_url_is_refused_with_what_is_allowed(url: str) -> None:
    with pytest.raises(UsageError, match="allowed are a path, file:///PATH and s3://BUCKET/PREFIX"):
        parse_address(url)


def test_an_address_holds_itself_and_what_is_below_it_by_whole_names() -> None:
    outer = Address("box", "ct")
    assert outer.holds(outer)
    assert outer.holds(Address("box", "ct/a"))
    assert Address("box", "").holds(outer)
    assert not outer.holds(Address("box", "ct2"))
    assert not outer.holds(Address("box", ""))
    assert not outer.holds(Address("other", "ct/a"))


def test_a_file_url_is_the_path_it_names() -> None:
    assert resolve_file_url("file:///data/my%20scans") == "/data/my scans"
    assert resolve_file_url("file://localhost/data") == "/data"
    assert resolve_file_url("data") == "data"


@pytest.mark.parametrize("url", ["file://elsewhere/data", "file://"])
def test_a_file_url_of_another_machine_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no folder of this machine"):
        resolve_file_url(url)
