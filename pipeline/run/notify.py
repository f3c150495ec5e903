"""``on_finish:``, a command that hears how a run ended; the run's own end stays what it was."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import CtprepError, UsageError, exit_code_for

SECONDS = 60
"""What the command may take: it sends a message, and a night must not wait for a mail server."""

STDERR = 2
"""Where what the command prints goes: standard output may be read by a program."""

Summary = Mapping[str, Any]


def split_command(text: str) -> list[str]:
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
def notify_at_end(text: str | None, says: Callable[[str], None]) -> Iterator[Callable[[Summary], None]]:
    """Yield what takes a run's summary; when the block ends, by an error too, the command gets the last one.

    A run that ended by an error before it had a summary has one of its exit code and the message.  ``says`` takes what
    went wrong with the command itself.  Raises UsageError where the text is no command.
    """
    words = None if text is None else split_command(text)
    summaries: list[Summary] = [{}]
    try:
        yield summaries.append
    except BaseException as error:
        _notify(words, {**summaries[-1], **_describe_error(error)}, says)
        raise
    _notify(words, summaries[-1], says)


def _describe_error(error: BaseException) -> Summary:
    """Return the exit code, and a message without a person's data: of an unforeseen error its kind alone."""
    message = str(error) if isinstance(error, CtprepError) else type(error).__name__
    return {"exit_code": int(exit_code_for(error)), "message": message}


def _notify(words: list[str] | None, summary: Summary, says: Callable[[str], None]) -> None:
    if words is None or not summary:
        return
    content = json.dumps(summary).encode()
    try:
        ended = subprocess.run(words, input=content, stdout=STDERR, timeout=SECONDS, check=False)  # noqa: S603  the configuration's owner asks for it
    except subprocess.TimeoutExpired:
        says(f"on_finish: the command took more than {SECONDS} seconds and was stopped")
    except OSError as error:
        says(f"on_finish: the command cannot be run ({error.strerror})")
    else:
        if ended.returncode:
            says(f"on_finish: the command ended with status {ended.returncode}")
