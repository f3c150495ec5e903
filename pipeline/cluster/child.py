"""The child process that works one job after another, so that what breaks, breaks alone.

`ForkServer` forks it; standard input says that whoever asked for it lives.
"""

import faulthandler
import os
import pickle
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from traceback import extract_tb, format_tb
from typing import Any

from pipeline.cluster.outcome import Lost
from pipeline.vocabulary import Reason


def answer(function: bytes, job: bytes | None) -> bytes:
    """Return what a pickled function makes of a pickled job, or a `Lost` that says why not; pickled.

    Without a job the function is loaded only, with all that it imports.
    """
    try:
        return pickle.dumps(_work(function, job))
    except MemoryError as error:
        return pickle.dumps(Lost(Reason.OUT_OF_MEMORY, "an allocation was refused", trace(error)))
    except Exception as error:  # noqa: BLE001 - whatever a job raises is its answer
        return pickle.dumps(Lost(Reason.INTERNAL, _place(error), trace(error)))


def _work(function: bytes, job: bytes | None) -> Any:
    work = pickle.loads(function)  # noqa: S301 - from our own parent
    return None if job is None else work(pickle.loads(job))  # noqa: S301 - as above


def trace(error: BaseException) -> str:
    """Write where an error came from, its causes first, without the messages: they may quote a header or a path."""
    parts = []
    link: BaseException | None = error
    while link is not None:
        parts.append("".join([*format_tb(link.__traceback__), type(link).__name__]))
        link = link.__cause__ or link.__context__
    return "\n".join(reversed(parts))


def _place(error: BaseException) -> str:
    last = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def serve(pipe: Connection, crash_fd: int, timeout_seconds: int) -> None:
    """Answer what arrives, one message at a time, until the pipe closes (EOFError)."""
    while True:
        function, job = pipe.recv()
        # Keeps time from outside the interpreter: ends even a decoder that never returns to Python, and says where.
        faulthandler.dump_traceback_later(timeout_seconds, exit=True, file=crash_fd)
        reply = answer(function, job)
        faulthandler.cancel_dump_traceback_later()
        pipe.send_bytes(reply)


def _leave_with_parent() -> None:
    """End at once when standard input does: it closes with the parent, however that went."""
    os.read(0, 1)
    os._exit(0)


def live(pipe_fd: int, crash_fd: int, timeout_seconds: int) -> None:
    """Work for whoever holds the other end of the pipe; a crash is described in the file ``crash_fd``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's data
    faulthandler.enable(crash_fd)
    Thread(target=_leave_with_parent, daemon=True).start()
    serve(Connection(pipe_fd), crash_fd, timeout_seconds)
