"""Arguments in, words out: the command line, a file per command.  The only room that prints.

A command's own module is imported when it is called, so that ``ctprep --help`` answers at once.
"""

import argparse
import logging
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Never

from pipeline import __version__
from pipeline.cli.endings import print_error
from pipeline.errors import CtprepError, TerminatedError, exit_code_for
from pipeline.vocabulary import ExitCode

COMMANDS = {
    "run": "the main job: scan, plan, process what is new or changed, write manifest and report",
    "scan": "read headers only, and account for every file",
    "plan": "say what a run would do, and why; writes nothing",
    "fit": "find the training split's HU statistics, for steps with statistics: cohort",
    "status": "count an output's series by status and reason, and say what to do next",
    "show": "show one series: record, trail, geometry, warnings, and on request a picture",
    "export": "write volumes as NIfTI, and a mask as DICOM SEG, for other programs",
    "report": "write the report of an output again, and its figures for a paper",
    "verify": "read every store again and compare it with the manifest",
    "retry": "run rejected or failed series again",
    "diff": "compare two DICOM files or two series, element by element",
    "label": "join a table of labels to an output, touching no store",
    "gc": "list, and on request remove, stores whose source is gone or that no record names",
    "card": "describe an output to those who will find and load it: Croissant, and a card in Markdown",
    "schema": "print the JSON Schema of the configuration",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default the program's own, and return its exit code; no exception gets past it."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if arguments is None:
        _silence_libraries()
    try:
        signal.signal(signal.SIGTERM, _terminate)
        return int(_carry_out(words))
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.OK
    except CtprepError as error:
        return print_error(str(error), error.exit_code, words)
    except KeyboardInterrupt as error:
        message = "stopped; what was finished is kept: run the same command again to go on"
        return print_error(message, exit_code_for(error), words)
    except PermissionError as error:
        return print_error(_describe_denied(error), ExitCode.USAGE, words, traceback.format_exc())
    except Exception as error:  # noqa: BLE001  a person gets a message, and the log the traceback
        last = traceback.extract_tb(error.__traceback__)[-1]
        message = f"internal error ({type(error).__name__} at {Path(last.filename).name}:{last.lineno})"
        if isinstance(error, OSError) and exit_code_for(error) is ExitCode.OUTPUT:
            message = f"what there is to say, or to keep, cannot be written: {error.strerror}"
        return print_error(message, exit_code_for(error), words, traceback.format_exc())


def _describe_denied(error: PermissionError) -> str:
    """Say what this account may not read or write; a path may name a person, only the output's are named."""
    if "private" in Path(str(error.filename)).parts:
        return "this command needs private/ of the output, which is for its owner alone: run it as the owner"
    return "the system does not let this account read or write what the command needs (permission denied)"


def _silence_libraries() -> None:
    """Print nothing of what libraries log or warn of, or of errors in their threads: for the whole life of the program.

    A cluster that is lost is logged by threads that outlive it.  What a person should know is the message of an error.
    """
    logging.disable()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    threading.excepthook = _ignore
    sys.unraisablehook = _ignore


def _ignore(_error: object) -> None:
    return None


def _carry_out(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="ctprep", description="CT series from DICOM to training-ready Zarr stores.")
    parser.add_argument("--version", action="version", version=f"ctprep {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    name = next((word for word in words if not word.startswith("-")), None)
    module = None
    for command, sentence in COMMANDS.items():
        own = commands.add_parser(command, help=sentence, description=sentence)
        if command == name:
            module = import_module(f"pipeline.cli.{command}")
            module.add_arguments(own)
    options = parser.parse_args(words)
    if module is None:
        parser.error("a command is needed")
    return int(module.execute(options))


def _terminate(_signal: int, _frame: FrameType | None) -> Never:
    raise TerminatedError
