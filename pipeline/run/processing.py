"""Planned series through the cluster, and those that follow from their results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.cluster.jobs import JobFailure, Task
from pipeline.output.state import Finished
from pipeline.plan.plan import PlannedSeries, SeriesState, estimate_memory_mb, iterate_rounds
from pipeline.prepare.job import MEASURE, Job, Recipe, SeriesResult, refuse
from pipeline.report.options import PictureRequest
from pipeline.scan.series import ScannedSeries
from pipeline.vocabulary import Reason, Status

LACKS_SLICES = frozenset({Reason.TOO_FEW_SLICES, Reason.SLICE_GAP, Reason.SPACING_NONUNIFORM})
"""Reasons that may be those of files which the system refuses to read."""

if TYPE_CHECKING:
    from pipeline.cluster.dispatcher import Dispatcher


@dataclass(frozen=True)
class ProcessedSeries:
    """A series' result, the ``signature`` of its files, and the traceback where its worker met an internal error.

    ``headers`` is a digest of what was read of its headers, where it was processed; ``folder`` that of its files.
    """

    result: SeriesResult
    signature: str
    traceback: str | None = None
    headers: str = ""
    folder: str = ""


def process_series(
    dispatcher: "Dispatcher",
    task: Task[Job, SeriesResult],
    build_job: Callable[[ScannedSeries], Job],
    replan: Callable[[], Sequence[PlannedSeries]],
) -> Iterator[ProcessedSeries]:
    """Yield the result of each series that ``replan`` calls work, in order of completion, the largest begun first.

    Then those that follow: where a series was refused, the next best of its study is work too.  So the caller keeps
    each result before it asks for the next.
    """
    for plans in iterate_rounds(replan):
        scanned = {plan.series_key: plan.scanned for plan in plans if plan.scanned}
        jobs = (_with_memory(build_job(one)) for one in scanned.values())
        for job, result in dispatcher.run(task, jobs, len(scanned)):
            yield _processed(job, result, scanned[job.record.series_key])


def build_job(scanned: ScannedSeries, recipe: Recipe, folder: str = "", pictures: PictureRequest | None = None) -> Job:
    """Return what a worker is sent for a series; its store, if it gets one, is written in ``folder``."""
    record = replace(scanned.record, config_hash=recipe.config_hash, code_version=recipe.code_version)
    return Job(scanned.series, record, scanned.warnings, recipe, folder, masks=scanned.masks, pictures=pictures)


def _with_memory(job: Job) -> Job:
    """Return the job with what it will take, so that the cluster knows which jobs not to run side by side."""
    return replace(job, memory_mb=estimate_memory_mb(job.series, job.recipe))


def _processed(job: Job, result: SeriesResult | JobFailure, scanned: ScannedSeries) -> ProcessedSeries:
    details, traceback = scanned.details, None
    if isinstance(result, JobFailure):
        traceback = result.traceback
        result = refuse(job.record, job.series, result.reason, result.detail)
    elif scanned.n_unreadable and result.record.reason in LACKS_SLICES:
        lacking = f"the system refuses {scanned.n_unreadable} files or folders beside it"
        detail = f"{lacking}; without them {result.record.detail}"
        result = refuse(job.record, job.series, Reason.UNREADABLE, detail)
    headers = details.headers if result.record.status is Status.OK else ""
    return ProcessedSeries(result, scanned.signature, traceback, headers, details.folder)


def find_same_content(
    dispatcher: "Dispatcher", plans: Sequence[PlannedSeries], finished: Mapping[str, Finished], recipe: Recipe
) -> Iterator[PlannedSeries]:
    """Yield the series whose files changed by name or time alone, as by a copy: their headers and pixels are the same.

    Only where all headers are the same are pixels read.  Of a series with masks it may be those that changed: it is
    prepared again.
    """
    moved = {}
    for plan in plans:
        known, scanned = finished.get(plan.series_key), plan.scanned
        if plan.state is not SeriesState.CHANGED or not plan.is_work or known is None or scanned is None:
            continue
        if known.record.fingerprint and not scanned.masks and known.headers == scanned.details.headers:
            moved[plan.series_key] = plan
    if not moved:
        return
    jobs = (_with_memory(build_job(plan.scanned, recipe)) for plan in moved.values() if plan.scanned)
    for job, result in dispatcher.run(MEASURE, jobs, len(moved)):
        key = job.record.series_key
        if not isinstance(result, JobFailure) and result.record.fingerprint == finished[key].record.fingerprint:
            yield moved[key]
