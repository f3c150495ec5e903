"""A real SLURM of one node, where there is one: its workers do what a serial run does."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import make_phantom_cohort
import pytest
from phantoms import write_series
from running import ORIENTED, bytes_of_stores, carry_out, ctprep

from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.run.run import Outcome
from pipeline.vocabulary import ExitCode

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SUBMIT = ROOT / "scripts/submit_slurm.sh"
START = Path(__file__).with_name("start_slurm.sh")
NEEDED = ("slurmctld", "slurmd", "sbatch", "munged")
KEPT = ORIENTED + "manifest: {identifiers: keep}\nreport: {enabled: false}\n"
SLURM = KEPT + "cluster: {kind: slurm, workers: 2, wait_seconds: 120, options: {memory: 1GiB, walltime: '00:10:00'}}\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start SLURM, and yield what tells its commands where it is."""
    if missing := [program for program in NEEDED if shutil.which(program) is None]:
        pytest.skip(f"needs SLURM on this machine: {', '.join(missing)} not found")
    if os.geteuid() != 0:
        pytest.skip("needs root, to start SLURM")
    folder = tmp_path_factory.mktemp("slurm")
    for above in (folder, *folder.parents[:2]):
        above.chmod(above.stat().st_mode | 0o011)  # munged is another user
    program = subprocess.Popen(
        [START, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    yield os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    program.communicate("", timeout=30)


def test_the_phantom_cohort_comes_out_of_slurm_as_it_does_serially(environment: dict[str, str], tmp_path: Path) -> None:
    make_phantom_cohort.make(tmp_path / "phantom", make_phantom_cohort.Cohort(pixels=32))
    source, config = tmp_path / "phantom/dicom", tmp_path / "slurm.yaml"
    serial = carry_out(tmp_path, source, KEPT, "serial", cluster="serial")
    config.write_text(SLURM)
    words = ("--input", source, "--output", tmp_path / "out", "--no-progress")
    done = ctprep("run", config, *words, env=environment)
    assert done.returncode == serial.exit_code, done.stdout + done.stderr
    assert done.stderr == ""
    theirs = Outcome(serial.exit_code, OutputFolder(tmp_path / "out"), {})
    assert bytes_of_stores(theirs) == bytes_of_stores(serial) != {}
    left = subprocess.run(["squeue", "--noheader"], env=environment, capture_output=True, text=True, check=True)
    assert left.stdout == ""


def test_the_program_itself_runs_as_a_job(environment: dict[str, str], tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (tmp_path / "own.yaml").write_text(KEPT)
    program = tmp_path / "ctprep"
    program.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m pipeline "$@"\n')
    program.chmod(0o755)
    job = ("sbatch", "--wait", "--cpus-per-task=1", "--mem-per-cpu=1G", f"--output={tmp_path}/log", SUBMIT)
    words = (tmp_path / "own.yaml", "--input", tmp_path / "in", "--output", tmp_path / "out")
    done = subprocess.run([*job, *words], env=environment | {"CTPREP": str(program)}, check=False, timeout=120)
    assert done.returncode == 0, (tmp_path / "log").read_text()
    assert [row["status"] for row in read_table(tmp_path / "out/manifest.parquet")] == ["ok"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{memory: 900TiB}", r"slurm takes no job: (.*; )?sbatch: error: Batch job submission failed"),
        ("{job_extra_directives: ['--hold']}", "no worker came to the cluster within 3 seconds; look at the queue"),
    ],
)
def test_a_queue_that_gives_no_worker_ends_the_run(
    environment: dict[str, str], tmp_path: Path, options: str, said: str
) -> None:
    write_series(tmp_path / "in")
    config = tmp_path / "slurm.yaml"
    config.write_text(KEPT + f"cluster: {{kind: slurm, wait_seconds: 3, options: {options}}}\n")
    words = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--no-progress")
    done = ctprep("run", config, *words, env=environment)
    assert done.returncode == ExitCode.CLUSTER, done.stdout + done.stderr
    assert re.search(said, done.stderr)
    assert done.stderr.count("\n") == 1
