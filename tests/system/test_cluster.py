"""A real Dask cluster, as a user starts it: over TLS, refusing strangers, losing its workers, losing its scheduler."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import make_phantom_cohort
import pytest
from clusters import Certificate, Programs, programs
from phantoms import write_series
from running import ORIENTED, InThisProcess, Quiet, bytes_of_stores, carry_out, ctprep

from pipeline.audit.verify import verify
from pipeline.config import load
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.run.run import Outcome, run
from pipeline.vocabulary import ExitCode

KEPT = ORIENTED + "manifest: {identifiers: keep}\nreport: {enabled: false}\n"
"""Without a secret, two outputs can be compared."""
N_SERIES = 8


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.made(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def cluster(certificate: Certificate) -> Iterator[Programs]:
    with programs(2, certificate) as started:
        yield started


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Many small patients."""
    for number in range(N_SERIES):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    return tmp_path / "in"


def run_on(cluster: Programs, folder: Path, source: Path, tls: str | None) -> subprocess.CompletedProcess[str]:
    """Run a configuration from the command line, on the cluster."""
    config = folder / "cluster.yaml"
    config.write_text(KEPT + (f"cluster: {{tls: {tls}}}\n" if tls else ""))
    words = ("--input", source, "--output", folder / "out", "--cluster", cluster.address, "--no-progress")
    return ctprep("run", config, *words)


def run_here(folder: Path, source: Path, name: str = "out") -> Outcome:
    """Run the configuration in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: InThisProcess())
        return carry_out(folder, source, KEPT, name)


def test_the_phantom_cohort_comes_out_of_a_cluster_over_tls_as_it_does_here(
    cluster: Programs, certificate: Certificate, tmp_path: Path
) -> None:
    make_phantom_cohort.make(tmp_path / "phantom", make_phantom_cohort.Cohort(pixels=32))
    here = run_here(tmp_path, tmp_path / "phantom/dicom", "here")
    done = run_on(cluster, tmp_path, tmp_path / "phantom/dicom", certificate.yaml)
    assert done.returncode == here.exit_code, done.stdout + done.stderr
    theirs = Outcome(here.exit_code, OutputFolder(tmp_path / "out"), {})
    assert bytes_of_stores(theirs) == bytes_of_stores(here) != {}
    assert done.stderr == ""


def test_who_has_no_certificate_is_told_to_get_one(cluster: Programs, source: Path, tmp_path: Path) -> None:
    done = run_on(cluster, tmp_path, source, None)
    assert done.returncode == ExitCode.USAGE
    assert "needs cluster.tls" in done.stderr
    assert not (tmp_path / "out").exists()


def test_who_has_another_certificate_is_refused(cluster: Programs, source: Path, tmp_path: Path) -> None:
    other = Certificate.made(tmp_path / "other")
    done = run_on(cluster, tmp_path, source, other.yaml)
    assert done.returncode == ExitCode.CLUSTER
    assert "refuses this certificate" in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_that_are_killed_again_and_again_cost_no_series(source: Path, tmp_path: Path) -> None:
    stores = OutputFolder(tmp_path / "out").volumes
    with programs(2) as started:
        killing = AsItGrows(stores, lambda: [process.kill() for process in started.worker_processes()[:1]], every=2)
        with killing:
            done = run_on(started, tmp_path, source, None)
    assert killing.n_times > 1
    assert done.returncode in {ExitCode.OK, ExitCode.FAILED}, done.stdout + done.stderr
    again = run_here(tmp_path, source)
    assert [record.status for record in again.records] == ["ok"] * N_SERIES
    assert bytes_of_stores(again) == bytes_of_stores(run_here(tmp_path, source, "clean"))


def test_a_scheduler_that_is_lost_ends_the_run_and_what_was_finished_is_kept(source: Path, tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "out")
    with programs(1) as started, AsItGrows(output.volumes, started.scheduler.kill, every=2):
        done = run_on(started, tmp_path, source, None)
    assert done.returncode == ExitCode.CLUSTER, done.stdout + done.stderr
    assert done.stderr == "ctprep: the cluster was lost; what was finished is kept\n"
    statuses = [row["status"] for row in read_table(output.manifest)]
    assert len(statuses) == N_SERIES
    assert 2 <= statuses.count("ok") < N_SERIES
    assert json.loads(output.run.read_text())["exit_code"] == ExitCode.CLUSTER
    again = run_here(tmp_path, source)
    assert [record.status for record in again.records] == ["ok"] * N_SERIES
    assert bytes_of_stores(again) == bytes_of_stores(run_here(tmp_path, source, "clean"))
    assert verify(output) == []


class OtherRun(Quiet):
    """Carries out another run, as a process, when the first series is done."""

    def __init__(self, start: Callable[[], subprocess.CompletedProcess[str]]) -> None:
        super().__init__()
        self._start = start
        self.done: subprocess.CompletedProcess[str] | None = None

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        super().finished(record, folder)
        self.done = self.done or self._start()


def test_a_run_that_ends_harms_no_other_on_the_same_scheduler(source: Path, tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(KEPT)
    with programs(2) as started:
        other = OtherRun(lambda: run_on(started, tmp_path, source, None))
        own = run(load(config, inputs=[source], output=tmp_path / "own", cluster=started.address), other)
    assert other.done is not None
    assert (other.done.returncode, other.done.stderr) == (0, "")
    clean = bytes_of_stores(run_here(tmp_path, source, "clean"))
    assert bytes_of_stores(own) == clean
    assert bytes_of_stores(Outcome(ExitCode.OK, OutputFolder(tmp_path / "out"), {})) == clean
    assert [record.status for record in own.records] == ["ok"] * N_SERIES
    assert verify(own.output) == verify(OutputFolder(tmp_path / "out")) == []


class AsItGrows:
    """Does something whenever a folder holds so many more stores, beside what happens inside."""

    def __init__(self, path: Path, act: Callable[[], object], every: int) -> None:
        self._path, self._act, self._every = path, act, every
        self._stop, self.n_times = threading.Event(), 0
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._stop.wait(0.01):
            if self._n_stores() >= (self.n_times + 1) * self._every:
                self._act()
                self.n_times += 1

    def _n_stores(self) -> int:
        return len(list(self._path.glob("*.zarr")))
