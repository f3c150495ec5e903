"""The child process with limits."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest
from cluster_jobs import (
    NAME,
    QUICK,
    Answer,
    chatter,
    hang_in_c,
    identify,
    keep,
    misbehave,
    path_of,
    read_environment,
    rest,
)

import pipeline
from pipeline.cluster import child as child_module
from pipeline.cluster.child import ENVIRONMENT, GRACE_SECONDS, GuardedChild, answer_job
from pipeline.cluster.jobs import JobFailure, pack_job
from pipeline.cluster.warmup import format_trace
from pipeline.vocabulary import Reason

Ask = Callable[[Callable[[Any], Any], Any], Any]

UNGUARDED_SCRIPT = """
import pickle
from pipeline.cluster.child import GuardedChild
from pipeline.cluster.jobs import JobLimits, pack_job

print("runs once")
child = GuardedChild(JobLimits(60, 1 << 30))
print(pickle.loads(child.run("math:sqrt", pack_job(4.0))))
child.close()
"""

PRELOADING_SCRIPT = """
import pickle, sys
from pipeline.cluster.child import GuardedChild, start_fork_server
from pipeline.cluster.jobs import JobLimits, pack_job

start_fork_server(["cluster_preload"])
for _ in range(2):
    child = GuardedChild(JobLimits(60, 1 << 30))
    print(pickle.loads(child.run("cluster_preload:who_imported_this", pack_job(None))))
    child.close()
