"""One run: open, scan, plan, prepare, publish, report.  Knows no pixels and no Dask."""

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from shutil import disk_usage
from typing import TYPE_CHECKING, Any

from pipeline.cluster.warmup import format_trace
from pipeline.cohort.cohort import counts_by_split, describe_shares
from pipeline.config import config_hash, load
from pipeline.config.model import Config
from pipeline.errors import DamageError, OutputError, UsageError, exit_code_for
from pipeline.features.statistics import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.output.state import Finished, OutputState
from pipeline.output.summary import Summary, exit_code_of, find_common_failure
from pipeline.plan.plan import (
    PlannedSeries,
    SeriesState,
    Versions,
    count_failures,
    count_states,
    describe_missing,
    estimate_bytes,
    has_no_ct_left,
    is_kept,
    plan_series,
)
from pipeline.plan.recipe import build_recipe, select_series, versions_of
from pipeline.plan.selection import Selection, slice_count_before
from pipeline.prepare import PRELOAD
from pipeline.prepare.job import PREPARE, Job, Recipe, SeriesResult, refuse
from pipeline.record import SeriesRecord
from pipeline.report.options import PictureRequest
from pipeline.run.history import History, notify_at_end
from pipeline.run.processing import ProcessedSeries, build_job, find_same_content, process_series
from pipeline.run.publish import Published, publish_run
from pipeline.run.session import Listener, Session, open_session
from pipeline.run.unchanged import LastRun
from pipeline.scan.contents import describe_contents
from pipeline.scan.files import FileCounts
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.vocabulary import ExitCode, Reason, Status

if TYPE_CHECKING:
    from pipeline.cluster.dispatcher import Dispatcher

