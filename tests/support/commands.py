"""Commands of the program, each a process of its own, that share one start: the libraries are imported once.

Each is a copy of a process that has imported libraries and nothing of the program: what the program imports, and in
what order, is as in a process that a user starts.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

SERVER = """
import json, os, sys
import distributed, numba, numpy, PIL.Image, pyarrow.parquet, pydantic, pydicom, rich.table, scipy.ndimage, yaml, zarr
for line in sys.stdin:
    words, folder, *streams = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, stream in enumerate(streams, 1):
            os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv[1:] = words
        from pipeline.cli import main
        sys.exit(main())
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Commands:
    """Calls commands one after the other, in one folder."""

    def __init__(self, server: "subprocess.Popen[str]", folder: Path, logs: Path) -> None:
        self._server, self._folder = server, folder
        self._streams = [logs / "stdout", logs / "stderr"]

    def __call__(self, *words: str) -> CompletedProcess[str]:
        """Return how a command ended, and what it printed."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps([words, *map(str, (self._folder, *self._streams))]) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return CompletedProcess(["ctprep", *words], code, *(stream.read_text() for stream in self._streams))


@contextmanager
def commands(folder: Path, logs: Path) -> Iterator[Commands]:
    """Start what commands are copied from."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-P", "-c", SERVER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        yield Commands(server, folder, logs)
        assert server.stdin is not None
        server.stdin.close()
