"""``cluster:`` of the configuration."""

import pytest

from pipeline.engine.options import ClusterOptions


@pytest.mark.parametrize(
    ("written", "amount"),
    [("4GB", 4 * 10**9), ("4 GiB", 4 << 30), ("1.5mib", 3 << 19), ("2G", 2 * 10**9), ("100", 100), (7, 7), ("8B", 8)],
)
def test_memory_is_read_in_the_usual_units(written: str | int, amount: int) -> None:
    assert ClusterOptions(memory_limit=written).memory_limit_bytes == amount


def test_automatic_memory_is_left_to_the_limits() -> None:
    assert ClusterOptions().memory_limit_bytes is None


@pytest.mark.parametrize("written", ["much", "", "-4GB", "4XB", "GB", "4iB"])
def test_an_amount_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="memory_limit"):
        ClusterOptions(memory_limit=written)


def test_no_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        ClusterOptions(memory_limit="0GB")


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ClusterOptions(workers=0)


def test_an_address_is_needed_to_reach_one() -> None:
    with pytest.raises(ValueError, match=r"cluster\.address"):
        ClusterOptions(kind="address")
