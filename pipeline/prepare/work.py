"""What workers are asked to do, by name: all that it needs is imported where it is done, and nowhere else."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.prepare.job import Job, SeriesResult


def process(job: "Job") -> "SeriesResult":
    """Turn one series into a store and its record, or into a record with the reason why there is none."""
    from pipeline.prepare import series  # noqa: PLC0415  decoders, loops and zarr: seconds that only a worker needs

    return series.process(job)


def warm() -> None:
    """Load what the first series would otherwise wait for; the process that workers are copied from calls it once."""
    from pipeline.prepare import series  # noqa: PLC0415  as above

    series.warm()
