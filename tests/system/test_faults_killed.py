"""Whatever is killed, and whenever: a rerun leaves nothing lost, corrupt, twice or called ok that is not."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from faults import (
    SERIAL,
    TWO_WORKERS,
    Cohort,
    Figures,
    assert_nothing_false,
    make_cohort,
    n_finished,
    random_numbers,
    slowly,
)
from killing import KILLER
from phantoms import write_series
from running import Quiet, carry_out
from states import finished_in

from pipeline.audit.verify import verify
from pipeline.config import load
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.prepare.job import PREPARE
from pipeline.run.run import run
from pipeline.vocabulary import ExitCode, Reason

MOMENTS: dict[str, Callable[[OutputFolder], object]] = {
    "before anything is written": lambda output: output.private.exists(),
    "while the first store is written": lambda output: any(output.volumes.glob(".*")),
    "after a few series": lambda output: n_finished(output) >= 4,
    "while the manifest is published": lambda output: output.manifest.exists(),
}

N_OTHERS = 10
"""Series beside one that kills its process."""

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_driver_costs_nothing_that_a_rerun_does_not_mend(cohort: Cohort, tmp_path: Path, moment: str) -> None:
    begun = cohort.begin(tmp_path / "out")
    begun.until(MOMENTS[moment])
    below = begun.below()
    begun.kill()
    assert psutil.wait_procs(below, timeout=120)[1] == []
    assert_nothing_false(cohort, begun.output)
    assert cohort.rerun(tmp_path / "out").exit_code == ExitCode.REJECTED
    assert cohort.figures(tmp_path / "out") == Figures()


@pytest.mark.parametrize("yaml", [SERIAL, TWO_WORKERS], ids=["serial", "two workers"])
@pytest.mark.parametrize("n_ms", [slowly(number) for number in random_numbers(10, 0, 4_000)])
def test_a_driver_is_killed_at_a_random_moment(cohort: Cohort, tmp_path: Path, n_ms: int, yaml: str) -> None:
    begun = cohort.begin(tmp_path / "out", yaml)
    begun.until(lambda output: output.lock.exists())
    time.sleep(n_ms / 1000)
    begun.kill()
    assert_nothing_false(cohort, begun.output)
    assert cohort.rerun(tmp_path / "out").exit_code == ExitCode.REJECTED
    assert cohort.figures(tmp_path / "out") == Figures()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_told_to_stop_keeps_and_publishes_what_was_finished(
    cohort: Cohort, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    begun = cohort.begin(tmp_path / "out")
    begun.until(lambda output: n_finished(output) >= 3)  # the first is the series with the gap
    begun.process.send_signal(number)
    assert begun.ends() == code
    records = read_records(begun.output)
    assert {record.series_key for record in records} == cohort.truth.keys()
    assert sum(record.status == "ok" for record in records) >= 2
    assert_nothing_false(cohort, begun.output)
    cohort.rerun(tmp_path / "out")
    assert cohort.figures(tmp_path / "out") == Figures()


def test_workers_that_are_killed_again_and_again_cost_nothing_that_a_rerun_does_not_mend(
    cohort: Cohort, tmp_path: Path
) -> None:
    begun, killed, choice = cohort.begin(tmp_path / "out", TWO_WORKERS), 0, random.Random(3)  # noqa: S311  no secret
    for n in range(1, 8):
        begun.until(lambda output, n=n: n_finished(output) >= n)
        with suppress(IndexError, psutil.NoSuchProcess):  # all have ended just now
            choice.choice(begun.below()).kill()
            killed += 1
    assert begun.ends() in {ExitCode.REJECTED, ExitCode.FAILED}
    assert killed
    assert_nothing_false(cohort, begun.output)
    cohort.rerun(tmp_path / "out")
    assert cohort.figures(tmp_path / "out") == Figures()


def test_a_series_that_always_kills_its_process_is_lost_alone_and_in_the_end_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    for number in range(N_OTHERS):
        write_series(tmp_path / "in" / f"p{number:02}", patient_id=f"P-{number}", n=4, seed=number)
    write_series(tmp_path / "in" / KILLER, patient_id="K")
    monkeypatch.setattr("pipeline.run.run.PREPARE", replace(PREPARE, function="killing:process_or_die"))
    for tried in range(1, 4):
        outcome = carry_out(tmp_path, tmp_path / "in", TWO_WORKERS)
        (killer,) = (record for record in outcome.records if record.status != "ok")
        assert (outcome.exit_code, killer.reason) == (ExitCode.FAILED, Reason.WORKER_LOST)
        assert finished_in(outcome.output)[killer.series_key].n_failures == tried
    left_alone = Quiet()
    config = load(tmp_path / "out.yaml", inputs=[tmp_path / "in"], output=tmp_path / "out")
    assert run(config, left_alone).exit_code == ExitCode.FAILED
    assert left_alone.heard[0] == (0, N_OTHERS + 1)
    assert verify(outcome.output) == []


def test_of_two_runs_at_once_one_is_refused_and_the_other_comes_to_its_end(cohort: Cohort, tmp_path: Path) -> None:
    runs = [cohort.begin(tmp_path / "out") for _ in range(2)]
    assert sorted(begun.ends() for begun in runs) == [ExitCode.REJECTED, ExitCode.LOCKED]
    assert cohort.figures(tmp_path / "out") == Figures()
