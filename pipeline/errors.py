"""The error tree, sorted by what the caller would do.

::

    CtprepError
    ├── UsageError            change the command or the configuration (exit 2)
    │   └── ConfigError       ... at file:line:column
    ├── NoInputError          give an input that holds CT (exit 5)
    ├── LockedError           wait for the other run (exit 6)
    ├── OutputError           mend or change the output folder (exit 7)
    ├── DamageError           restore or run again what verify names (exit 8)
    ├── ClusterError          start or reach the cluster (exit 9)
    └── SeriesRefusedError    nothing: it becomes a record with its reason

A message never holds anything about a person: no identifier, no header text, no path below an input root.
"""

import errno
from dataclasses import dataclass
from typing import ClassVar

from pipeline.vocabulary import ExitCode, Reason, Refusal


class CtprepError(Exception):
    """Any error that ctprep raises on purpose; ``exit_code`` is how the program then ends."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL


class UsageError(CtprepError):
    """The command or the configuration cannot be carried out; nothing was written."""

    exit_code = ExitCode.USAGE


@dataclass
class ConfigError(UsageError):
    """A configuration is wrong at a place: what was found and what is allowed."""

    source: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.message}"


class NoInputError(CtprepError):
    """The input holds no CT image series; nothing that exists is deleted."""

    exit_code = ExitCode.NO_INPUT


class LockedError(CtprepError):
    """Another run holds the output's lock."""

    exit_code = ExitCode.LOCKED


class OutputError(CtprepError):
    """The output is not writable, or full."""

    exit_code = ExitCode.OUTPUT


class DamageError(CtprepError):
    """Stores differ from what the manifest says."""

    exit_code = ExitCode.DAMAGED


class ClusterError(CtprepError):
    """The cluster cannot be reached, or was lost."""

    exit_code = ExitCode.CLUSTER


class SeriesRefusedError(CtprepError):
    """A series cannot become a volume, for a reason of the vocabulary; ``detail`` holds figures, never identifiers."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["SeriesRefusedError"], Refusal]:
        return type(self), (self.reason, self.detail)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does: what was finished is kept."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def exit_code_for(error: BaseException) -> ExitCode:
    """Return the code with which the program ends on an error."""
    if isinstance(error, CtprepError):
        return error.exit_code
    if isinstance(error, TerminatedError):
        return ExitCode.TERMINATED
    if isinstance(error, OSError) and error.errno in _FULL:
        return ExitCode.OUTPUT
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.INTERNAL
