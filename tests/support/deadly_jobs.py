"""A job that takes its process with it: workers import it by its dotted path."""

import os
import signal

from pipeline.prepare.job import Job, SeriesResult
from pipeline.prepare.series import process


def deadly(job: Job) -> SeriesResult:
    """Process a series as always, but for one patient's, which kills its worker."""
    if job.series.slices[0].identity.patient_id == "p7":
        os.kill(os.getpid(), signal.SIGKILL)
    return process(job)


def raise_key_error(job: Job) -> SeriesResult:
    """Fail as a program with a fault in it does, whatever the series holds."""
    raise KeyError(job.record.series_key)
