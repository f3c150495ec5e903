"""What a job queue is asked for; a real one is asked in test_slurm."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster_jobs import QUICK

from pipeline.cluster.jobqueue import _scheduler_settings, job_script, settings_of, walltime_seconds
from pipeline.cluster.options import ClusterOptions
from pipeline.cluster.remote import Folders
from pipeline.errors import UsageError


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
    assert settings["shared_temp_directory"] == str(tmp_path)
    assert settings_of(queue(log_directory="logs"), QUICK, Folders(written=tmp_path))["log_directory"] == "logs"


def test_ctrl_c_is_answered_as_before_it_was_imported() -> None:
    program = "import signal; before = signal.getsignal(signal.SIGINT); import pipeline.cluster.jobqueue\n"
    program += "print(signal.getsignal(signal.SIGINT) is before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
