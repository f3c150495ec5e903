"""Jobs that wait for their turn."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cluster.waiting import Room, Waiting, memory_of


@dataclass(frozen=True)
class Weighed:
    memory_mb: float | None


def heavy(*megabytes: float) -> list[Weighed]:
    return [Weighed(one) for one in megabytes]


def megabytes_of(jobs: Sequence[Weighed]) -> list[float | None]:
    return [job.memory_mb for job in jobs]


def test_a_job_that_tells_no_memory_weighs_nothing() -> None:
    assert memory_of("a job") == memory_of(Weighed(None)) == 0
    assert memory_of(Weighed(2.5)) == 5 << 19


def test_so_many_go_at_once_and_no_more() -> None:
    waiting = Waiting("abcde")
    assert list(waiting.fitting([], Room(3, 0))) == ["a", "b", "c"]
    assert list(waiting.fitting(["b", "c"], Room(3, 0))) == ["d"]


def test_two_that_do_not_fit_together_go_one_after_the_other() -> None:
    waiting, room = Waiting(heavy(600, 600, 100)), Room(8, 1000 << 20)
    assert megabytes_of(list(waiting.fitting([], room))) == [600]
    assert megabytes_of(list(waiting.fitting(heavy(600), room))) == []
    assert megabytes_of(list(waiting.fitting([], room))) == [600, 100]


def test_what_fits_nowhere_goes_alone() -> None:
    waiting, room = Waiting(heavy(5000, 1)), Room(8, 1000 << 20)
    assert megabytes_of(list(waiting.fitting([], room))) == [5000]
    assert megabytes_of(list(waiting.fitting(heavy(5000), room))) == []


@settings(max_examples=50)
@given(st.lists(st.none() | st.floats(0, 50)), st.integers(1, 6), st.integers(1, 60))
def test_every_job_goes_once_in_its_order_and_within_the_room(
    weights: list[float | None], n_jobs: int, megabytes: int
) -> None:
    jobs, room = heavy(*weights), Room(n_jobs, megabytes << 20)  # type: ignore[arg-type]
    waiting, running, gone = Waiting(jobs), list[Weighed](), list[Weighed]()
    while new := list(waiting.fitting(running, room)):
        running, gone = running + new, gone + new
        assert len(running) <= n_jobs
        assert len(running) == 1 or sum(map(memory_of, running)) <= room.memory_bytes
        running = running[1:]
    while running or len(gone) < len(jobs):
        running = running[1:]
        gone += (new := list(waiting.fitting(running, room)))
        running += new
    assert gone == jobs
