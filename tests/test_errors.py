import errno
import pickle

import pytest

from pipeline.errors import (
    ClusterError,
    ConfigError,
    CtprepError,
    DamageError,
    LockedError,
    NoInputError,
    OutputError,
    SeriesRefusedError,
    UsageError,
    exit_code_for,
)
from pipeline.vocabulary import ExitCode, Reason


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CtprepError("x"), ExitCode.INTERNAL),
        (UsageError("x"), ExitCode.USAGE),
        (ConfigError("a.yaml", 1, 2, "x"), ExitCode.USAGE),
        (NoInputError("x"), ExitCode.NO_INPUT),
        (LockedError("x"), ExitCode.LOCKED),
        (OutputError("x"), ExitCode.OUTPUT),
        (DamageError("x"), ExitCode.DAMAGED),
        (ClusterError("x"), ExitCode.CLUSTER),
    ],
)
def test_an_error_knows_how_the_program_ends(error: CtprepError, code: ExitCode) -> None:
    assert error.exit_code is code
    assert isinstance(error, CtprepError)


def test_a_wrong_configuration_is_named_by_its_place() -> None:
    assert str(ConfigError("lung.yaml", 12, 5, "steps: unknown key")) == "lung.yaml:12:5: steps: unknown key"


def test_a_refusal_travels_between_processes_whole() -> None:
    refusal = SeriesRefusedError(Reason.SLICE_GAP, "2 slices missing")
    arrived = pickle.loads(pickle.dumps(refusal))  # noqa: S301  our own
    assert (arrived.reason, arrived.detail, str(arrived)) == (Reason.SLICE_GAP, "2 slices missing", str(refusal))


def test_an_error_of_the_system_is_our_own_unless_the_disk_is_full() -> None:
    assert exit_code_for(OSError(errno.ENOSPC, "No space left on device")) is ExitCode.OUTPUT
    assert exit_code_for(OSError(errno.ECHILD, "No child processes")) is ExitCode.INTERNAL
