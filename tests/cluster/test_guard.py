"""What one job may cost."""

from pipeline.cluster.guard import Guard
from pipeline.cluster.options import ClusterOptions
from pipeline.limits import Limits

LIMITS = Limits(series_timeout_seconds=60, series_memory_mb=1024)


def test_automatic_memory_is_the_limit_of_a_series() -> None:
    assert Guard.of(ClusterOptions(), LIMITS) == Guard(60, 1024 << 20)


def test_a_smaller_worker_makes_a_stricter_guard() -> None:
    assert Guard.of(ClusterOptions(memory_limit="512MiB"), LIMITS).memory_bytes == 512 << 20


def test_a_larger_worker_leaves_the_limit_of_a_series() -> None:
    assert Guard.of(ClusterOptions(memory_limit="64GB"), LIMITS).memory_bytes == 1024 << 20
