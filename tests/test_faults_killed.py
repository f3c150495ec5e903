"""Whatever is killed, and whenever: a rerun leaves nothing lost, corrupt, twice or called ok that is not."""

import signal
import time
from collections.abc import Callable
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

from pipeline.manifest import read_records
from pipeline.output import OutputFolder
from pipeline.vocabulary import ExitCode

MOMENTS: dict[str, Callable[[OutputFolder], object]] = {
    "before anything is written": lambda output: output.private.exists(),
    "while the first store is written": lambda output: any(output.volumes.glob(".*")),
    "after a few series": lambda output: n_finished(output) >= 4,
    "while the manifest is published": lambda output: output.manifest.exists(),
}

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_driver_costs_nothing_that_a_rerun_does_not_mend(cohort: Cohort, tmp_path: Path, moment: str) -> None:
    begun = cohort.begin(tmp_path / "out")
    begun.until(MOMENTS[moment])
    below = psutil.Process(begun.process.pid).children(recursive=True)
    begun.kill()
    assert psutil.wait_procs(below, timeout=10)[1] == []
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


def test_workers_that_are_killed_again_and_again_cost_no_series(cohort: Cohort, tmp_path: Path) -> None:
    begun = cohort.begin(tmp_path / "out", TWO_WORKERS)
    for n in range(2, 5):
        begun.until(lambda output, n=n: n_finished(output) >= n)
        for worker in begun.workers()[:1]:
            worker.kill()
    assert begun.ends() in {ExitCode.REJECTED, ExitCode.FAILED}
    assert_nothing_false(cohort, begun.output)
    cohort.rerun(tmp_path / "out")
    assert cohort.figures(tmp_path / "out") == Figures()


def test_of_two_runs_at_once_one_is_refused_and_the_other_comes_to_its_end(cohort: Cohort, tmp_path: Path) -> None:
    runs = [cohort.begin(tmp_path / "out") for _ in range(2)]
    assert sorted(begun.ends() for begun in runs) == [ExitCode.REJECTED, ExitCode.LOCKED]
    assert cohort.figures(tmp_path / "out") == Figures()
