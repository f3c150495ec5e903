"""Workers that a job queue starts: SLURM, PBS, LSF or SGE, through dask-jobqueue."""

import logging
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from typing import Any, Final

import dask
from distributed import Client, Security, Status

from pipeline.cluster.jobs import JobLimits
from pipeline.cluster.options import ClusterOptions, Folders
from pipeline.cluster.quiet import hold_interrupts
from pipeline.cluster.remote import await_worker, security_of
from pipeline.errors import ClusterError, UsageError

with hold_interrupts():  # from its import on, dask-jobqueue would answer Ctrl-C itself
    import dask_jobqueue
    from dask_jobqueue.core import JobQueueCluster

AUTOMATIC_WORKERS: Final = 8
"""What ``workers: auto`` asks a queue for; a queue is shared, and more is for the user to say."""

WORKER_MB: Final = 512
"""What a worker holds beside its job."""

SAFE_PATH: Final = "-P"
"""No folder of where the program was started stands in for a module of the same name."""

LONGEST_STAGGER_SECONDS: Final = 240
"""Within so much time workers leave one after the other, and so much before the queue would end the last."""

MOST_LINES: Final = 6
"""Of what a queue says when it takes no job."""

SCHEDULER_PLACE: Final = "tls://this-machine:0"
"""Stands in a job script that is only shown."""

_LOOPBACK: Final = "127.0.0.1"
_CLUSTERS: Final = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}


def connect_queue(
    stack: ExitStack, options: ClusterOptions, limits: JobLimits, folders: Folders, n_jobs: int | None
) -> tuple[Client, Callable[[int | None], None]]:
    """Ask the queue for workers and wait for the first; return a client, and what asks for more workers.

    Others are asked for where some come to the end of their time.  The scheduler listens on the loopback interface
    unless ``options`` name another, and always asks for a certificate unless ``insecure`` is set.  Raises ClusterError
    where the queue gives no worker, UsageError where an option is unknown.
    """
    refusals: list[str] = []
    stack.enter_context(folders.hold_keys())
    cluster = _start_cluster(options, settings_of(options, limits, folders), refusals)
    stack.callback(_remove_keys, cluster)
    stack.enter_context(cluster)
    client = stack.enter_context(closing(Client(cluster)))
    most = AUTOMATIC_WORKERS if options.workers == "auto" else options.workers
    n_requested = 0

    def request_workers(n_jobs: int | None) -> None:
        """Have as many workers as there are jobs; those that are there stay."""
        nonlocal n_requested
        n_workers = min(most, most if n_jobs is None else n_jobs)
        if n_workers > n_requested:
            cluster.adapt(minimum=n_workers, maximum=n_workers)
            n_requested = n_workers

    def check_queue() -> None:
        if len(refusals) >= n_requested:
            msg = f"{options.kind} takes no job: {refusals[-1]}"
            raise ClusterError(msg)

    request_workers(n_jobs)
    advice = "look at the queue; workers must reach this machine (cluster.options.interface); cluster.wait_seconds"
    await_worker(client, options.patience_seconds, advice, check_queue)
    return client, request_workers


def _start_cluster(options: ClusterOptions, settings: Mapping[str, Any], refusals: list[str]) -> JobQueueCluster:
    kind = _cluster_class(options)
    watched = _watched(kind.job_cls, refusals)
    try:
        cluster: JobQueueCluster = kind(job_cls=watched, **settings, **_scheduler_settings(options))
    except (TypeError, ValueError) as error:
        raise _wrong(options, error) from error
    except (OSError, RuntimeError) as error:
        msg = f"the scheduler for {options.kind} did not start ({type(error).__name__})"
        raise ClusterError(msg) from error
    return cluster


def _remove_keys(cluster: JobQueueCluster) -> None:
    """Remove the certificates that dask-jobqueue wrote for workers, also where an option names a folder for them."""
    for part in ("ca_file", "cert", "key"):
        if file := getattr(cluster, f"_job_{part}", None):
            with suppress(FileNotFoundError):
                file.close()


