"""How every command ends: an error, the exit code as the last line, or one line of JSON per event."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.run.run import Outcome


def print_error(message: str, code: ExitCode, arguments: Sequence[str], traceback: str | None = None) -> ExitCode:
    """Tell a person, or with ``--log-json`` a program, why a command ended; return the code."""
    try:
        if "--log-json" in arguments:
            print_event("error", message=message, exit_code=int(code), traceback=traceback)
        else:
            print(f"ctprep: {message}", file=sys.stderr)
        print_code(code, arguments)
    except OSError:  # a full disk takes no words either, and what is buffered is written at the very end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def print_code(code: ExitCode, arguments: Sequence[str] = ()) -> None:
    """Print the exit code as the last line."""
    if "--log-json" not in arguments:
        print(f"exit code {int(code)}", flush=True)


def print_event(event: str, **fields: object) -> None:
    """Print one line of JSON."""
    print(json.dumps({"event": event, **fields}), flush=True)


def print_end(outcome: "Outcome", options: Namespace) -> ExitCode:
    """Print how a run ended, as the options ask, the exit code last, and return that."""
    if options.log_json:
        print_event("ended", **outcome.summary)
        return outcome.exit_code
    if not options.quiet:
        from pipeline.cli.tables import print_outcome  # noqa: PLC0415  --help shall not wait for rich

        print_outcome(outcome)
    print_code(outcome.exit_code)
    return outcome.exit_code
