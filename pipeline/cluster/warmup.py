"""What jobs need is imported once, by the process that children are copied from: the fork server imports this module.

It takes the modules from its environment, and a first failure stays here: a second import of the same module may fail
in another way, or seem to work.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from traceback import extract_tb, format_tb
from typing import Final

from pipeline.cluster.jobs import JobFailure
from pipeline.vocabulary import Reason

MODULES: Final = "CTPREP_WARMUP"
"""The variable that names the process that they are imported for, then the modules; a fork server alone has it."""

LOOK_SECONDS: Final = 0.2
"""How soon a fork server that is still importing ends after the process that started it."""


def describe_warmup(modules: Sequence[str]) -> dict[str, str]:
    """Return the environment of a fork server that is to import the modules for this process."""
    return {MODULES: " ".join([str(os.getpid()), *modules])}


def list_safe_paths(*, is_started: bool = False) -> list[str]:
    """Return where modules are searched for, without the working directory unless the program itself lies there.

    Data lies there: a folder of it with the name of a module would stand in for the module.  Once the program
    ``is_started``, its modules are found by its package, and a clone, where data may lie too, is left out as well.
    """
    here, program = Path.cwd(), Path(__file__).parents[2]
    paths = [Path(path).absolute() for path in sys.path]
    if is_started and (program / "pyproject.toml").exists():
        return [str(path) for path in paths if path not in {here, program}]
    return [str(path) for path in paths if path != here or path == program]


def _warm_up() -> JobFailure | None:
    """Import the modules that the environment names; return the failure of the first that cannot be imported."""
    parent, *modules = os.environ.pop(MODULES, "0").split()
    ended = Event()
    watch = Thread(target=_exit_without, args=(int(parent), ended), daemon=True)
    if modules:
        watch.start()
        sys.path[:] = list_safe_paths(is_started=True)
    try:
        for module in modules:
            import_module(module)
    except Exception as error:  # noqa: BLE001  an error of any kind: those who need the module are answered with it
        return describe_failure(error)
    finally:
        ended.set()
        if modules:
            watch.join()  # children are copied from a process of one thread
    return None


def _exit_without(parent: int, ended: Event) -> None:
    while not ended.wait(LOOK_SECONDS):
        if os.getppid() != parent:
            os._exit(0)


def describe_failure(error: Exception) -> JobFailure:
    """Return the failure of a job, or of what it needs, that an error of the program is."""
    last = extract_tb(error.__traceback__)[-1]
    detail = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    return JobFailure(Reason.INTERNAL, detail, format_trace(error))


def format_trace(error: BaseException) -> str:
    """Return where an error came from, its causes first, without the messages: they may quote a header or a path."""
    parts = []
    link: BaseException | None = error
    while link is not None:
        parts.append("".join([*format_tb(link.__traceback__), type(link).__name__]))
        link = link.__cause__ or link.__context__
    return "\n".join(reversed(parts))


FAILURE: Final = _warm_up()
"""Why this process lacks what jobs need, if it does."""
