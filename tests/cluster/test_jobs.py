"""Tasks, limits and failures, and how many jobs are taken at once."""

import pickle
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cluster.jobs import Capacity, JobFailure, JobLimits, PendingJobs, Task
from pipeline.cluster.options import ClusterOptions
from pipeline.limits import Limits
from pipeline.vocabulary import Reason

LIMITS = Limits(series_timeout_seconds=60, series_memory_mb=1024)


def pending(jobs: Sequence[float | None]) -> PendingJobs[float | None]:
    """Return jobs, each of which is the number of megabytes that it takes."""
    return PendingJobs(jobs, lambda megabytes: megabytes)


def test_automatic_memory_is_the_limit_of_a_series() -> None:
    assert JobLimits.of(ClusterOptions(), LIMITS) == JobLimits(60, 1024 << 20)


def test_the_stricter_memory_limit_holds() -> None:
    assert JobLimits.of(ClusterOptions(memory_limit="512MiB"), LIMITS).memory_bytes == 512 << 20
    assert JobLimits.of(ClusterOptions(memory_limit="64GB"), LIMITS).memory_bytes == 1024 << 20


def test_a_task_finds_its_function_by_its_path() -> None:
    assert Task[float, float]("root", "math:sqrt").resolve()(4.0) == 2.0
    with pytest.raises(ImportError):
        Task[float, float]("none", "no_such_module:root").resolve()


@pytest.mark.parametrize("reason", Reason)
def test_a_failure_travels_between_processes(reason: Reason) -> None:
    failure = JobFailure(reason, "somewhere", "a trace")
    assert pickle.loads(pickle.dumps(failure)) == failure  # noqa: S301


def test_no_more_jobs_are_taken_than_the_capacity() -> None:
    jobs = pending([None] * 5)
    assert len(list(jobs.take([], Capacity(3, 0)))) == 3
    assert len(list(jobs.take([None, None], Capacity(3, 0)))) == 1


def test_two_jobs_that_do_not_fit_together_run_one_after_the_other() -> None:
    jobs, capacity = pending([600, 600, 100]), Capacity(8, 1000 << 20)
    assert list(jobs.take([], capacity)) == [600]
    assert list(jobs.take([600], capacity)) == []
    assert list(jobs.take([], capacity)) == [600, 100]


def test_a_job_over_the_capacity_runs_alone() -> None:
    jobs, capacity = pending([5000, 1]), Capacity(8, 1000 << 20)
    assert list(jobs.take([], capacity)) == [5000]
    assert list(jobs.take([5000], capacity)) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.floats(0, 50)), st.integers(1, 6), st.integers(1, 60))
def test_every_job_is_taken_once_in_order_within_the_capacity(
    weights: list[float | None], n_jobs: int, megabytes: int
) -> None:
    capacity, jobs = Capacity(n_jobs, megabytes << 20), pending(weights)
    running: list[float | None] = []
    taken: list[float | None] = []
    while jobs or running:
        new = list(jobs.take(running, capacity))
        running, taken = running + new, taken + new
        assert len(running) <= n_jobs
        assert len(running) == 1 or sum(int((one or 0) * 2**20) for one in running) <= capacity.memory_bytes
        running = running[1:]
    assert taken == weights
