"""A job that takes its process with it: found again by its module's name where jobs are worked."""

import os
import signal

from pipeline.prepare.job import Job, SeriesResult
from pipeline.prepare.work import process


def deadly(job: Job) -> SeriesResult:
    """Work a series as always, but for one patient's, which kills its worker."""
    if job.series.slices[0].identity.patient_id == "p7":
        os.kill(os.getpid(), signal.SIGKILL)
    return process(job)
