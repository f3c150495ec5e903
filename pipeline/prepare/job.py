"""The job sent to a worker, with the slices of a series, and its result, with a record."""

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from pipeline.cluster.jobs import Task
from pipeline.dicom.headers.slice import Series
from pipeline.dicom.policy import Policy
from pipeline.dicom.series.outcomes import describe_refused
from pipeline.features.statistics import Histogram
from pipeline.masks.sources import MaskSource
from pipeline.privacy import PseudonymKey
from pipeline.program.step import Step
from pipeline.record import SeriesRecord, SliceOutcome
from pipeline.report.options import PictureRequest
from pipeline.store.layout import StoreOptions
from pipeline.vocabulary import Reason, SeriesWarning


@dataclass(frozen=True)
class Recipe:
    """The options that are the same for every series of a run."""

    policy: Policy
    steps: tuple[Step, ...]
    store: StoreOptions
    config_hash: str
    code_version: str
    key: PseudonymKey
    cache_bytes: int = 0


@dataclass(frozen=True)
class Job:
    """A job for a worker: the slices of a series, its record so far, and the folder to write its store in.

    ``memory_mb`` is the most that it is expected to take, None where no estimate is possible; ``masks`` are the places
    where the series may have some.  ``pictures`` are asked for where a report is to show the series.
    """

    series: Series
    record: SeriesRecord
    warnings: frozenset[SeriesWarning]
    recipe: Recipe
    folder: str
    memory_mb: float | None = None
    masks: tuple[MaskSource, ...] = ()
    pictures: PictureRequest | None = None


@dataclass(frozen=True)
class SeriesResult:
    """What comes back: a record, the outcome of each slice, the source's HU histogram, and the folder of the store."""

    record: SeriesRecord
    slices: tuple[SliceOutcome, ...]
    histogram: Histogram | None = None
    folder: str | None = None


def _label(job: Job) -> str:
    return job.record.series_key


_memory_mb = attrgetter("memory_mb")

PREPARE: Final[Task[Job, SeriesResult]] = Task("prepare", "pipeline.prepare.series:process", _label, _memory_mb)
"""Turn a series into a store and its record, or into a record with the reason why there is none."""

MEASURE: Final[Task[Job, SeriesResult]] = Task("measure", "pipeline.prepare.source:measure_series", _label, _memory_mb)
"""Read a series as `PREPARE` does, and write nothing."""


def refuse(record: SeriesRecord, series: Series, reason: Reason, detail: str) -> SeriesResult:
    """Return the result of a series that has no store, with the reason."""
    record = replace(record, status=reason.status, reason=reason, detail=detail)
    return SeriesResult(record, describe_refused(series, reason))