FULL = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))
"""How the detail of a series ends whose store found no room: that of any other would not either."""
RETRIED = frozenset({Status.REJECTED, Status.FAILED})


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and the manifest as it now stands."""

    exit_code: ExitCode
    output: OutputFolder
    summary: Summary
    records: tuple[SeriesRecord, ...] = ()


def run(config: Config, listener: Listener) -> Outcome:
    """Carry a configuration out.

    Raises UsageError where it cannot be carried out (nothing was written), LockedError where another run holds the
    output, OutputError where that is not writable or full, ClusterError where the cluster is lost.  However it ends,
    what was finished is kept and recorded.
    """
    with notify_at_end(config.on_finish, listener.says) as notify, open_session(config, listener) as session:
        return _carry_out(session, History(session.output, notify))


def retry(output: OutputFolder, reasons: Collection[Reason], listener: Listener) -> Outcome:
    """Run as the last run was configured, with rejected or failed series as new; of one of ``reasons``, or all.

    Raises UsageError where there is no such configuration, else as `run` does.
    """
    if not output.private_config.exists():
        msg = f"{output.root} holds no private/config.yaml: it is no output of `ctprep run`"
        raise UsageError(msg)
    config = load(output.private_config, output=output.root)
    with notify_at_end(config.on_finish, listener.says) as notify, open_session(config, listener) as session:
        state = OutputState.open(output, session.database)
        keys = [key for key, found in state.finished.items() if _is_retried(found.record, reasons)]
        LastRun(session).remove()
        state.forget(keys)
        listener.says(f"{len(keys)} series are tried again")
        return _carry_out(session, History(session.output, notify))


def _is_retried(record: SeriesRecord, reasons: Collection[Reason]) -> bool:
    return record.status in RETRIED and (not reasons or record.reason in reasons)


def _carry_out(session: Session, history: History) -> Outcome:
    last = LastRun(session)
    with _record_stop(session, history):
        listing = session.list_files()
    if summary := last.read(listing):
        return _repeat(session, history, summary)
    if listing.n_files:  # what is not mounted is not forgotten
        last.remove()
    with session.open_cluster(PRELOAD) as dispatcher:
        return _Run.of(session, dispatcher, history).carry_out(listing, last)


@contextmanager
def _record_stop(session: Session, history: History) -> Iterator[None]:
    """Write run.json also where the run is stopped before it can publish anything: the manifest stands as it was."""
    try:
        yield
    except UsageError:
        raise
    except BaseException as error:
        records: Sequence[SeriesRecord] = ()
        with suppress(UsageError, DamageError):
            records = read_records(session.output)
        extra = _unchanged_figures(session.output, records) | {"tracebacks": [format_trace(error)]}
        history.write(history.summarise(records, exit_code_for(error), config_hash(session.config), extra))
        raise


def _unreadable(found: Scan) -> dict[str, int] | None:
    return asdict(found.unreadable) if found.unreadable else None


def _unchanged_figures(output: OutputFolder, records: Sequence[SeriesRecord]) -> dict[str, Any]:
    """Return what the summary of a run holds that has published nothing."""
    return {"slice_count": slice_count_before(output), "splits": counts_by_split(records)}


def _repeat(session: Session, history: History, summary: Summary) -> Outcome:
    """End a run that found nothing new: all that the last one wrote stands."""
    session.listener.begins(0, summary["plan"][SeriesState.DONE])
    written = history.write(history.repeat(summary))
    return Outcome(ExitCode(written["exit_code"]), session.output, written, tuple(read_records(session.output)))


@dataclass(frozen=True)
class _Run:
    """What stays the same while a run goes on; only ``state`` grows, a series at a time."""

    session: Session
    dispatcher: "Dispatcher"
    history: History
    state: OutputState
    recipe: Recipe
    versions: Versions

    @classmethod
    def of(cls, session: Session, dispatcher: "Dispatcher", history: History) -> "_Run":
        recipe, versions = build_recipe(session.config, session.key), versions_of(session.config)
        return cls(session, dispatcher, history, OutputState.open(session.output, session.database), recipe, versions)

    def carry_out(self, listing: FileCounts, last: LastRun) -> Outcome:
        """Scan, plan, prepare, publish, report; what ends it early, what was finished is published first."""
        with _record_stop(self.session, self.history):
            found = self.session.scan(self.dispatcher, listing)
        if not found.has_ct:
            self.session.listener.says(f"No CT image was found, but {describe_contents(found)}.")
        if has_no_ct_left(found, self.state.finished):
            return self._end_without_input(found)
        selection = select_series(self.session.config, found, self.session.output)
        plans = self._plans(selection)
        account: dict[str, Any] = {"slice_count": selection.slice_count, "plan": count_states(plans)}
        account["unreadable"] = _unreadable(found)
        tracebacks: list[str] = []
        try:
            if self._adopt_moved(plans):
                account["plan"] = count_states(self._plans(selection))
            for processed in self._prepare(selection):
                self._keep(processed)
                tracebacks += [processed.traceback] if processed.traceback else []
            published = self._publish(selection)
            if place := find_common_failure(published.records):
                self.session.listener.says(f"Every series failed with the same internal error of ctprep: {place}.")
            code = exit_code_of(published.records, saw_ct=found.has_ct)
            summary = self._summarise(published, code, account | {"tracebacks": tracebacks})
            self._report(published.records, summary, published.histograms)
            summary = self.history.write(summary)
        except BaseException as error:
            tracebacks.append(format_trace(error))
            account["tracebacks"] = tracebacks
            self.history.write(self._summarise(self._publish(selection), exit_code_for(error), account))
            raise
        self._remember(last, selection, summary)
        return Outcome(code, self.session.output, summary, published.records)

    def _end_without_input(self, found: Scan) -> Outcome:
        """End a run whose input holds no CT: nothing is changed but the account of runs."""
        self.session.listener.says("The input holds no CT (is it mounted?); nothing was changed.")
        output = self.session.output
        records = tuple(known.record for known in self.state.finished.values())
        code = exit_code_of(records, saw_ct=False)
        extra = _unchanged_figures(output, records) | {"unreadable": _unreadable(found)}
        summary = self.history.summarise(records, code, self.recipe.config_hash, extra)
        return Outcome(code, output, self.history.write(summary), records)

    def _plans(self, selection: Selection) -> list[PlannedSeries]:
        return plan_series(selection, self.state.finished, self.versions)

    def _adopt_moved(self, plans: Sequence[PlannedSeries]) -> int:
        """Keep what is done of series whose files were only moved or copied; return how many there are."""
        n_moved = 0
        for plan in find_same_content(self.dispatcher, plans, self.state.finished, self.recipe):
            if plan.scanned:
                self.state.adopt_signature(plan.series_key, plan.scanned.signature)
                n_moved += 1
        return n_moved

    def _prepare(self, selection: Selection) -> Iterator[ProcessedSeries]:
        """Yield each series that the headers refuse, then those that were processed, then those left out for another.

        The caller keeps each at once: what follows depends on it.
        """
        plans, listener = self._plans(selection), self.session.listener
        job = partial(self._job, n_series=len(selection.scan.series))
        for message in describe_missing(self.session.config.input, selection.scan, plans):
            listener.says(message)
        if warning := self._describe_space(plans):
            listener.says(warning)
        n_done = sum(plan.state is SeriesState.DONE for plan in plans)
        listener.begins(sum(plan.is_work for plan in plans), n_done, self.dispatcher.describe())
        yield from self._refuse(plan for plan in plans if not plan.is_left_out)
        yield from process_series(self.dispatcher, PREPARE, job, partial(self._plans, selection))
        yield from self._refuse(self._plans(selection))
        self.state.recover_stores()  # a worker that died left what it was writing

    def _describe_space(self, plans: Sequence[PlannedSeries]) -> str | None:
        """Say that the new stores may not fit on the disk of the output; None where they do."""
        root = self.session.output.root
        free, wanted = disk_usage(root).free, estimate_bytes(plans, self.recipe)
        if self.session.output.remote or wanted <= free:
            return None
        sizes = f"the stores will take {wanted / 1e6:.0f} MB before compression, and {free / 1e6:.0f} MB are free"
        return f"The disk may be too small: {sizes} in {root}. The run goes on until it is full."

    def _job(self, scanned: ScannedSeries, n_series: int = 0) -> Job:
        """Return the job of one of so many series."""
        output, options = self.session.output, self.session.config.report
        key = scanned.series_key
        pictures = None
        if options.enabled and options.pictures and options.is_in_sample(key, n_series):
            pictures = PictureRequest(str(output.series_report(key).absolute()), options.animations)
        return build_job(scanned, self.recipe, str(output.unfinished_store(key).absolute()), pictures)

    def _refuse(self, plans: Iterator[PlannedSeries] | Sequence[PlannedSeries]) -> Iterator[ProcessedSeries]:
        for plan in plans:
            if plan.scanned and plan.is_refusal:
                folder = plan.scanned.details.folder
                yield ProcessedSeries(self._unprocessed(plan.scanned), plan.scanned.signature, folder=folder)

    def _unprocessed(self, scanned: ScannedSeries) -> SeriesResult:
        """Return the result of a series whose pixels were not read."""
        reason, detail = scanned.refusal or (Reason.CANCELLED, "the run ended before it")
        return refuse(self._job(scanned).record, scanned.series, reason, detail)

    def _keep(self, processed: ProcessedSeries) -> None:
        """Put a result into the output's state, where it survives this process."""
        result, versions = processed.result, self.versions
        now = Finished(
            result.record,
            processed.signature,
            versions.rules,
            result.slices,
            result.histogram,
            versions.stages,
            headers=processed.headers,
        )
        before = self.state.finished.get(result.record.series_key)
        finished = count_failures(now, before, versions.retries)
        self.state.commit(finished, result.folder)
        self.session.listener.finished(finished.record, processed.folder)
        if result.record.reason is Reason.OUTPUT_IO and (result.record.detail or "").endswith(FULL):
            msg = "the disk of the output is full: make room and run again; what is finished is kept"
            raise OutputError(msg)

    def _publish(self, selection: Selection) -> Published:
        """Write every table; a series not reached has its row too, a gone one as long as its store is kept."""
        self.session.listener.publishes("writing the tables")
        records = []
        for plan in self._plans(selection):
            known = self.state.finished.get(plan.series_key)
            if known and is_kept(plan, known):
                records.append(replace(known.record, present=plan.state is not SeriesState.GONE))
            elif known is None and plan.scanned:
                records.append(self._unprocessed(plan.scanned).record)
        published = publish_run(self.session, records, selection.scan, self.state)
        for join in published.joins:
            self.session.listener.says(join.message)
        if uneven := describe_shares(published.records, self.session.config.manifest.split):
            self.session.listener.says(uneven)
        return published

    def _summarise(self, published: Published, code: ExitCode, account: Mapping[str, Any]) -> Summary:
        extra = {
            "slice_count": account["slice_count"],
            "plan": account["plan"],
            "splits": counts_by_split(published.records),
            "unreadable": account["unreadable"],
            "labels": [join.summarise() for join in published.joins],
            "tracebacks": account["tracebacks"],
        }
        return self.history.summarise(published.records, code, self.recipe.config_hash, extra)

    def _report(self, records: Sequence[SeriesRecord], summary: Summary, histograms: Mapping[str, Histogram]) -> None:
        options = self.session.config.report
        if options.enabled:
            self.session.listener.publishes("writing the report")
            from pipeline.report.page import write_report  # noqa: PLC0415  jinja2, Pillow, zarr: for who wants a report

            write_report(self.session.output, records, summary, options, histograms)

    def _remember(self, last: LastRun, selection: Selection, summary: Summary) -> None:
        """Let the next run skip everything, if it would find the same and have nothing to do."""
        plans = self._plans(selection)
        is_settled = not any(plan.is_work for plan in plans)
        last.write(selection.scan, summary | {"plan": count_states(plans)}, is_settled=is_settled)
