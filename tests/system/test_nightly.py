"""Ten nights over one share: each night's plan says what happened, and at the end all is as one clean run makes it."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nights import lasting
from phantoms import write_series
from pydicom.dataset import Dataset
from running import InThisProcess, Quiet, bytes_of_stores

from pipeline.audit.gc import collect_garbage
from pipeline.audit.verify import verify
from pipeline.cluster.jobs import JobFailure
from pipeline.config import Config, load
from pipeline.output.layout import OutputFolder
from pipeline.plan.plan import SeriesState
from pipeline.run.dry_run import dry_run
from pipeline.run.run import Outcome, run
from pipeline.vocabulary import ExitCode, Reason

YAML = "manifest: {identifiers: keep}\nreport: {pictures: false}\nsteps: "
HU = "[{orient: {to: LPS}}]\n"
CLIPPED = "[{orient: {to: LPS}}, {clip: {low_hu: -1000, high_hu: 400}}]\n"


class Losing(InThisProcess):
    """A bad night: the worker of one patient dies."""

    def process(self, function: Any, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for job, result in super().process(function, jobs):
            is_lost = job.series.slices[0].identity.patient_id == "p5"
            yield job, JobFailure(Reason.WORKER_LOST, "killed by signal 9") if is_lost else result


class Share:
    """A share that patients arrive on, and the output that a timer's runs keep."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.steps = folder, folder / "share", HU
        self.root.mkdir()

    def arrives(self, *names: str, **wanted: Any) -> None:
        for name in names:
            write_series(self.root / name, patient_id=name, **{"seed": int(name[1:]), "n": 6} | wanted)

    def leaves(self, name: str) -> None:
        shutil.rmtree(self.root / name)

    @contextmanager
    def not_mounted(self) -> Iterator[None]:
        """Leave the empty folder that a share is mounted on."""
        self.root.rename(self.folder / "elsewhere")
        self.root.mkdir()
        yield
        self.root.rmdir()
        (self.folder / "elsewhere").rename(self.root)

    def config(self, name: str = "out") -> Config:
        path = self.folder / "nightly.yaml"
        path.write_text(YAML + self.steps)
        return load(path, inputs=[self.root], output=self.folder / name)

    def night(self, **expected: int) -> Outcome:
        """Ask what tonight would do, do it, and see that both are what is expected."""
        told = {**dict.fromkeys(SeriesState, 0), **expected}
        states = [one.state for one in dry_run(self.config())]
        assert {state: states.count(state) for state in SeriesState} == told
        outcome = run(self.config(), Quiet())
        assert outcome.summary["plan"] == told
        return outcome


def assert_same(last: Outcome, clean: Outcome) -> None:
    assert bytes_of_stores(last) == bytes_of_stores(clean)
    assert lasting(last.output) == lasting(clean.output)
    assert verify(last.output) == []


@pytest.fixture
def share(tmp_path: Path) -> Share:
    return Share(tmp_path)


def other_scanner(dataset: Dataset, _: int) -> None:
    dataset.ManufacturerModelName, dataset.ConvolutionKernel = "Fine 2", "B70f"


@pytest.mark.usefixtures("in_this_process")
def test_ten_nights_end_as_one_clean_run(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    share.arrives("p0", "p1", "p2")
    assert share.night(new=3).summary["changes"] == {}

    quiet = share.night(done=3)
    assert quiet.summary["changes"]["figures"] == {}

    share.arrives("p3", n=4)
    share.arrives("p4", change=other_scanner)
    changes = share.night(new=2, done=3).summary["changes"]
    assert (changes["new_patients"], changes["new_scanners"], changes["new_kernels"]) == (2, ["ACME Fine 2"], ["B70f"])

    share.arrives("p3")  # its last slices come late
    assert {record.n_slices for record in share.night(changed=1, done=4).records} == {6}

    share.arrives("p1", seed=77)  # the same series, exported again
    share.night(changed=1, done=4)

    share.leaves("p2")
    assert len(share.night(done=4, gone=1).records) == 5

    share.steps = CLIPPED
    share.night(stale=4, gone=1)

    share.arrives("p5", "p6")
    with monkeypatch.context() as bad_night:
        bad_night.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Losing())
        assert share.night(new=2, done=4, gone=1).exit_code == ExitCode.FAILED

    before = lasting(OutputFolder(share.folder / "out"))
    with share.not_mounted():
        run(share.config(), Quiet())
    assert lasting(OutputFolder(share.folder / "out")) == before

    last = share.night(new=1, done=5, gone=1)
    assert last.exit_code == ExitCode.OK
    collect_garbage(last.output, delete=True)
    assert_same(last, run(share.config("clean"), Quiet()))
