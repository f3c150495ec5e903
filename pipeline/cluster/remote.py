"""The workers of a Dask scheduler that runs already, and what is asked of all workers on other machines.

Before the first job they are checked: they are there, of the same versions, and see the same folders.
"""

import os
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import monotonic
from typing import Any, Final, cast

from distributed import Client, Security

from pipeline import __version__
from pipeline.cluster.options import ClusterOptions, Folders
from pipeline.errors import ClusterError

CONNECT_SECONDS: Final = 10
"""A scheduler that runs answers in much less."""

LOOK_SECONDS: Final = 1.0

SAME_EVERYWHERE: Final = ("python", "distributed", "numpy", "ctprep")
"""What driver and workers must have in the same version: jobs are pickled, and the bytes of a store are numpy's."""


def connect_address(stack: ExitStack, options: ClusterOptions) -> Client:
    """Return a client of a scheduler that has a worker, closed with the stack; raises ClusterError otherwise."""
    try:
        client = Client(options.address, security=security_of(options), timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        why = "no scheduler answers there" + (", or it refuses this certificate" if options.tls else "")
        msg = f"{options.address} cannot be reached ({type(error).__name__}): {why}"
        raise ClusterError(msg) from error
    stack.enter_context(closing(client))
    await_worker(client, options.patience_seconds, f"start one with: dask worker {options.address}")
    return client


def security_of(options: ClusterOptions) -> Security | None:
    """Return the same certificate for every role; None where ``tls`` names none."""
    if options.tls is None:
        return None
    roles = ("client", "scheduler", "worker")
    files = {f"tls_{role}_{part}": options.tls[part] for role in roles for part in ("cert", "key")}
    return Security(tls_ca_file=options.tls["ca"], require_encryption=True, **files)


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


def check_workers(client: Client, folders: Folders) -> None:
    """Raise ClusterError where a worker is of other versions, or does not see a folder that it needs."""
    try:
        ours, theirs = _versions(client)
        check_versions(ours, theirs.items())
        for path in folders.read:
            _check_access(client, path, str(path.absolute()), os.R_OK)
        if folders.written:
            # Made just now: a folder of the same name on another machine does not hold it.
            with NamedTemporaryFile(dir=folders.written, prefix=".seen-") as made:
                _check_access(client, folders.written, made.name, os.W_OK)
    except OSError as error:
        msg = f"the workers of the cluster do not answer ({type(error).__name__})"
        raise ClusterError(msg) from error


def _check_access(client: Client, folder: Path, path: str, mode: int) -> None:
    for worker, has_access in client.run(os.access, path, mode).items():
        if not has_access:
            shared = "input and output must lie on a file system that all machines share"
            msg = f"worker {worker} does not see {folder}: {shared}"
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
    """Return the versions of this process and of each worker; one without ctprep has no version of it."""
    answer = cast("dict[str, Any]", client.get_versions())
    found = client.run(pkgutil.resolve_name, "pipeline:__version__", on_error="return")
    numbers = {worker: version for worker, version in found.items() if isinstance(version, str)}
    theirs = {worker: of["packages"] | {"ctprep": numbers.get(worker)} for worker, of in answer["workers"].items()}
    return answer["client"]["packages"] | {"ctprep": __version__}, theirs
