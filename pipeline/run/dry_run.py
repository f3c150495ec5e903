"""A dry run: what a run would do with each series, and what would come out; writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.cluster.jobs import JobFailure
from pipeline.config import Config
from pipeline.output.state import OutputState, SeriesTable
from pipeline.output.tables import read_table
from pipeline.plan.plan import (
    GONE,
    PlannedSeries,
    SeriesState,
    describe_processed,
    describe_program,
    describe_volume,
    estimate_program,
    plan_series,
)
from pipeline.plan.recipe import build_recipe, select_series, versions_of
from pipeline.prepare.job import MEASURE, Recipe
from pipeline.program.explain import explain
from pipeline.record import SeriesRecord
from pipeline.run.processing import build_job
from pipeline.run.session import Listener, NoListener, Session, open_session
from pipeline.run.unchanged import LastRun
from pipeline.scan import PRELOAD
from pipeline.scan.files import FileCounts, FileTable

if TYPE_CHECKING:
    from pipeline.cluster.dispatcher import Dispatcher

STAYS = "its store stays until gc"
OTHER_CONTENT = "its files hold something else, though their sizes and times are the same: touch them"


@dataclass(frozen=True)
class SeriesPreview:
    """What a run would do with one series; ``program`` is its steps, a line each, ``folder`` that of its files.

    ``n_bytes`` is what a new store takes before compression.
    """

    series_key: str
    state: SeriesState
    why: str
    expectation: str
    program: tuple[str, ...] = ()
    folder: str = ""
    n_bytes: int = 0


def dry_run(
    config: Config, listener: Listener | None = None, *, deep: bool = False, explains: bool = True
) -> Iterator[SeriesPreview]:
    """Yield what would be done with each series, in order of series_key.

    Where ``explains`` is False, programs are left out; then nothing is read but what the output holds, if neither the
    files nor the configuration have changed since a run that left nothing to do.
    With ``deep`` every header is read again, also where size and time of its file are the same, and so are the pixels
    of each series that is done: its fingerprint tells whether its content changed.  An output that has no pseudonym key
    yet gets one at its first run; until then series have passing keys.
    """
    with open_session(config, listener or NoListener(), writes=False) as session:
        listing = session.list_files()
        if not (deep or explains) and LastRun(session).read(listing):
            yield from _preview_unchanged(session)
            return
        recipe, state = build_recipe(session.config, session.key), OutputState.load(session.output, session.database)
        with session.open_cluster(PRELOAD, writes=False) as dispatcher:
            plans = _plan(session, dispatcher, state, listing, deep=deep)
            if deep:
                plans = _compare_content(plans, state, recipe, dispatcher)
        for plan in plans:
            yield _preview(plan, recipe, explains=explains)


def _preview_unchanged(session: Session) -> Iterator[SeriesPreview]:
    """Yield what the last run left: every series is done, or gone."""
    there = {row["series_key"] for row in read_table(session.output.index, ["series_key"])}
    for key, found in SeriesTable(session.database).iterate():
        if key in there:
            state, why = describe_processed(found, session.config.limits.retries)
            yield SeriesPreview(key, state, why, _describe_record(found.record))
        else:
            yield SeriesPreview(key, SeriesState.GONE, GONE, STAYS)


def _describe_record(record: SeriesRecord) -> str:
    """Return in words what came of a series."""
    if record.shape is None or record.dtype is None:
        return f"{record.reason}: {record.detail}"
    return describe_volume(record.shape, record.dtype)


def _plan(
    session: Session, dispatcher: "Dispatcher", state: OutputState, listing: FileCounts, *, deep: bool
) -> list[PlannedSeries]:
    if deep:
        FileTable(session.database).forget()
    found = session.scan(dispatcher, listing)
    selection = select_series(session.config, found, session.output)
    return plan_series(selection, state.finished, versions_of(session.config))


def _compare_content(
    plans: Sequence[PlannedSeries], state: OutputState, recipe: Recipe, dispatcher: "Dispatcher"
) -> list[PlannedSeries]:
    """Return the plans, those of series that are done as CHANGED where their files hold something else now."""
    made = {key: found.record.fingerprint for key, found in state.finished.items() if found.record.fingerprint}
    jobs = [
        build_job(plan.scanned, recipe)
        for plan in plans
        if plan.scanned and plan.state is SeriesState.DONE and plan.series_key in made
    ]
    changed = set()
    for job, result in dispatcher.run(MEASURE, jobs, len(jobs)):
        key = job.record.series_key
        if isinstance(result, JobFailure) or result.record.fingerprint != made[key]:
            changed.add(key)
    return [
        replace(plan, state=SeriesState.CHANGED, why=OTHER_CONTENT) if plan.series_key in changed else plan
        for plan in plans
    ]


def _preview(plan: PlannedSeries, recipe: Recipe, *, explains: bool) -> SeriesPreview:
    if plan.scanned is None:
        return SeriesPreview(plan.series_key, plan.state, plan.why, STAYS)
    folder = plan.scanned.details.folder
    if plan.scanned.refusal:
        return SeriesPreview(plan.series_key, plan.state, plan.why, ": ".join(plan.scanned.refusal), folder=folder)
    program = estimate_program(plan.scanned.series, recipe)
    if isinstance(program, str):
        return SeriesPreview(plan.series_key, plan.state, plan.why, program, folder=folder)
    expectation = describe_program(program, recipe)
    steps = tuple(explain(program)) if explains else ()
    n_bytes = program.nbytes if plan.is_work else 0
    return SeriesPreview(plan.series_key, plan.state, plan.why, expectation, steps, folder, n_bytes)
