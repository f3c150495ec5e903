"""The process that is copied, seen from inside."""

import os
import pickle
import subprocess
import sys
from multiprocessing import Pipe

import pytest
from engine_jobs import remember

from pipeline.cluster.forking import ANSWERS, status


def test_it_answers_one_question_after_another_until_nobody_asks() -> None:
    ours, theirs = Pipe()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cluster.forking", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        theirs.close()
        for question in ("load", "warm"):
            ours.send((question, pickle.dumps(remember)))
            assert ours.recv() is None
        ours.send(("status", process.pid))
        assert ours.recv() is None
        ours.close()
        assert process.wait(10) == 0


def test_of_a_child_that_is_not_its_own_it_can_tell_nothing() -> None:
    with Pipe()[0] as asked:
        assert status(asked, os.getppid()) is None


@pytest.mark.parametrize("question", ["load", "warm"])
def test_what_cannot_be_imported_is_left_for_a_child_to_tell(question: str) -> None:
    with Pipe()[0] as asked:
        assert ANSWERS[question](asked, b"cno_such_module\nwork\n.") is None
