"""Workers on other machines: those of a Dask scheduler that runs already, or those that a job queue starts."""

import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, cast

from distributed import Client, Security

from pipeline import __version__
from pipeline.engine.cluster import ClusterEngine, Guarding
from pipeline.engine.guard import Guard
from pipeline.engine.options import ClusterOptions
from pipeline.errors import ClusterError

CONNECT_SECONDS: Final = 10
"""A scheduler that runs answers in much less."""

SAME_EVERYWHERE: Final = ("python", "distributed", "numpy")
"""What driver and workers must have in the same version: jobs travel pickled, and the bytes of a store are numpy's."""

Versions = Mapping[str, str | None]


def remote_engine(
    options: ClusterOptions, guard: Guard, n_jobs: int, warm: bytes | None, shared: Sequence[Path]
) -> ClusterEngine:
    """Return an engine whose workers see the same folders as this process, the first of which is to be written in.

    How much memory a machine gives to how many workers is for its scheduler to know; ``guard`` limits each job.
    """

    def connect(stack: ExitStack) -> Client:
        client = _connected(stack, options, guard, n_jobs, shared)
        client.register_plugin(Guarding(guard, warm))
        return client

    return ClusterEngine(connect, options.patience_seconds, sys.maxsize)


def _connected(stack: ExitStack, options: ClusterOptions, guard: Guard, n_jobs: int, shared: Sequence[Path]) -> Client:
    """Return a client of workers that can do the work; raises ClusterError where there are none."""
    if options.kind == "address":
        client = stack.enter_context(closing(client_of(options)))
    else:
        from pipeline.engine.jobqueue import queue_of  # noqa: PLC0415 - an extra

        cluster = stack.enter_context(queue_of(options, guard, n_jobs, shared))
        client = stack.enter_context(closing(Client(cluster)))  # type: ignore[no-untyped-call]
    check_workers(client, options, shared)
    return client


def client_of(options: ClusterOptions) -> Client:
    """Connect to the scheduler at ``address``; raises ClusterError where it cannot be reached."""
    try:
        return Client(options.address, security=security_of(options), timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        why = "no scheduler answers there" + (", or it refuses this certificate" if options.tls else "")
        msg = f"{options.address} cannot be reached ({type(error).__name__}): {why}"
        raise ClusterError(msg) from error


def security_of(options: ClusterOptions) -> Security | None:
    """Return what encrypts and identifies both ends of every connection; None where ``insecure`` was asked for."""
    if options.tls is None:
        return None
    roles = ("client", "scheduler", "worker")
    files = {f"tls_{role}_{part}": options.tls[part] for role in roles for part in ("cert", "key")}
    return Security(tls_ca_file=options.tls["ca"], require_encryption=True, **files)  # type: ignore[no-untyped-call]


def check_workers(client: Client, options: ClusterOptions, shared: Sequence[Path]) -> None:
    """Raise ClusterError where no worker comes, or one is of other versions or does not see the shared folders."""
    seconds = options.patience_seconds
    try:
        client.wait_for_workers(1, timeout=seconds)
        told = cast("dict[str, Any]", client.get_versions())
        code = client.run(pkgutil.resolve_name, "pipeline:__version__", on_error="return")
        unseen = [(worker, path) for path in shared for worker in _blind(client, path, written=path == shared[0])]
    except TimeoutError as error:
        msg = f"no worker came to the cluster within {seconds:.0f} seconds; {_advice(options)}"
        raise ClusterError(msg) from error
    except OSError as error:
        msg = f"the workers of the cluster do not answer ({type(error).__name__})"
        raise ClusterError(msg) from error
    ours = told["client"]["packages"] | {"ctprep": __version__}
    for worker, theirs in told["workers"].items():
        _check_versions(worker, ours, theirs["packages"] | {"ctprep": _version(code.get(worker))})
    for worker, path in unseen:
        msg = f"worker {worker} does not see {path}: input and output must lie on a file system that all machines share"
        raise ClusterError(msg)


def _check_versions(worker: str, ours: Versions, theirs: Versions) -> None:
    for package in (*SAME_EVERYWHERE, "ctprep"):
        if ours[package] != theirs.get(package):
            found = theirs.get(package) or "none"
            msg = f"worker {worker} has {package} {found}, and this is {package} {ours[package]}: install the same"
            raise ClusterError(msg)


def _version(told: object) -> str | None:
    """Return what a worker told, None where it raised an error instead: it has no ctprep."""
    return told if isinstance(told, str) else None


def _blind(client: Client, path: Path, *, written: bool) -> list[str]:
    """Return the workers that do not see a folder; one to write in is asked for a file that was just made there."""
    with ExitStack() as stack:
        look, mode = str(path.absolute()), os.R_OK
        if written:
            look, mode = stack.enter_context(NamedTemporaryFile(dir=path, prefix=".seen-")).name, os.W_OK
        return [worker for worker, sees in client.run(os.access, look, mode).items() if not sees]


def _advice(options: ClusterOptions) -> str:
    if options.kind == "address":
        return "start one with: dask worker " + str(options.address)
    return "look at the queue, at cluster.options.interface (workers must reach this machine) and cluster.wait_seconds"
