"""Keeps libraries quiet: what they log, and what Ctrl-C would make them say while they start or stop."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import current_thread, main_thread
from typing import Final

LOGGERS: Final = frozenset({"asyncio", "bokeh", "distributed", "tornado"})
ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def silence_logs() -> Iterator[None]:
    """Log nothing that libraries say of the cluster: what a person should know is said by an error."""
    # Not the top loggers only: distributed gives some of those below a level of their own.
    below = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in LOGGERS]
    loggers = [logging.getLogger(name) for name in sorted({*LOGGERS, *below})]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block ends, then let the first of them act.

    Threads and processes that are started inside inherit a blocked SIGINT, for good: Ctrl-C reaches every process of
    a terminal's group, and is for the first alone to answer.  Outside the main thread nothing is held back here: Python
    gives signals to the main thread only.
    """
    resource_tracker.ensure_running()  # started inside, it would lift the mask again
    held: list[int] = []
    is_main = current_thread() is main_thread()
    before = {
        number: signal.signal(number, lambda caught, _: held.append(caught)) for number in ENDING_SIGNALS if is_main
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    for first in held[:1]:
        signal.raise_signal(first)
