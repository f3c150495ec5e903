"""What goes into an engine and what comes out."""

from dataclasses import dataclass
from typing import TypeVar

from pipeline.vocabulary import Reason

J = TypeVar("J")
"""A job: small and picklable; it names what to work on and does not hold it."""

R = TypeVar("R")
"""What a job leaves: small and picklable too."""


@dataclass(frozen=True)
class Lost:
    """What stands in place of a result: why the job has none.

    ``detail`` and ``traceback`` name exceptions, functions and lines of code, never a message or a value: those may
    hold what identifies a person.
    """

    reason: Reason
    detail: str
    traceback: str | None = None
