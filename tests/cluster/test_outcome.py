"""What comes out of an engine."""

import pickle

import pytest
from engine_jobs import unpack

from pipeline.cluster.outcome import Lost
from pipeline.vocabulary import Reason


@pytest.mark.parametrize("reason", Reason)
def test_a_lost_job_travels_between_processes(reason: Reason) -> None:
    lost = Lost(reason, "somewhere", "a trace")
    assert unpack(pickle.dumps(lost)) == lost
