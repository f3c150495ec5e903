"""Where guarded children come from."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from engine_jobs import QUICK, Answer, identify, read_environment, remember, unpack

from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guarded import GuardedProcess

IDENTIFY = pickle.dumps(identify)


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def process(server: ForkServer) -> Iterator[GuardedProcess]:
    process = GuardedProcess(QUICK, server)
    yield process
    process.close()


def _answer(process: GuardedProcess, job: object = 1) -> Answer:
    answer = unpack(process.run(IDENTIFY, pickle.dumps(job)))
    assert isinstance(answer, Answer)
    return answer


def test_nothing_is_started_before_something_is_asked() -> None:
    server = ForkServer()
    assert not server.is_ready
    assert server._process is None
    server.close()


def test_what_is_warmed_is_done_once_and_every_child_has_it(server: ForkServer) -> None:
    server.warm(pickle.dumps(remember))
    told = set()
    for _ in range(2):
        process = GuardedProcess(QUICK, server)
        told.add(unpack(process.run(pickle.dumps(read_environment), pickle.dumps("REMEMBERED_BY"))))
        process.close()
    assert len(told) == 1
    assert told != {None}


def test_to_warm_is_not_waited_for(server: ForkServer) -> None:
    server.warm(pickle.dumps(remember))
    assert not server.is_ready  # an interpreter takes longer than this
    while not server.is_ready:
        pass


def test_what_cannot_be_warmed_harms_nobody(server: ForkServer, process: GuardedProcess) -> None:
    server.load(b"cno_such_module\nwork\n.")
    server.warm(b"cno_such_module\nwork\n.")
    assert _answer(process).job == 1


def test_a_server_that_was_killed_is_started_again_and_its_children_go_on(
    server: ForkServer, process: GuardedProcess
) -> None:
    first = _answer(process).pid
    _kill(server)
    assert _answer(process).pid == first
    other = GuardedProcess(QUICK, server)
    assert _answer(other).pid != first
    other.close()


def test_a_child_that_dies_after_its_server_is_replaced(server: ForkServer, process: GuardedProcess) -> None:
    first = psutil.Process(_answer(process).pid)
    _kill(server)
    first.kill()
    psutil.wait_procs([first], timeout=10)
    assert _answer(process).pid != first.pid


def test_children_hold_nothing_of_each_other(server: ForkServer) -> None:
    processes = [GuardedProcess(QUICK, server) for _ in range(3)]
    files = [len(list(Path(f"/proc/{_answer(process).pid}/fd").iterdir())) for process in processes]
    assert len(set(files)) == 1
    for process in processes:
        process.close()


def _kill(server: ForkServer) -> None:
    assert server._process is not None
    server._process.kill()
    server._process.wait()
