"""A series that kills whatever process works it, where a child process can import it."""

import os
import signal

from pipeline.prepare.job import Job, SeriesResult
from pipeline.prepare.series import process

KILLER = "killer"
"""The folder of such a series."""


def process_or_die(job: Job) -> SeriesResult:
    """Work a series as ever; one that lies in the folder of killers ends its process, as a crashing decoder does."""
    if KILLER in job.series.slices[0].file.path:
        os.kill(os.getpid(), signal.SIGKILL)
    return process(job)
