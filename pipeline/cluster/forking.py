"""The process that is copied: it imports what jobs need, once, and forks a child whenever it is asked.

`ForkServer` starts it as ``python -m pipeline.cluster.forking SOCKET``, the descriptor of the socket it is asked by.  A
child of its own costs milliseconds where a new interpreter costs a second, and shares what was imported.
"""

import gc
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import recvfds
from typing import Any, Final

from pipeline.cluster.child import live
from pipeline.spared import spare


def load(_asked: Connection, function: bytes) -> None:
    """Import what a pickled function needs."""
    with suppress(Exception):  # a child will say what is wrong with it
        pickle.loads(function)  # noqa: S301 - from our own parent


def warm(_asked: Connection, function: bytes) -> None:
    """Call a pickled function, so that no child has to do again what it does."""
    with suppress(Exception):  # as above
        pickle.loads(function)()  # noqa: S301 - as above


def fork(asked: Connection, timeout_seconds: int) -> int:
    """Return the process id of a new child, to which the three descriptors that follow belong."""
    with socket.fromfd(asked.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as descriptors:
        pipe_fd, crash_fd, lifeline_fd = recvfds(descriptors, 3)
    gc.freeze()  # collecting what was imported would copy its pages into each child
    if (pid := os.fork()) == 0:
        _become_child(asked, pipe_fd, crash_fd, lifeline_fd, timeout_seconds)
    for fd in (pipe_fd, crash_fd, lifeline_fd):
        os.close(fd)
    return pid


def _become_child(asked: Connection, pipe_fd: int, crash_fd: int, lifeline_fd: int, timeout_seconds: int) -> None:
    """Live as a child, and never return into the loop of the process that was copied."""
    try:
        gc.enable()
        asked.close()
        os.dup2(lifeline_fd, 0)
        os.close(lifeline_fd)
        live(pipe_fd, crash_fd, timeout_seconds)
    finally:
        os._exit(1)


def status(_asked: Connection, pid: int) -> int | None:
    """Return how a child ended (negative: the signal that killed it), None while it lives."""
    try:
        ended, code = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(code) if ended else None


ANSWERS: Final[dict[str, Callable[..., Any]]] = {answer.__name__: answer for answer in (load, warm, fork, status)}


def main(socket_fd: int) -> None:
    """Answer one question after another until whoever asks is gone."""
    spare()
    gc.disable()  # imports leave nothing to collect, and looking for it takes an eighth of them
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    asked = Connection(socket_fd)
    with suppress(EOFError):
        while True:
            question, detail = asked.recv()
            asked.send(ANSWERS[question](asked, detail))


if __name__ == "__main__":
    main(int(sys.argv[1]))
