"""The local cluster."""

import logging
from collections.abc import Iterator
from typing import Never

import psutil
import pytest
from engine_jobs import QUICK, Answer, identify, kill_worker, rest

import pipeline.engine.local
from pipeline.engine.local import LocalEngine, worker_count
from pipeline.engine.outcome import Lost
from pipeline.errors import ClusterError
from pipeline.vocabulary import Reason


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(QUICK, 2) as opened:
        yield opened


def test_results_come_in_order_of_completion(engine: LocalEngine) -> None:
    list(engine.run(rest, [0.0] * 8))
    assert [job for job, _ in engine.run(rest, [1.0, 0.1])] == [0.1, 1.0]


def test_every_worker_works(engine: LocalEngine) -> None:
    pids = {result.pid for _, result in engine.run(identify, range(40)) if isinstance(result, Answer)}
    assert len(pids) == 2


def test_nothing_listens_beyond_this_machine(engine: LocalEngine) -> None:
    list(engine.run(rest, [0.0] * 8))
    this = psutil.Process()
    sockets = [socket for process in (this, *this.children(recursive=True)) for socket in process.net_connections()]
    listening = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_a_worker_that_is_killed_costs_no_job(engine: LocalEngine) -> None:
    running = engine.run(rest, [0.0, *[0.2] * 9])
    next(running)
    workers = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    workers[0].kill()
    assert [result for _, result in running] == [0.2] * 9


def test_a_job_that_kills_its_workers_is_lost_alone(engine: LocalEngine) -> None:
    results = dict(engine.run(kill_worker, [*"abcdefgh", "kill", *"ijkl"]))
    lost = results.pop("kill")
    assert isinstance(lost, Lost)
    assert lost.reason == Reason.WORKER_LOST
    assert sorted(map(str, results.values())) == list("abcdefghijkl")


def test_a_lost_cluster_is_an_error_of_its_own() -> None:
    with LocalEngine(QUICK, 1) as engine:
        running = engine.run(rest, [0.0, *[1.0] * 9])
        next(running)
        engine._client.cluster.close()
        with pytest.raises(ClusterError, match="lost"):
            list(running)


def test_a_cluster_that_does_not_start_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_settings: object) -> Never:
        msg = "no more processes"
        raise OSError(msg)

    monkeypatch.setattr(pipeline.engine.local, "LocalCluster", refuse)
    with pytest.raises(ClusterError, match="did not start"), LocalEngine(QUICK, 1):
        pass


def test_closing_is_quiet_and_leaves_logging_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("distributed").level
    with LocalEngine(QUICK, 1) as engine:
        next(engine.run(rest, [0.0, *[1.0] * 3]))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("distributed").level == level


@pytest.mark.parametrize(
    ("asked", "n_jobs", "count"),
    [("auto", 1000, 8), ("auto", 5, 5), (3, 1000, 3), (16, 1000, 16), (16, 4, 4), (2, 0, 1)],
)
def test_workers_are_as_many_as_asked_and_never_more_than_jobs(
    monkeypatch: pytest.MonkeyPatch, asked: int | str, n_jobs: int, count: int
) -> None:
    monkeypatch.setattr(pipeline.engine.local, "CPU_COUNT", 8)
    assert worker_count(asked, n_jobs) == count
