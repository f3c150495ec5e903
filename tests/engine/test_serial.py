"""The serial engine."""

from engine_jobs import QUICK, Answer, identify

from pipeline.engine.serial import SerialEngine


def test_jobs_are_worked_in_order_by_one_child() -> None:
    with SerialEngine(QUICK) as engine:
        results = [result for _, result in engine.run(identify, "cab")]
    assert [result.job for result in results if isinstance(result, Answer)] == ["c", "a", "b"]
    assert len({result.pid for result in results if isinstance(result, Answer)}) == 1


def test_a_job_is_taken_only_when_the_one_before_is_done() -> None:
    jobs = iter("abc")
    with SerialEngine(QUICK) as engine:
        next(engine.run(identify, jobs))
    assert list(jobs) == ["b", "c"]
