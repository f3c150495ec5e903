"""Whether a cluster can be asked for here and now; looks, and starts nothing."""

import os
from importlib.util import find_spec

from pipeline.cluster.guard import Guard
from pipeline.cluster.options import ClusterOptions
from pipeline.errors import UsageError
from pipeline.limits import Limits

QUEUES = frozenset({"slurm", "pbs", "lsf", "sge"})


def check_cluster(options: ClusterOptions) -> None:
    """Raise UsageError where a certificate cannot be read, a package is missing, or a queue's option is unknown."""
    if options.is_remote:
        for part, path in (options.tls or {}).items():
            if not os.access(path, os.R_OK):
                msg = f"cluster.tls.{part}: {path} cannot be read"
                raise UsageError(msg)
    if options.kind in QUEUES and not (find_spec("dask_jobqueue") and find_spec("cryptography")):
        msg = f"cluster: {{kind: {options.kind}}} needs more packages: pip install 'ctprep[hpc]'"
        raise UsageError(msg)
    script_of(options, Limits())


def script_of(options: ClusterOptions, limits: Limits) -> str | None:
    """Return what a job queue will be given for each worker, None where there is no queue."""
    if options.kind not in QUEUES:
        return None
    from pipeline.cluster.jobqueue import job_script  # noqa: PLC0415 - an extra, and Dask with it

    return job_script(options, Guard.of(options, limits))
