"""Whether the workers of a cluster can do the work: they are there, of the same versions, and see the same folders."""

import os
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import monotonic
from typing import Any, Final, cast

from distributed import Client

from pipeline import __version__
from pipeline.errors import ClusterError

LOOK_SECONDS: Final = 1.0

SAME_EVERYWHERE: Final = ("python", "distributed", "numpy", "ctprep")
"""What driver and workers must have in the same version: jobs travel pickled, and the bytes of a store are numpy's."""


def await_worker(client: Client, seconds: float, advice: str, check: Callable[[], None] = lambda: None) -> None:
    """Wait for the first worker, as long as ``check`` raises nothing; raises ClusterError where none comes in time."""
    until = monotonic() + seconds
    while True:
        try:
            client.wait_for_workers(1, timeout=min(LOOK_SECONDS, seconds))
        except TimeoutError as error:
            check()
            if monotonic() < until:
                continue
            msg = f"no worker came to the cluster within {seconds:.0f} seconds; {advice}"
            raise ClusterError(msg) from error
        return


def check_workers(client: Client, shared: Sequence[Path]) -> None:
    """Raise ClusterError where a worker is of other versions, or does not see a folder that it needs.

    The first of ``shared`` is to be written in, the others to be read.
    """
    try:
        ours, theirs = _versions(client)
        unseen = [(worker, path) for path in shared for worker in _blind(client, path, written=path == shared[0])]
    except OSError as error:
        msg = f"the workers of the cluster do not answer ({type(error).__name__})"
        raise ClusterError(msg) from error
    check_versions(ours, theirs.items())
    for worker, path in unseen:
        msg = f"worker {worker} does not see {path}: input and output must lie on a file system that all machines share"
        raise ClusterError(msg)


def check_versions(ours: Mapping[str, Any], theirs: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Raise ClusterError for the first worker that has something else than this process."""
    for worker, packages in theirs:
        for package in SAME_EVERYWHERE:
            if ours[package] != packages.get(package):
                found = packages.get(package) or "none"
                msg = f"worker {worker} has {package} {found}, and this is {package} {ours[package]}: install the same"
                raise ClusterError(msg)


def _versions(client: Client) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return what this process has installed, and what each worker has; who has no ctprep tells no version of it."""
    told = cast("dict[str, Any]", client.get_versions())
    code = client.run(pkgutil.resolve_name, "pipeline:__version__", on_error="return")
    numbers = {worker: version for worker, version in code.items() if isinstance(version, str)}
    theirs = {worker: had["packages"] | {"ctprep": numbers.get(worker)} for worker, had in told["workers"].items()}
    return told["client"]["packages"] | {"ctprep": __version__}, theirs


def _blind(client: Client, path: Path, *, written: bool) -> list[str]:
    """Return the workers that do not see a folder; one to write in is asked for a file that was just made there."""
    with ExitStack() as stack:
        look, mode = str(path.absolute()), os.R_OK
        if written:
            look, mode = stack.enter_context(NamedTemporaryFile(dir=path, prefix=".seen-")).name, os.W_OK
        return [worker for worker, sees in client.run(os.access, look, mode).items() if not sees]
