"""Whether the workers of a cluster can do the work."""

from pathlib import Path
from typing import Any

import pytest
from clusters import small_cluster

from pipeline.cluster.workers import await_worker, check_versions, check_workers
from pipeline.errors import ClusterError

OURS = {"python": "3.11.7.final.0", "distributed": "2026.8.0", "numpy": "2.4.6", "ctprep": "0.1.0"}


class Empty:
    """A client of a cluster that nobody comes to."""

    def wait_for_workers(self, _n_workers: int, timeout: float) -> None:
        raise TimeoutError(timeout)


def test_workers_in_this_process_can_do_what_it_can(tmp_path: Path) -> None:
    with small_cluster(1) as engine:
        await_worker(engine._client, 5, "")
        check_workers(engine._client, (tmp_path, tmp_path))
        with pytest.raises(ClusterError, match="does not see"):
            check_workers(engine._client, (tmp_path, tmp_path / "gone"))


@pytest.mark.parametrize("package", list(OURS))
def test_a_worker_of_another_version_is_named(package: str) -> None:
    theirs = {"tcp://a": OURS, "tcp://b": OURS | {package: "0.0.1"}}
    with pytest.raises(ClusterError, match=f"tcp://b has {package} 0.0.1, and this is {package} {OURS[package]}"):
        check_versions(OURS, theirs.items())


def test_a_worker_without_ctprep_has_none() -> None:
    with pytest.raises(ClusterError, match="has ctprep none"):
        check_versions(OURS, [("tcp://a", OURS | {"ctprep": None})])


def test_who_waits_in_vain_is_told_what_to_do() -> None:
    client: Any = Empty()
    with pytest.raises(ClusterError, match="within 0 seconds; ask the queue"):
        await_worker(client, 0.01, "ask the queue")


def test_what_makes_waiting_vain_ends_it() -> None:
    def give_up() -> None:
        msg = "the queue is closed"
        raise ClusterError(msg)

    client: Any = Empty()
    with pytest.raises(ClusterError, match="closed"):
        await_worker(client, 1000, "", give_up)
