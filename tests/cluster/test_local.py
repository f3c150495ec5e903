"""The local cluster."""

from collections.abc import Iterator
from typing import Never
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from clusters import small_cluster
from engine_jobs import Answer, identify, rest

import pipeline.cluster.local
from pipeline.cluster.cluster import ClusterEngine
from pipeline.errors import ClusterError


@pytest.fixture(scope="module")
def engine() -> Iterator[ClusterEngine]:
    with small_cluster(2) as opened:
        yield opened


def test_results_come_in_order_of_completion(engine: ClusterEngine) -> None:
    list(engine.run(rest, [0.0] * 8))
    assert [job for job, _ in engine.run(rest, [1.0, 0.1])] == [0.1, 1.0]


def test_every_worker_works(engine: ClusterEngine) -> None:
    pids = {result.pid for _, result in engine.run(identify, range(40)) if isinstance(result, Answer)}
    assert len(pids) == 2


def test_what_listens_answers_nothing_and_this_machine_only(engine: ClusterEngine) -> None:
    list(engine.run(rest, [0.0] * 8))
    this = psutil.Process()
    sockets = [socket for process in (this, *this.children(recursive=True)) for socket in process.net_connections()]
    listening = [socket.laddr for socket in sockets if socket.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    for address in listening:
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"http://{address.ip}:{address.port}/json/identity.json", timeout=10)


def test_a_cluster_that_does_not_start_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_settings: object) -> Never:
        msg = "no more processes"
        raise OSError(msg)

    monkeypatch.setattr(pipeline.cluster.local, "LocalCluster", refuse)
    with pytest.raises(ClusterError, match="did not start"), small_cluster(1):
        pass
