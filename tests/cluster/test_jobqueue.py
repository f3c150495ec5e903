"""What a job queue is asked for; a real one is asked in test_slurm."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_jobs import QUICK, identify, task_of
from clusters import dispatcher

from pipeline.cluster.dispatcher import Dispatcher
from pipeline.cluster.jobqueue import _scheduler_settings, job_script, settings_of, walltime_seconds
from pipeline.cluster.jobs import Task
from pipeline.cluster.options import ClusterOptions, Folders
from pipeline.errors import ClusterError, UsageError


def queue(kind: str = "slurm", insecure: bool = False, **options: Any) -> ClusterOptions:  # noqa: FBT001, FBT002
    return ClusterOptions(kind, insecure=insecure, options=options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "line"),
    [("slurm", "#SBATCH -p short"), ("pbs", "#PBS -q short"), ("lsf", "#BSUB -q short"), ("sge", "#$ -q short")],
)
def test_options_are_passed_on(kind: str, line: str) -> None:
    assert line in job_script(queue(kind, queue="short"), QUICK)


def test_a_worker_gets_room_for_a_job_and_for_itself() -> None:
    assert "#SBATCH --mem=712M\n" in job_script(queue(), QUICK)
    assert "#SBATCH --mem=3G\n" in job_script(queue(cores=4), QUICK)
    assert "--nworkers 4" in job_script(queue(cores=4), QUICK)
    assert "--nthreads 1 " in job_script(queue(cores=4), QUICK)


def test_a_worker_leaves_before_its_time_is_over() -> None:
    assert "--lifetime 1440s --lifetime-stagger 180s" in job_script(queue(), QUICK)
    assert "--lifetime 85920s --lifetime-stagger 240s" in job_script(queue(walltime="1-00:00:00"), QUICK)
    assert "--lifetime 3120s --lifetime-stagger 240s" in job_script(queue("lsf", walltime="01:00"), QUICK)


def test_what_else_a_worker_is_told_stays() -> None:
    assert "--resources GPU=1" in job_script(queue(worker_extra_args=["--resources", "GPU=1"]), QUICK)


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"cluster\.options are not what slurm takes: .*quueue"):
        job_script(queue(quueue="short"), QUICK)


@pytest.mark.parametrize(
    ("kind", "walltime", "seconds"),
    [
        ("slurm", "04:00:00", 14400),
        ("slurm", "90", 5400),
        ("slurm", "90:30", 5430),
        ("slurm", "2-12", 216000),
        ("slurm", "1-00:30", 88200),
        ("pbs", "01:30:00", 5400),
        ("pbs", "90:00", 5400),
        ("sge", "3600", 3600),
        ("lsf", "4:30", 16200),
        ("lsf", "240", 14400),
    ],
)
def test_a_walltime_is_read_as_its_queue_reads_it(kind: str, walltime: str, seconds: int) -> None:
    assert walltime_seconds(kind, walltime) == seconds


@pytest.mark.parametrize("walltime", ["", "a day", "1:2:3:4", "-1", "None"])
def test_what_is_no_walltime_is_refused(walltime: str) -> None:
    with pytest.raises(UsageError, match="walltime"):
        walltime_seconds("slurm", walltime)


def test_the_scheduler_listens_to_this_machine_until_told_otherwise() -> None:
    assert _scheduler_settings(queue())["scheduler_options"]["host"] == "127.0.0.1"
    assert "host" not in _scheduler_settings(queue(interface="ib0"))["scheduler_options"]
    assert _scheduler_settings(queue(scheduler_options={"port": 9000}))["scheduler_options"]["port"] == 9000


def test_connections_are_encrypted_until_told_otherwise() -> None:
    assert _scheduler_settings(queue(interface="ib0"))["security"].require_encryption
    assert _scheduler_settings(queue(insecure=True))["security"] is None


def test_what_workers_say_and_their_certificates_lie_in_the_shared_folder(tmp_path: Path) -> None:
    settings = settings_of(queue(), QUICK, Folders(written=tmp_path))
    assert settings["log_directory"] == str(tmp_path / "workers")
    assert settings["shared_temp_directory"] == str(tmp_path / "tls")
    assert settings_of(queue(log_directory="logs"), QUICK, Folders(written=tmp_path))["log_directory"] == "logs"


def test_workers_search_no_module_where_the_program_was_started() -> None:
    assert f"\n{sys.executable} -P -m distributed.cli.dask_worker tls://" in job_script(queue(), QUICK)
    assert "\n/opt/python -P -m distributed" in job_script(queue(python="/opt/python"), QUICK)


def put_command(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a command of a queue that is none, and let it be found before any other."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("kind", "command", "script", "said"),
    [
        (
            "sge",
            "qsub",
            "echo 'Unable to run job: denied: host \"a\" is no submit host.' >&2; echo Exiting. >&2; exit 1",
            'sge takes no job: Unable to run job: denied: host "a" is no submit host.',
        ),
        ("slurm", "sbatch", "echo a >&2; echo b >&2; exit 1", "slurm takes no job: a; b"),
        ("lsf", "bsub", "echo 'no such queue' >&2; exit 255", "lsf takes no job: no such queue"),
        ("pbs", "qsub", "echo 'on its output'; exit 1", "pbs takes no job: on its output"),
        ("pbs", "qsub", "exit 1", "pbs takes no job: it did not say why"),
    ],
)
def test_a_queue_that_takes_no_job_is_quoted(
    kind: str, command: str, script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_command(tmp_path, command, script, monkeypatch)
    with pytest.raises(ClusterError) as raised, dispatcher(kind, insecure=True, wait_seconds=600) as opened:
        next(opened.run(task_of(identify), [1]))
    assert str(raised.value) == said


def test_a_queue_that_is_not_on_this_machine_ends_the_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    expected = "slurm takes no job: sbatch: No such file or directory"
    with pytest.raises(ClusterError, match=expected), dispatcher("slurm", insecure=True, wait_seconds=600) as opened:
        next(opened.run(task_of(identify), [1]))


SBATCH = """
umask 077
setsid sh "$1" > /dev/null 2>&1 &
echo "Submitted batch job $!"
sleep 1  # the script is removed when this ends
"""


@pytest.fixture
def umask() -> Iterator[None]:
    """Let files of this process be made for its group too."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_workers_of_a_queue_take_neither_modules_nor_umask_from_there_and_their_keys_go_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_command(tmp_path, "sbatch", SBATCH, monkeypatch)
    put_command(tmp_path, "scancel", 'kill -- "-$1"', monkeypatch)
    (tmp_path / "here/dl").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    private = tmp_path / "private"
    (private / "tls").mkdir(parents=True)
    (private / "tls/key-of-a-killed-run").touch()
    options = ClusterOptions("slurm", workers=1, wait_seconds=600)
    find_module: Task[str, object] = Task("find-module", "importlib.util:find_spec")
    make_folder: Task[str, None] = Task("make-folder", "os:mkdir")
    with Dispatcher(options, QUICK, (), Folders(written=private), lambda _: None) as opened:
        assert list(opened.run(find_module, ["dl"])) == [("dl", None)]
        assert list(opened.run(make_folder, [str(tmp_path / "made")])) == [(str(tmp_path / "made"), None)]
        assert (tmp_path / "made").stat().st_mode & 0o777 == 0o750
        assert (private / "tls").stat().st_mode & 0o777 == 0o700
        assert len(list((private / "tls").iterdir())) == 3
    assert not (private / "tls").exists()


def test_ctrl_c_is_answered_as_before_it_was_imported() -> None:
    program = "import signal; before = signal.getsignal(signal.SIGINT); import pipeline.cluster.jobqueue\n"
    program += "print(signal.getsignal(signal.SIGINT) is before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
