"""Jobs on the workers of a cluster: how many travel at once, and what becomes of them when workers die."""

import time
from collections.abc import Iterator

import pytest
from clusters import Programs, programs
from engine_jobs import QUICK, kill_worker, rest

import pipeline.cluster.sending
from pipeline.cluster import ClusterOptions, Lost
from pipeline.cluster.cluster import ClusterEngine
from pipeline.cluster.remote import remote_engine
from pipeline.errors import ClusterError
from pipeline.vocabulary import Reason


@pytest.fixture(scope="module")
def cluster() -> Iterator[Programs]:
    with programs(2) as started:
        yield started


@pytest.fixture
def engine(cluster: Programs) -> Iterator[ClusterEngine]:
    options = ClusterOptions("address", address=cluster.address, wait_seconds=60)
    with remote_engine(options, QUICK, 1, None, ()) as opened:
        yield opened


def test_a_worker_that_is_killed_costs_no_job(engine: ClusterEngine, cluster: Programs) -> None:
    running = engine.run(rest, [0.0, *[0.2] * 9])
    next(running)
    cluster.worker_processes()[0].kill()
    assert [result for _, result in running] == [0.2] * 9


def test_a_job_that_kills_its_workers_is_lost_alone(engine: ClusterEngine) -> None:
    results = dict(engine.run(kill_worker, [*"abcdefgh", "kill", *"ijkl"]))
    lost = results.pop("kill")
    assert isinstance(lost, Lost)
    assert lost.reason == Reason.WORKER_LOST
    assert sorted(map(str, results.values())) == list("abcdefghijkl")


def test_short_jobs_travel_together_and_a_deadly_one_among_them_is_lost_alone(
    engine: ClusterEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.cluster.sending, "SECONDS_PER_TASK", 60.0)
    jobs = [*map(str, range(300)), "kill", *map(str, range(300, 330))]
    sizes = []
    submit = engine._client.map
    monkeypatch.setattr(
        engine._client, "map", lambda *words, **named: sizes.extend(map(len, words[2])) or submit(*words, **named)
    )
    results = dict(engine.run(kill_worker, jobs))
    assert max(sizes) > 8
    assert isinstance(results.pop("kill"), Lost)
    assert results == {job: job for job in jobs if job != "kill"}


def test_a_cluster_that_has_lost_all_its_workers_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.cluster.sending, "LOOK_SECONDS", 0.2)
    with programs(1) as started:
        options = ClusterOptions("address", address=started.address, wait_seconds=30)
        with remote_engine(options, QUICK, 1, None, ()) as engine:
            engine._patience_seconds = 1
            running = engine.run(rest, [0.0, *[2.0] * 9])
            next(running)
            holder = started.worker_processes()
            started.workers[0].kill()  # first who would start it again
            for process in holder:
                process.kill()
            began = time.monotonic()
            with pytest.raises(ClusterError, match="no worker for 1 seconds"):
                list(running)
            assert time.monotonic() - began < 30
