"""Lets Ctrl-C and termination wait for what must not be left half done."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import current_thread, main_thread
from typing import Final

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block ends, then let the first of them act.

    Threads and processes that are started inside inherit a blocked SIGINT, for good: Ctrl-C reaches every process of
    a terminal's group, and is for the first alone to answer.  Outside the main thread nothing is held back here: Python
    gives signals to the main thread only.
    """
    resource_tracker.ensure_running()  # started inside, it would lift the mask again
    held: list[int] = []
    is_main = current_thread() is main_thread()
    before = {number: signal.signal(number, lambda caught, _: held.append(caught)) for number in _ENDING if is_main}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    for first in held[:1]:
        signal.raise_signal(first)
