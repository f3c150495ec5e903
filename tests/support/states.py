"""The state of an output, for tests that put series into it or look at it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.output.database import Database
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Finished, OutputState


@contextmanager
def state_of(output: OutputFolder) -> Iterator[OutputState]:
    """Yield the state of an output to be written; unfinished stores stay where they are."""
    with Database.open(output.state) as database:
        yield OutputState.load(output, database)


def finished_in(output: OutputFolder) -> dict[str, Finished]:
    """Return what an output knows of its series, and change nothing."""
    with OutputState.read(output) as state:
        return state.finished
