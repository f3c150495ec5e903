"""What every command prints in the same way."""

import json
import os
import sys
from collections.abc import Sequence

from pipeline.vocabulary import ExitCode


def print_error(message: str, code: ExitCode, arguments: Sequence[str], traceback: str | None = None) -> ExitCode:
    """Tell a person, or with ``--log-json`` a program, why a command ended; return the code."""
    try:
        if "--log-json" in arguments:
            print_event("error", message=message, exit_code=int(code), traceback=traceback)
        else:
            print(f"ctprep: {message}", file=sys.stderr)
        print_code(code, arguments)
    except OSError:  # a full disk takes no words either, and what waits to be said is tried again at the very end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def print_code(code: ExitCode, arguments: Sequence[str] = ()) -> None:
    """Print the exit code as the last line."""
    if "--log-json" not in arguments:
        print(f"exit code {int(code)}", flush=True)


def print_event(event: str, **fields: object) -> None:
    """Print one line of JSON."""
    print(json.dumps({"event": event, **fields}), flush=True)
