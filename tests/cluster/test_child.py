"""What the child answers, seen from inside."""

import pickle
from multiprocessing import Pipe
from tempfile import TemporaryFile

import pytest
from engine_jobs import NAME, identify, misbehave, unpack

from pipeline.cluster.child import answer, serve, trace
from pipeline.cluster.outcome import Lost
from pipeline.vocabulary import Reason


def test_the_answer_is_the_result() -> None:
    assert unpack(answer(pickle.dumps(abs), pickle.dumps(-2))) == 2


def test_without_a_job_the_function_is_loaded_and_not_called() -> None:
    assert unpack(answer(pickle.dumps(misbehave), None)) is None


def test_an_exception_is_answered_with_its_place() -> None:
    lost = unpack(answer(pickle.dumps(misbehave), pickle.dumps("fail")))
    assert isinstance(lost, Lost)
    assert lost.reason == Reason.INTERNAL
    assert lost.detail.startswith("ValueError at engine_jobs.py:")


def test_refused_memory_is_out_of_memory() -> None:
    assert unpack(answer(pickle.dumps(misbehave), pickle.dumps("overreach"))).reason == Reason.OUT_OF_MEMORY


def test_a_trace_tells_causes_first_and_no_message() -> None:
    with pytest.raises(ValueError, match="JANE") as raised:
        misbehave("fail")
    text = trace(raised.value)
    assert text.index("KeyError") < text.rindex("ValueError")
    assert NAME not in text


def test_messages_are_answered_in_turn_until_the_pipe_closes() -> None:
    ours, theirs = Pipe()
    with theirs, TemporaryFile() as crash:
        with ours:
            ours.send((pickle.dumps(identify), None))
            ours.send((pickle.dumps(abs), pickle.dumps(-7)))
            ours.send(None)
            with pytest.raises(TypeError):
                serve(theirs, crash.fileno(), 60)
            assert [unpack(ours.recv_bytes()) for _ in range(2)] == [None, 7]
        with pytest.raises(EOFError):
            serve(theirs, crash.fileno(), 60)
