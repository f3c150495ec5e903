"""The guarded child process."""

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from engine_jobs import QUICK, Answer, chatter, hang_in_c, identify, keep, misbehave, read_environment, rest, unpack

from pipeline.cluster.fork_server import ENVIRONMENT, ForkServer
from pipeline.cluster.guard import Guard
from pipeline.cluster.guarded import GRACE_SECONDS, GuardedProcess
from pipeline.cluster.outcome import Lost
from pipeline.vocabulary import Reason

Ask = Callable[[Callable[[Any], Any], Any], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def process(server: ForkServer) -> Iterator[GuardedProcess]:
    process = GuardedProcess(QUICK, server)
    yield process
    process.close()


@pytest.fixture
def ask(process: GuardedProcess) -> Ask:
    return lambda function, job: unpack(process.run(pickle.dumps(function), pickle.dumps(job)))


def test_the_child_is_used_again(ask: Ask) -> None:
    assert len({ask(identify, job).pid for job in range(5)}) == 1


def test_the_child_is_used_again_after_an_exception(ask: Ask) -> None:
    before = ask(identify, 1).pid
    assert ask(misbehave, "fail").reason == Reason.INTERNAL
    assert ask(identify, 2).pid == before


def test_a_child_that_died_is_replaced(ask: Ask) -> None:
    before = ask(identify, 1).pid
    assert ask(misbehave, "die").reason == Reason.WORKER_LOST
    assert ask(identify, 2).pid != before


def test_a_child_that_died_between_jobs_costs_no_job(ask: Ask) -> None:
    before = ask(identify, 1).pid
    os.kill(before, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(before)], timeout=5)
    assert isinstance(ask(identify, 2), Answer)


def test_a_child_that_keeps_much_of_its_jobs_is_replaced_before_the_next(ask: Ask) -> None:
    before = ask(keep, 150).pid
    assert ask(keep, 150).pid != before


def test_memory_is_counted_from_what_the_child_holds_when_idle(ask: Ask) -> None:
    assert [ask(keep, 60).job for _ in range(4)] == [60, 60, 60, 60]


def test_time_runs_out_even_in_native_code_that_never_returns(ask: Ask) -> None:
    ask(identify, "start")
    began = time.monotonic()
    lost = ask(hang_in_c, 60)
    assert time.monotonic() - began < QUICK.timeout_seconds + GRACE_SECONDS + 2
    assert lost.reason == Reason.TIMEOUT
    assert "in hang_in_c" in lost.traceback


def test_time_runs_out_for_a_child_that_cannot_end_itself(ask: Ask) -> None:
    pid = ask(identify, "start").pid
    os.kill(pid, signal.SIGSTOP)
    assert ask(identify, "stopped") == Lost(Reason.TIMEOUT, "more than 3 seconds")


def test_every_thread_pool_has_one_thread(ask: Ask) -> None:
    assert ask(read_environment, "OMP_NUM_THREADS") == "1"
    assert ask(read_environment, "MALLOC_MMAP_THRESHOLD_") == ENVIRONMENT["MALLOC_MMAP_THRESHOLD_"]


def test_what_a_job_writes_to_the_terminal_is_dropped(ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(chatter, "DOE^JANE") == "DOE^JANE"
    assert capfd.readouterr() == ("", "")


def test_a_function_that_cannot_be_loaded_loses_the_job(process: GuardedProcess) -> None:
    lost = unpack(process.run(b"cno_such_module\nwork\n.", pickle.dumps(1)))
    assert isinstance(lost, Lost)
    assert lost.detail.startswith("ModuleNotFoundError")


def test_an_interrupted_job_does_not_answer_for_the_next(ask: Ask) -> None:
    ask(rest, 0)

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        ask(rest, 1.0)
    signal.signal(signal.SIGALRM, before)
    assert ask(rest, 0.25) == 0.25


def test_where_no_process_can_be_had_the_job_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError

    server = ForkServer()
    monkeypatch.setattr(server, "fork", refuse)
    lost = unpack(GuardedProcess(QUICK, server).run(pickle.dumps(identify), pickle.dumps(1)))
    server.close()
    assert lost == Lost(Reason.WORKER_LOST, "no process could be started (BlockingIOError)")


def test_the_child_ignores_an_interrupt_from_the_terminal(ask: Ask) -> None:
    before = ask(identify, 1).pid
    os.kill(before, signal.SIGINT)
    assert ask(identify, 2).pid == before


def test_closing_ends_the_child(server: ForkServer) -> None:
    process = GuardedProcess(Guard(60, 1 << 30), server)
    pid = unpack(process.run(pickle.dumps(identify), pickle.dumps(1))).pid
    process.close()
    assert not psutil.pid_exists(pid)


def test_closing_twice_is_closing_once(process: GuardedProcess) -> None:
    process.run(pickle.dumps(identify), pickle.dumps(1))
    process.close()
    process.close()
    assert unpack(process.run(pickle.dumps(identify), pickle.dumps(2))).job == 2
    process.close()
