from itertools import pairwise

from engine_jobs import QUICK, Answer, Weighed, identify, rest, take_time

from pipeline.cluster.children import JOBS_PER_CHILD, ChildrenEngine


def test_jobs_are_spread_over_the_children() -> None:
    with ChildrenEngine(QUICK, 2) as engine:
        pids = {result.pid for _, result in engine.run(identify, range(40)) if isinstance(result, Answer)}
    assert len(pids) == 2


def test_no_more_jobs_are_taken_than_there_is_room_for() -> None:
    taken = []

    def jobs() -> object:
        for number in range(20):
            taken.append(number)
            yield number

    with ChildrenEngine(QUICK, 2) as engine:
        for done, _ in enumerate(engine.run(identify, jobs()), start=1):
            assert len(taken) <= done + JOBS_PER_CHILD * 2


def test_what_is_left_early_ends_its_children_at_once() -> None:
    with ChildrenEngine(QUICK, 2) as engine:
        next(engine.run(rest, [0.01, 2.0, 2.0, 2.0]))
    assert all(process._child is None for process in engine._processes)


def test_two_that_are_too_large_together_never_run_side_by_side() -> None:
    jobs = [Weighed(number, 600) for number in range(4)]
    with ChildrenEngine(QUICK, 2, memory_bytes=1000 << 20) as engine:
        spans = sorted(span for _, span in engine.run(take_time, jobs))  # type: ignore[type-var]
    assert len(spans) == 4
    assert all(before[1] <= after[0] for before, after in pairwise(spans))  # type: ignore[index]


def test_an_engine_that_is_closed_starts_nobody_for_a_job_that_waited() -> None:
    with ChildrenEngine(QUICK, 1) as engine:
        next(engine.run(rest, [0.0, 50.0, 50.0, 50.0]))
    assert engine._processes[0]._child is None