"""


@pytest.fixture
def child() -> Iterator[GuardedChild]:
    child = GuardedChild(QUICK)
    yield child
    child.close()


@pytest.fixture
def ask(child: GuardedChild) -> Ask:
    return lambda function, job: unpack(child.run(path_of(function), pack_job(job)))


def unpack(answer: bytes) -> Any:
    return pickle.loads(answer)  # noqa: S301  what the tests packed themselves


def run_script(folder: Path, script: str) -> str:
    path = folder / "script.py"
    path.write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    return done.stdout


def test_an_answer_is_the_result_or_where_an_error_was_raised() -> None:
    assert unpack(answer_job("builtins:abs", pack_job(-2))) == 2
    assert unpack(answer_job(path_of(misbehave), None)) is None
    failure = unpack(answer_job(path_of(misbehave), pack_job("fail")))
    assert isinstance(failure, JobFailure)
    assert failure.reason == Reason.INTERNAL
    assert failure.detail.startswith("ValueError at cluster_jobs.py:")
    assert unpack(answer_job(path_of(misbehave), pack_job("overreach"))).reason == Reason.OUT_OF_MEMORY
    assert unpack(answer_job("no_such_module:work", None)).detail.startswith("ModuleNotFoundError")


def test_a_trace_names_causes_first_and_no_message() -> None:
    with pytest.raises(ValueError, match="JANE") as raised:
        misbehave("fail")
    text = format_trace(raised.value)
    assert text.index("KeyError") < text.rindex("ValueError")
    assert NAME not in text


def test_a_child_is_used_again(ask: Ask) -> None:
    assert len({ask(identify, job).pid for job in range(5)}) == 1


def test_a_child_is_used_again_after_an_exception(ask: Ask) -> None:
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
    psutil.wait_procs([psutil.Process(before)], timeout=30)
    assert isinstance(ask(identify, 2), Answer)


def test_a_child_that_keeps_much_memory_is_replaced_before_the_next_job(ask: Ask) -> None:
    before = ask(keep, 150).pid
    assert ask(keep, 150).pid != before


def test_memory_counts_from_what_the_child_holds_when_idle(ask: Ask) -> None:
    assert [ask(keep, 60).job for _ in range(4)] == [60, 60, 60, 60]


def test_native_code_that_never_returns_ends_in_time(ask: Ask) -> None:
    ask(identify, "start")
    failure = ask(hang_in_c, 600)
    assert failure.reason == Reason.TIMEOUT
    assert "in hang_in_c" in failure.traceback


def test_a_child_that_cannot_end_itself_is_ended(ask: Ask) -> None:
    pid = ask(identify, "start").pid
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    assert ask(identify, "stopped") == JobFailure(Reason.TIMEOUT, "more than 3 seconds")
    assert time.monotonic() - began > QUICK.timeout_seconds + GRACE_SECONDS
    assert not psutil.pid_exists(pid)


def test_a_child_has_one_thread_a_pool_and_keeps_its_buffers(ask: Ask) -> None:
    assert ask(read_environment, "OMP_NUM_THREADS") == "1"
    assert ask(read_environment, "MALLOC_MMAP_THRESHOLD_") == ENVIRONMENT["MALLOC_MMAP_THRESHOLD_"]
    assert "MALLOC_MMAP_THRESHOLD_" not in os.environ


def test_what_a_job_writes_to_the_terminal_is_dropped(ask: Ask, capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(chatter, "DOE^JANE") == "DOE^JANE"
    assert capfd.readouterr() == ("", "")


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


def test_a_job_fails_where_no_process_can_be_started(child: GuardedChild, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr(child_module, "_ChildProcess", refuse)
    failure = unpack(child.run(path_of(identify), pack_job(1)))
    assert failure == JobFailure(Reason.WORKER_LOST, "no process could be started (BlockingIOError)")


def test_a_child_ignores_an_interrupt_from_the_terminal(ask: Ask) -> None:
    before = ask(identify, 1).pid
    os.kill(before, signal.SIGINT)
    assert ask(identify, 2).pid == before


def test_a_closed_child_has_ended_and_takes_no_job(child: GuardedChild) -> None:
    pid = unpack(child.run(path_of(identify), pack_job(1))).pid
    child.close()
    child.close()
    assert not psutil.pid_exists(pid)
    assert unpack(child.run(path_of(identify), pack_job(1))).reason == Reason.CANCELLED
    child.close()


def test_a_killed_fork_server_is_started_again(ask: Ask) -> None:
    first = ask(identify, 1).pid
    server = psutil.Process(forkserver._forkserver._forkserver_pid)
    server.kill()
    psutil.Process(first).kill()
    psutil.wait_procs([psutil.Process(first)], timeout=30)
    assert ask(identify, 2).pid != first
    assert ask(read_environment, "MALLOC_MMAP_THRESHOLD_") == ENVIRONMENT["MALLOC_MMAP_THRESHOLD_"]


def test_children_hold_no_files_of_each_other() -> None:
    children = [GuardedChild(QUICK) for _ in range(3)]
    pids = [unpack(child.run(path_of(identify), pack_job(1))).pid for child in children]
    assert len({len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids}) == 1
    for child in children:
        child.close()


def test_a_child_does_not_run_the_script_that_started_it(tmp_path: Path) -> None:
    assert run_script(tmp_path, UNGUARDED_SCRIPT) == "runs once\n2.0\n"


def test_what_is_preloaded_is_imported_once_for_all_children(tmp_path: Path) -> None:
    (tmp_path / "cluster_preload.py").write_text(
        "import os\nIMPORTED_BY = os.getpid()\n"
        "def who_imported_this(_): return IMPORTED_BY != os.getpid(), IMPORTED_BY\n"
    )
    first, second = run_script(tmp_path, PRELOADING_SCRIPT).splitlines()
    assert first == second
    assert first.startswith("(True, ")


def test_a_module_that_cannot_be_preloaded_harms_nobody(tmp_path: Path) -> None:
    script = UNGUARDED_SCRIPT.replace("GuardedChild\n", "GuardedChild, start_fork_server\n", 1)
    script = script.replace('print("runs once")', 'start_fork_server(["no_such_module"])')
    assert run_script(tmp_path, script) == "2.0\n"


def test_a_child_ends_with_its_parent() -> None:
    program = "import pickle, os\nfrom pipeline.cluster.child import GuardedChild\n"
    program += "from pipeline.cluster.jobs import pack_job\nfrom cluster_jobs import *\n"
    program += "child = GuardedChild(QUICK)\n"
    program += "print(pickle.loads(child.run('cluster_jobs:identify', pack_job(1))).pid, flush=True)\n"
    program += "os.kill(os.getpid(), 9)\n"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert_ends(int(done.stdout))


def test_the_first_failure_of_warming_up_is_the_one_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "cluster_preload.py").write_text(
        "import math\nif not hasattr(math, 'tried'):\n    math.tried = True\n    {}['first']\nraise ValueError\n"
    )
    for answer in run_script(tmp_path, PRELOADING_SCRIPT).splitlines():
        assert "detail='KeyError at cluster_preload.py:4'" in answer


def test_a_module_that_cannot_be_loaded_is_told_to_every_job(child: GuardedChild) -> None:
    answers = [unpack(child.run("no_such_module:work", pack_job(job))) for job in range(2)]
    assert answers[0] == answers[1]
    assert answers[0].detail.startswith("ModuleNotFoundError at ")


def test_a_folder_where_the_program_was_started_stands_in_for_no_module(tmp_path: Path) -> None:
    (tmp_path / "dl").mkdir()
    program = "import pickle\nfrom pipeline.cluster.child import GuardedChild\n"
    program += "from pipeline.cluster.jobs import pack_job\nfrom cluster_jobs import QUICK\n"
    program += "child = GuardedChild(QUICK)\n"
    program += "print(pickle.loads(child.run('importlib.util:find_spec', pack_job('dl'))))\nchild.close()\n"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    assert done.stdout == "None\n"


def test_a_folder_in_a_clone_stands_in_for_no_module(child: GuardedChild) -> None:
    clone = Path(pipeline.__file__).parents[1]
    assert unpack(child.run("importlib.util:find_spec", pack_job("pipeline"))) is not None
    assert str(clone) in sys.path
    assert unpack(child.run("importlib.util:find_spec", pack_job("docs"))) is None


def test_a_fork_server_that_is_still_importing_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "cluster_preload.py").write_text("import time\ntime.sleep(3600)\n")
    program = "import os\nfrom multiprocessing import forkserver\n"
    program += "from pipeline.cluster.child import start_fork_server\nstart_fork_server(['cluster_preload'])\n"
    program += "print(forkserver._forkserver._forkserver_pid, flush=True)\nos.kill(os.getpid(), 9)\n"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
    assert_ends(pid)


def assert_ends(pid: int) -> None:
    if psutil.pid_exists(pid):
        _, alive = psutil.wait_procs([psutil.Process(pid)], timeout=60)
        assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive)
