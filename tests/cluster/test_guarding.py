"""What a worker of a cluster does."""

import pickle
from typing import Any

import psutil
import pytest
from engine_jobs import QUICK, identify, remember, unpack

from pipeline.cluster import guarding
from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guarding import Guarding, work_here

WORKER: Any = None


def test_a_worker_passes_jobs_on_to_one_child_and_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Guarding(QUICK, pickle.dumps(remember))
    plugin.setup(WORKER)
    monkeypatch.setattr(guarding, "get_worker", lambda: type("Worker", (), {"plugins": {Guarding.name: plugin}}))
    answers = [unpack(answer) for answer in work_here(pickle.dumps(identify), [pickle.dumps(n) for n in range(3)])]
    assert [answer.job for answer in answers] == [0, 1, 2]
    assert len({answer.pid for answer in answers}) == 1
    plugin.teardown(WORKER)
    assert not psutil.pid_exists(answers[0].pid)


def test_a_server_that_it_was_given_stays() -> None:
    server = ForkServer()
    plugin = Guarding(QUICK, server=server)
    plugin.setup(WORKER)
    plugin.process.run(pickle.dumps(identify), pickle.dumps(1))
    plugin.teardown(WORKER)
    assert server.is_ready
    server.close()


def test_it_travels_to_other_processes() -> None:
    assert isinstance(unpack(pickle.dumps(Guarding(QUICK, b"warm"))), Guarding)
