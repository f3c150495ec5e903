"""What holds in every engine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from clusters import small_cluster
from engine_jobs import NAME, QUICK, Answer, identify, misbehave, rest, return_unpicklable

from pipeline.cluster import Engine, Lost
from pipeline.cluster.children import ChildrenEngine
from pipeline.vocabulary import Reason


@pytest.fixture(scope="module", params=["child", "children", "cluster"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engines = {
        "child": ChildrenEngine(QUICK, 1),
        "children": ChildrenEngine(QUICK, 2),
        "cluster": small_cluster(2),
    }
    with engines[request.param] as opened:
        yield opened


def test_every_job_comes_back_once_with_its_result(engine: Engine) -> None:
    results = dict(engine.run(identify, range(100)))
    assert sorted(results) == list(range(100))
    assert all(isinstance(result, Answer) and result.job == job for job, result in results.items())


def test_no_jobs_give_no_results(engine: Engine) -> None:
    assert list(engine.run(identify, [])) == []


def test_jobs_are_not_worked_in_this_process(engine: Engine) -> None:
    pids = {result.pid for _, result in engine.run(identify, range(20)) if isinstance(result, Answer)}
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    ("job", "reason", "detail"),
    [
        ("fail", Reason.INTERNAL, "ValueError at engine_jobs.py:"),
        ("die", Reason.WORKER_LOST, "killed by signal 9"),
        ("crash", Reason.WORKER_LOST, "killed by signal 11"),
        ("exit", Reason.WORKER_LOST, "ended with status 3"),
        ("hang", Reason.TIMEOUT, "more than 3 seconds"),
        ("hog", Reason.OUT_OF_MEMORY, "more than 200 MiB"),
        ("overreach", Reason.OUT_OF_MEMORY, "an allocation was refused"),
    ],
)
def test_what_breaks_a_job_loses_that_job_only(engine: Engine, job: str, reason: Reason, detail: str) -> None:
    jobs = ["a", "b", job, "c", "d", "e"]
    results = dict(engine.run(misbehave, jobs))
    assert sorted(results) == sorted(jobs)
    lost = results.pop(job)
    assert isinstance(lost, Lost)
    assert lost.reason == reason
    assert lost.detail.startswith(detail)
    assert all(isinstance(result, Answer) for result in results.values())


def test_the_traceback_names_the_places_and_no_values(engine: Engine) -> None:
    [(_, lost)] = engine.run(misbehave, ["fail"])
    assert isinstance(lost, Lost)
    assert lost.traceback is not None
    assert "in _fail" in lost.traceback
    assert "KeyError" in lost.traceback
    assert NAME not in lost.traceback + lost.detail


def test_a_crash_in_native_code_says_where(engine: Engine) -> None:
    [(_, lost)] = engine.run(misbehave, ["crash"])
    assert isinstance(lost, Lost)
    assert "in _crash" in str(lost.traceback)


def test_a_result_that_cannot_travel_loses_the_job(engine: Engine) -> None:
    [(_, lost)] = engine.run(return_unpicklable, ["a"])
    assert isinstance(lost, Lost)
    assert lost.reason == Reason.INTERNAL


def test_jobs_are_taken_only_as_there_is_room(engine: Engine) -> None:
    taken = 0

    def jobs() -> Iterator[float]:
        nonlocal taken
        for _ in range(20):
            taken += 1
            yield 0.1

    for done, _ in enumerate(engine.run(rest, jobs())):
        assert taken - done <= 2 * 4 + 1
    assert taken == 20


def test_a_run_that_is_left_early_does_not_disturb_the_next(engine: Engine) -> None:
    first = engine.run(identify, range(50))
    next(first)
    first.close()  # type: ignore[attr-defined]
    assert sorted(job for job, _ in engine.run(rest, [0.0, 0.01])) == [0.0, 0.01]


@pytest.mark.parametrize("kind", ["serial", "children", "cluster"])
def test_ctrl_c_ends_soon_and_leaves_no_process(kind: str) -> None:
    program = _start_program(kind)
    family = psutil.Process(program.pid).children(recursive=True)
    os.killpg(program.pid, signal.SIGINT)  # what a terminal does: every process of the group gets it
    _, said = program.communicate(timeout=20)
    assert program.returncode == -signal.SIGINT
    assert said.count("Traceback") == 1  # its own KeyboardInterrupt, and nothing from the children
    assert _gone(family)


def test_ctrl_c_while_the_cluster_starts_is_as_quiet() -> None:
    program = _start_program("cluster", lines=0)
    time.sleep(1.5)  # imports take about a second, starting workers another
    os.killpg(program.pid, signal.SIGINT)
    _, said = program.communicate(timeout=20)
    assert program.returncode == -signal.SIGINT
    assert said.count("Traceback") == 1


@pytest.mark.parametrize("kind", ["serial", "children", "cluster"])
def test_a_killed_program_leaves_no_process(kind: str) -> None:
    program = _start_program(kind)
    family = psutil.Process(program.pid).children(recursive=True)
    program.kill()
    program.communicate(timeout=20)
    assert _gone(family)


def _start_program(kind: str, lines: int = 2) -> subprocess.Popen[str]:
    program = subprocess.Popen(
        [sys.executable, "-c", f"import engine_jobs; engine_jobs.work_until_stopped('{kind}')"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert program.stdout is not None
    assert [program.stdout.readline() for _ in range(lines)] == ["0.0\n"] * lines
    return program


def _gone(family: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(family, timeout=10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)
