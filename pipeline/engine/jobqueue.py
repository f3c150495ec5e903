"""Workers that a job queue starts: SLURM, PBS, LSF or SGE, through dask-jobqueue."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import dask_jobqueue
from dask_jobqueue.core import JobQueueCluster
from distributed import Security

from pipeline.engine.guard import Guard
from pipeline.engine.options import ClusterOptions
from pipeline.engine.remote import security_of
from pipeline.errors import ClusterError, UsageError

AUTOMATIC_WORKERS: Final = 8
"""What ``workers: auto`` asks a queue for; a queue is shared, and more is for the user to say."""

WORKER_MB: Final = 512
"""What a worker holds beside its job."""

SCHEDULER_PLACE: Final = "tls://this-machine:0"
"""Stands in a job script that is only shown."""

_LOOPBACK: Final = "127.0.0.1"
_CLUSTERS: Final = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}


@contextmanager
def queue_of(options: ClusterOptions, guard: Guard, n_jobs: int, shared: Sequence[Path]) -> Iterator[JobQueueCluster]:
    """Ask the queue for workers, and for others where some come to the end of their time.

    The scheduler listens on the loopback interface unless ``options`` name another, and always asks for a certificate
    unless ``insecure`` is set.  Raises ClusterError where the queue refuses, UsageError where an option is unknown.
    """
    settings = settings_of(options, guard, shared) | _scheduler_settings(options)
    n_workers = min(n_jobs, AUTOMATIC_WORKERS if options.workers == "auto" else options.workers)
    try:
        cluster = _cluster_class(options)(**settings)
    except (TypeError, ValueError) as error:
        raise _wrong(options, error) from error
    except (OSError, RuntimeError) as error:
        msg = f"the scheduler for {options.kind} did not start ({type(error).__name__}: {error})"
        raise ClusterError(msg) from error
    with cluster:
        cluster.adapt(minimum=n_workers, maximum=n_workers)
        yield cluster


def job_script(options: ClusterOptions, guard: Guard) -> str:
    """Return the script that the queue is given for each worker; raises UsageError where an option is unknown."""
    settings = settings_of(options, guard, ())
    for key in ("scheduler_options", "shared_temp_directory"):  # the cluster's, not the job's
        settings.pop(key, None)
    try:
        job = _cluster_class(options).job_cls(scheduler=SCHEDULER_PLACE, name="ctprep-worker", **settings)
    except (TypeError, ValueError) as error:
        raise _wrong(options, error) from error
    return str(job.job_script())


def settings_of(options: ClusterOptions, guard: Guard, shared: Sequence[Path]) -> dict[str, Any]:
    """Return what dask-jobqueue is told: a process a core with room for one job each, and what ``options`` say."""
    asked = dict(options.options)
    n_cores = int(asked.get("cores", 1))
    megabytes = (guard.memory_bytes >> 20) + WORKER_MB
    settings = {"cores": n_cores, "processes": n_cores, "memory": f"{megabytes * n_cores}MiB", "job_name": "ctprep"}
    if shared:
        folder = shared[0].absolute()
        settings |= {"shared_temp_directory": str(folder), "log_directory": str(folder / "workers")}
    extra = [*_lifetime(options.kind, asked.get("walltime")), *asked.pop("worker_extra_args", [])]
    return settings | asked | {"worker_extra_args": extra}


def _scheduler_settings(options: ClusterOptions) -> dict[str, Any]:
    asked = options.options.get("scheduler_options", {})
    place = {} if "interface" in options.options else {"host": _LOOPBACK}
    quiet = {"dashboard": False, "dashboard_address": f"{_LOOPBACK}:0"}
    security = None if options.insecure else security_of(options) or Security.temporary()  # type: ignore[no-untyped-call]
    return {"scheduler_options": quiet | place | asked, "security": security}


def _lifetime(kind: str, walltime: object) -> list[str]:
    """Let a worker leave before the queue ends it, not all at once, and so lose no work."""
    seconds = walltime_seconds(kind, "00:30" if kind == "lsf" else "00:30:00") if walltime is None else None
    seconds = walltime_seconds(kind, str(walltime)) if seconds is None else seconds
    stagger = min(seconds // 10, 240)
    return ["--lifetime", f"{seconds - 2 * stagger}s", "--lifetime-stagger", f"{stagger}s"]


def walltime_seconds(kind: str, walltime: str) -> int:
    """Read a walltime as its queue does; raises UsageError where it cannot be read.

    ``days-hours:minutes:seconds`` and its shorter forms; of two parts the first is hours for LSF and after days, else
    minutes; one part is minutes for SLURM and LSF, else seconds.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", walltime)
    if match is None:
        msg = f"cluster.options.walltime: {walltime!r} is no time such as 04:00:00"
        raise UsageError(msg)
    days, *parts = (int(part) for part in match.groups(default="-1"))
    parts = [part for part in parts if part >= 0]
    if days >= 0:
        hours, minutes, seconds = [*parts, 0, 0][:3]
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if len(parts) < 3 and (kind == "lsf" or (kind == "slurm" and len(parts) == 1)):
        parts = [*parts, 0]
    hours, minutes, seconds = [0, 0, *parts][-3:]
    return (hours * 60 + minutes) * 60 + seconds


def _cluster_class(options: ClusterOptions) -> Any:
    return getattr(dask_jobqueue, _CLUSTERS[options.kind])


def _wrong(options: ClusterOptions, error: Exception) -> UsageError:
    return UsageError(f"cluster.options are not what {options.kind} takes: {error}")
