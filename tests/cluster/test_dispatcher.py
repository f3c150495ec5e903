"""Jobs through the dispatcher: what holds on every cluster, and what the local one shows of itself."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Never
from urllib.error import HTTPError
from urllib.request import urlopen

import dask
import psutil
import pytest
from cluster_jobs import NAME, Answer, identify, misbehave, rest, return_unpicklable, take_time, task_of
from clusters import dispatcher, programs

import pipeline.cluster.dispatcher
import pipeline.cluster.local
from pipeline.cluster.dispatcher import SETTINGS, Dispatcher, check_cluster
from pipeline.cluster.jobs import JobFailure, Task
from pipeline.cluster.options import ClusterOptions
from pipeline.errors import ClusterError, UsageError
from pipeline.vocabulary import Reason


@pytest.fixture(scope="module", params=["serial", "local", "address"])
def opened(request: pytest.FixtureRequest) -> Iterator[Dispatcher]:
    if request.param != "address":
        options = {"workers": 2} if request.param == "local" else {}
        with dispatcher(request.param, **options) as one:
            yield one
        return
    with programs(2) as started, dispatcher("address", address=started.address) as one:
        yield one


@pytest.fixture(scope="module")
def local() -> Iterator[Dispatcher]:
    with dispatcher(workers=2) as one:
        yield one


def run(opened: Dispatcher, function: Callable[[Any], Any], jobs: list[Any]) -> list[tuple[Any, Any]]:
    return list(opened.run(task_of(function), jobs, len(jobs)))


def test_every_job_comes_back_once_with_its_result(opened: Dispatcher) -> None:
    results = dict(run(opened, identify, list(range(100))))
    assert sorted(results) == list(range(100))
    assert all(isinstance(result, Answer) and result.job == job for job, result in results.items())


def test_no_jobs_give_no_results(opened: Dispatcher) -> None:
    assert run(opened, identify, []) == []


def test_jobs_run_in_child_processes(opened: Dispatcher) -> None:
    assert os.getpid() not in {result.pid for _, result in run(opened, identify, list(range(20)))}


@pytest.mark.parametrize(
    ("job", "reason", "detail"),
    [
        ("fail", Reason.INTERNAL, "ValueError at cluster_jobs.py:"),
        ("die", Reason.WORKER_LOST, "killed by signal 9"),
        ("crash", Reason.WORKER_LOST, "killed by signal 11"),
        ("exit", Reason.WORKER_LOST, "ended with status 3"),
        ("hang", Reason.TIMEOUT, "more than 3 seconds"),
        ("hog", Reason.OUT_OF_MEMORY, "more than 200 MiB"),
        ("overreach", Reason.OUT_OF_MEMORY, "an allocation was refused"),
    ],
)
def test_a_job_that_breaks_costs_no_other_job(opened: Dispatcher, job: str, reason: Reason, detail: str) -> None:
    jobs = ["a", "b", job, "c", "d", "e"]
    results = dict(run(opened, misbehave, jobs))
    assert sorted(results) == sorted(jobs)
    failure = results.pop(job)
    assert isinstance(failure, JobFailure)
    assert (failure.reason, failure.detail[: len(detail)]) == (reason, detail)
    assert all(isinstance(result, Answer) for result in results.values())


def test_a_traceback_names_places_and_no_values(opened: Dispatcher) -> None:
    [(_, failure)] = run(opened, misbehave, ["fail"])
    assert "in _fail" in failure.traceback
    assert "KeyError" in failure.traceback
    assert NAME not in failure.traceback + failure.detail


def test_a_crash_in_native_code_says_where(opened: Dispatcher) -> None:
    [(_, failure)] = run(opened, misbehave, ["crash"])
    assert "in _crash" in failure.traceback


def test_a_result_that_cannot_be_pickled_is_an_internal_failure(opened: Dispatcher) -> None:
    [(_, failure)] = run(opened, return_unpicklable, ["a"])
    assert failure.reason == Reason.INTERNAL


def test_jobs_are_taken_only_as_there_is_capacity(opened: Dispatcher) -> None:
    taken = 0

    def jobs() -> Iterator[float]:
        nonlocal taken
        for _ in range(20):
            taken += 1
            yield 0.1

    for done, _ in enumerate(opened.run(task_of(rest), jobs())):
        assert taken - done <= 2 * 4 + 1
    assert taken == 20


def test_a_run_that_is_left_early_does_not_disturb_the_next(opened: Dispatcher) -> None:
    first = opened.run(task_of(identify), range(50))
    next(first)
    first.close()  # type: ignore[attr-defined]
    assert sorted(job for job, _ in run(opened, rest, [0.0, 0.01])) == [0.0, 0.01]


def test_jobs_that_do_not_fit_into_memory_together_run_one_after_the_other() -> None:
    large: Task[int, tuple[float, float]] = task_of(take_time, memory_mb=lambda _: 600.0)
    with dispatcher(workers=2, memory_limit="500MB") as opened:
        times = sorted(result for _, result in opened.run(large, range(4)) if not isinstance(result, JobFailure))
    assert all(ended <= began for (_, ended), (began, _) in pairwise(times))


def test_results_come_in_order_of_completion(local: Dispatcher) -> None:
    run(local, rest, [0.0] * 8)
    assert [job for job, _ in run(local, rest, [2.0, 0.1])] == [0.1, 2.0]


def test_every_worker_has_one_child(local: Dispatcher) -> None:
    run(local, rest, [0.2] * 4)
    assert len({result.pid for _, result in run(local, identify, list(range(40)))}) == 2


def test_tasks_are_named_after_what_they_do_and_to_what(monkeypatch: pytest.MonkeyPatch) -> None:
    with dispatcher("serial") as opened:
        run(opened, identify, [1])
        client = opened._client
        assert client is not None
        keys: list[str] = []
        submit = client.submit

        def note_key(*words: Any, key: str, **how: Any) -> Any:
            keys.append(key)
            return submit(*words, key=key, **how)

        monkeypatch.setattr(client, "submit", note_key)
        named: Task[str, Answer] = task_of(identify, label=lambda job: f"series-{job}")
        list(opened.run(named, ["a"]))
        run(opened, identify, [7])
    assert [key.rsplit("-", 2)[0] for key in keys] == ["identify-series-a", "identify"]


def test_nothing_is_started_where_there_is_no_job() -> None:
    with dispatcher() as opened:
        assert run(opened, identify, []) == []
        assert opened._client is None


def test_closing_is_quiet_and_leaves_logging_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("distributed").level
    with dispatcher("serial") as opened:
        next(opened.run(task_of(rest), [0.0, *[1.0] * 3]))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("distributed").level == level


def test_settings_of_dask_hold_while_a_cluster_is_open() -> None:
    before = {key: dask.config.get(key) for key in SETTINGS}
    with dispatcher("serial") as opened:
        run(opened, identify, [1])
        assert {key: dask.config.get(key) for key in SETTINGS} == SETTINGS
    assert {key: dask.config.get(key) for key in SETTINGS} == before


def test_a_lost_cluster_is_an_error_of_its_own() -> None:
    with dispatcher("serial") as opened:
        running = opened.run(task_of(rest), [0.0, *[1.0] * 9])
        next(running)
        assert opened._client is not None
        opened._client.cluster.close()
        with pytest.raises(ClusterError, match="lost"):
            list(running)


def test_a_cluster_that_does_not_start_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_settings: object) -> Never:
        msg = "no more processes"
        raise OSError(msg)

    monkeypatch.setattr(pipeline.cluster.local, "LocalCluster", refuse)
    with dispatcher() as opened, pytest.raises(ClusterError, match="did not start"):
        run(opened, identify, [1])


def listening_sockets() -> list[tuple[str, int]]:
    sockets = psutil.Process().net_connections()
    return [(socket.laddr.ip, socket.laddr.port) for socket in sockets if socket.status == psutil.CONN_LISTEN]


def test_a_local_cluster_without_dashboard_listens_to_this_machine_and_answers_nothing(local: Dispatcher) -> None:
    run(local, rest, [0.0] * 8)
    found = listening_sockets()
    assert {ip for ip, _ in found} <= {"127.0.0.1"}
    for ip, port in found:
        with pytest.raises((HTTPError, OSError)):
            urlopen(f"http://{ip}:{port}/json/identity.json", timeout=10)


def test_a_dashboard_is_announced_and_answers_this_machine_only() -> None:
    pytest.importorskip("bokeh")
    announced: list[str] = []
    with dispatcher("serial", dashboard=True) as opened:
        opened._announce = announced.append
        run(opened, identify, [1])
        (message,) = announced
        url = message.removeprefix("dashboard: http://")
        assert {ip for ip, _ in listening_sockets()} <= {"127.0.0.1"}
        with urlopen(f"http://{url}", timeout=60) as answer:
            assert b"Dask" in answer.read()


def test_a_dashboard_without_its_package_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.cluster.dispatcher, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"ctprep\[dashboard\]"):
        check_cluster(ClusterOptions(dashboard=True))
    check_cluster(ClusterOptions())


@pytest.mark.parametrize("kind", ["serial", "local"])
def test_ctrl_c_ends_a_program_and_leaves_no_process(kind: str) -> None:
    program = start_program(kind)
    family = psutil.Process(program.pid).children(recursive=True)
    os.killpg(program.pid, signal.SIGINT)  # what a terminal does: every process of the group gets it
    _, error = program.communicate(timeout=120)
    assert program.returncode == -signal.SIGINT
    assert error.count("Traceback") == 1, error  # its own KeyboardInterrupt, and nothing from the children
    assert are_gone(family)


@pytest.mark.parametrize("kind", ["serial", "local"])
def test_a_killed_program_leaves_no_process(kind: str) -> None:
    program = start_program(kind)
    family = psutil.Process(program.pid).children(recursive=True)
    program.kill()
    program.communicate(timeout=120)
    assert are_gone(family)


def start_program(kind: str) -> subprocess.Popen[str]:
    """Start a program that runs long jobs, and return when two short ones are done."""
    program = subprocess.Popen(
        [sys.executable, "-c", f"import cluster_jobs; cluster_jobs.run_until_stopped('{kind}')"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert program.stdout is not None
    assert [program.stdout.readline() for _ in range(2)] == ["0.0\n"] * 2
    return program


def are_gone(family: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(family, timeout=120)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)
