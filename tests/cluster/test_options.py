"""``cluster:`` of the configuration."""

from typing import Any

import pytest

from pipeline.cluster.options import ClusterOptions


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


TLS = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}


@pytest.mark.parametrize(
    ("address", "named", "said"),
    [
        (None, {}, r"cluster\.address"),
        ("tcp://10.0.0.1:8786", {}, "not encrypted"),
        ("10.0.0.1:8786", {}, "not encrypted"),
        ("tcp://cluster.example:8786", {}, "not encrypted"),
        ("tcp://10.0.0.1:8786", {"tls": TLS}, "not encrypted"),
        ("tls://10.0.0.1:8786", {}, r"needs cluster\.tls"),
        ("ws://10.0.0.1:8786", {}, "no scheduler's address"),
        ("tcp://", {}, "no scheduler's address"),
    ],
)
def test_where_a_connection_could_not_be_trusted_it_is_refused(
    address: str | None, named: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        ClusterOptions(kind="address", address=address, **named)


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("tls://10.0.0.1:8786", {"tls": TLS}),
        ("tcp://10.0.0.1:8786", {"insecure": True}),
        ("tcp://127.0.0.1:8786", {}),
        ("tcp://[::1]:8786", {}),
        ("localhost:8786", {}),
    ],
)
def test_an_address_is_taken_where_it_is_encrypted_or_near_or_said_to_be_insecure(
    address: str, named: dict[str, Any]
) -> None:
    assert ClusterOptions(kind="address", address=address, **named).is_remote


@pytest.mark.parametrize("tls", [{}, {"ca": "ca.pem"}, TLS | {"password": "x"}])
def test_a_certificate_is_three_files(tls: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="ca, cert and key"):
        ClusterOptions(tls=tls)


def test_a_queue_is_waited_for_longer_than_a_cluster_that_runs() -> None:
    running = ClusterOptions(kind="address", address="localhost:8786")
    assert running.patience_seconds == 60 < ClusterOptions(kind="slurm").patience_seconds
    assert ClusterOptions(kind="slurm", wait_seconds=5).patience_seconds == 5
    with pytest.raises(ValueError, match="wait_seconds must be at least 1"):
        ClusterOptions(wait_seconds=0)
