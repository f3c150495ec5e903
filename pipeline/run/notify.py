"""``on_finish:``, a command that hears how a run ended; whatever becomes of it, the run's own end stays what it was."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import UsageError

SECONDS = 60
"""What the command may take: it sends a message, and a night must not wait for a mail server."""

STDERR = 2
"""Where what the command prints goes: standard output may be read by a program."""

Summary = Mapping[str, Any]


def command_of(text: str) -> list[str]:
    """Split a command into its words as a shell would; no shell runs it.

    Raises UsageError where a quote is left open, or there is no word.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        msg = f"on_finish: {text!r} cannot be split into words ({error})"
        raise UsageError(msg) from error
    if not words:
        msg = "on_finish: an empty command; null means none"
        raise UsageError(msg)
    return words


@contextmanager
def telling(text: str | None, says: Callable[[str], None]) -> Iterator[Callable[[Summary], None]]:
    """Yield what takes a run's summary; after the block the command gets it, unless somebody stopped the run.

    A run that ends by an error is told of too.  ``says`` hears what went wrong with the command itself.
    """
    heard: list[Summary] = []
    try:
        yield heard.append
    except Exception:
        _tell(text, heard, says)
        raise
    _tell(text, heard, says)


def _tell(text: str | None, heard: list[Summary], says: Callable[[str], None]) -> None:
    if text is None or not heard:
        return
    told = json.dumps(heard[-1]).encode()
    try:
        ended = subprocess.run(command_of(text), input=told, stdout=STDERR, timeout=SECONDS, check=False)  # noqa: S603 - the configuration's owner asks for it
    except subprocess.TimeoutExpired:
        says(f"on_finish: the command took more than {SECONDS} seconds and was stopped")
    except OSError as error:
        says(f"on_finish: the command cannot be run ({error.strerror})")
    else:
        if ended.returncode:
            says(f"on_finish: the command ended with status {ended.returncode}")