def _watched(job_class: Any, refusals: list[str]) -> Any:
    """Return a kind of job that keeps what the queue says where it is not taken."""
    submit = job_class._submit_job  # noqa: SLF001 - dask-jobqueue only logs what goes wrong here

    async def _submit_job(job: Any, script: str) -> Any:
        try:
            if getattr(job, "use_stdin", False):  # LSF's; dask-jobqueue would throw away what the queue says
                words = [f"{job.submit_command} < {shlex.quote(script)}"]
                return await job._call(words, shell=True)  # noqa: S604, SLF001  as dask-jobqueue does
            return await submit(job, script)
        except (OSError, RuntimeError) as error:
            job.status = Status.failed  # or the cluster could not be closed
            refusals.append(describe_refusal(error))
            raise

    return type(job_class.__name__, (job_class,), {"_submit_job": _submit_job})


def describe_refusal(error: Exception) -> str:
    """Return what a queue's command said when it took no job: dask-jobqueue quotes it at the end of its message."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    match = re.search(r"\nstdout:\n(?P<output>.*)\nstderr:\n(?P<errors>.*)", str(error), re.DOTALL)
    said = (match["errors"].strip() or match["output"].strip()) if match else str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip() not in {"", "Exiting."}]
    return "; ".join(lines[-MOST_LINES:]) or "it did not say why"


def job_script(options: ClusterOptions, limits: JobLimits) -> str:
    """Return the script that the queue is given for each worker; raises UsageError where an option is unknown."""
    settings = settings_of(options, limits, Folders())
    settings.pop("shared_temp_directory", None)  # the cluster's, not the job's
    try:
        job = _cluster_class(options).job_cls(scheduler=SCHEDULER_PLACE, name="ctprep-worker", **settings)
    except (TypeError, ValueError) as error:
        raise _wrong(options, error) from error
    return str(job.job_script())


def settings_of(options: ClusterOptions, limits: JobLimits, folders: Folders) -> dict[str, Any]:
    """Return the settings for dask-jobqueue: a process per core with room for one job, and what ``options`` say."""
    asked = {key: value for key, value in options.options.items() if key != "scheduler_options"}
    n_cores = int(asked.get("cores", 1))
    megabytes = (limits.memory_bytes >> 20) + WORKER_MB
    settings = {"cores": n_cores, "processes": n_cores, "memory": f"{megabytes * n_cores}MiB", "job_name": "ctprep"}
    if folders.written:
        folder = folders.written.absolute()
        settings |= {"shared_temp_directory": str(folders.keys), "log_directory": str(folder / "workers")}
    python = asked.pop("python", None) or dask.config.get(f"jobqueue.{options.kind}.python") or sys.executable
    extra = [*_lifetime(options), *asked.pop("worker_extra_args", [])]
    return settings | asked | {"python": f"{python} {SAFE_PATH}", "worker_extra_args": extra}


def _scheduler_settings(options: ClusterOptions) -> dict[str, Any]:
    asked = options.options.get("scheduler_options", {})
    place = {} if "interface" in options.options else {"host": _LOOPBACK}
    pages = {"dashboard": options.dashboard, "dashboard_address": f"{_LOOPBACK}:0"}
    security = None if options.insecure else security_of(options) or Security.temporary()
    return {"scheduler_options": pages | place | asked, "security": security, "silence_logs": logging.CRITICAL}


def _lifetime(options: ClusterOptions) -> list[str]:
    """Let a worker leave before the queue ends it, not all at once, and so lose no work."""
    key = f"jobqueue.{options.kind}.walltime"
    seconds = walltime_seconds(options.kind, str(options.options.get("walltime", dask.config.get(key))))
    stagger = min(seconds // 10, LONGEST_STAGGER_SECONDS)
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
