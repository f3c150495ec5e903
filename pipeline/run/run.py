"""One run: scan, plan, work what is new or changed, publish, report.  Knows no CT and no Dask."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pipeline.cluster import Engine, ForkServer, Lost, Pool, open_pool
from pipeline.cluster.child import trace
from pipeline.cohort.cohort import counts_by_split
from pipeline.config import Config, check_ready
from pipeline.errors import exit_code_for
from pipeline.features.histogram import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.manifest import read_records
from pipeline.output.state import Finished, Ledger
from pipeline.output.summary import Summary, exit_code_of
from pipeline.plan.estimate import memory_mb
from pipeline.plan.plan import Planned, State, counted, counts_of, in_turns, is_kept, settled
from pipeline.plan.recipe import choice_of, key_of, recipe_of, scan_of, shared_folders, versions_of
from pipeline.plan.selection import Choice, slice_count_before
from pipeline.prepare.job import Job, SeriesResult, refuse
from pipeline.prepare.work import process, warm
from pipeline.record import SeriesRecord
from pipeline.run.history import Chronicle
from pipeline.run.missing import has_vanished, told_of_vanished
from pipeline.run.notify import telling
from pipeline.run.publish import Published, Publisher
from pipeline.run.session import working_copy
from pipeline.run.unchanged import LastRun
from pipeline.scan.series import Scan
from pipeline.vocabulary import ExitCode, Reason


class Listener(Protocol):
    """Hears how a run goes on."""

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Be told how many series are to be worked, how many need no work, and in words who works them."""

    def finished(self, record: SeriesRecord) -> None:
        """Be told of a series that was worked."""

    def says(self, message: str) -> None:
        """Be told what a person should know."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and the manifest as it now stands."""

    exit_code: ExitCode
    output: OutputFolder
    summary: Summary
    records: tuple[SeriesRecord, ...] = ()


def run(config: Config, listener: Listener, server: ForkServer | None = None) -> Outcome:
    """Carry a configuration out.

    Raises UsageError where it cannot be carried out (nothing was written), LockedError where another run holds the
    output, OutputError where that is not writable or full, ClusterError where the cluster is lost.  Whatever ends it,
    what was finished is kept and recorded.  A ``server`` that was started ahead is used, and closed.
    """
    check_ready(config)
    with telling(config.on_finish, listener.says) as tell, working_copy(config, listener.says) as work:
        return _carried_out(work.config, work.output, listener, tell, server)


def _carried_out(
    config: Config, output: OutputFolder, listener: Listener, tell: Callable[[Summary], None], server: ForkServer | None
) -> Outcome:
    """Carry out what is asked of folders of this machine."""
    check_ready(config)  # an output in a bucket shows only now all that is asked of it
    output.prepare()
    with run_lock(output) as warning:
        if warning:
            listener.says(warning)
        chronicle, last = Chronicle(output, tell), LastRun(config, output)
        if told := last.told():
            return _rested(chronicle, listener, told)
        with open_pool(config.cluster, config.limits, warm, shared_folders(config, output), server) as pool:
            return Run(config, listener, output, chronicle, pool).carry_out(last)


def _rested(chronicle: Chronicle, listener: Listener, told: Summary) -> Outcome:
    """End a run to which nothing is new: all that the last one wrote stands."""
    listener.begins(0, told["plan"][State.DONE])
    summary = chronicle.write(chronicle.told_again(told))
    return Outcome(ExitCode(summary["exit_code"]), chronicle.output, summary, tuple(read_records(chronicle.output)))


@dataclass
class Run:
    """A run of one configuration into one output, whose lock is held."""

    config: Config
    listener: Listener
    output: OutputFolder
    chronicle: Chronicle
    pool: Pool
    tracebacks: list[str] = field(default_factory=list)
    plan: dict[str, int] = field(default_factory=dict)
    labels: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key, self.ledger = key_of(self.config, self.output), Ledger.open(self.output)
        self.versions = versions_of(self.config)
        self.recipe = recipe_of(self.config, self.key)
        self.publisher = Publisher(self.config, self.output, self.key, self.ledger)
        self.slice_count = slice_count_before(self.output)

    def carry_out(self, last: LastRun) -> Outcome:
        """Tell the story; whatever ends it early, what was finished is published before the error goes on."""
        last.forget()
        found = scan_of(self.config, self.key, self.output.scan, self.pool)
        if has_vanished(found, self.ledger.finished):
            self.listener.says("The input holds no CT (is it mounted?); nothing was changed.")
            return self._ended([known.record for known in self.ledger.finished.values()], found)
        choice = choice_of(self.config, found, self.output)
        self.slice_count = choice.slice_count
        try:
            self._work(choice)
            published = self._publish(choice)
            outcome = self._ended(published.records, found, published.histograms)
        except BaseException as error:
            self.tracebacks.append(trace(error))
            self.chronicle.write(self._told(self._publish(choice).records, exit_code_for(error)))
            raise
        plans = self._plans(choice)
        last.keep(
            found, outcome.summary | {"plan": counts_of(plans)}, is_settled=not any(plan.is_work for plan in plans)
        )
        return outcome

    def _work(self, choice: Choice) -> None:
        """Record what the headers refuse, send the rest through the engine, and record what was left out for it.

        Each result is kept at once.  Where one is a refusal, the next best series of its study is worked too.
        """
        plans = self._plans(choice)
        self.plan = counts_of(plans)
        for message in told_of_vanished(self.config.input, choice.scan, plans):
            self.listener.says(message)
        jobs = [plan for plan in plans if plan.is_work]
        self.listener.begins(len(jobs), self.plan[State.DONE], self.pool.bounds())
        self._keep_refusals(plan for plan in plans if not plan.is_left_out)
        if jobs:
            self._exhaust(self.pool.engine(len(jobs)), jobs, choice)
        self._keep_refusals(self._plans(choice))
        self.ledger.settle_stores()  # a worker that died left what it was writing

    def _exhaust(self, engine: Engine, jobs: Sequence[Planned], choice: Choice) -> None:
        """Work jobs, and those that follow from their results, until none does; the largest first."""
        for turn in in_turns(jobs, lambda: self._plans(choice)):
            signatures = {plan.series_key: plan.scanned.signature for plan in turn if plan.scanned}
            for job, result in engine.run(process, map(self._weighed_job, turn)):
                self._keep(job, result, signatures[job.record.series_key])

    def _plans(self, choice: Choice) -> list[Planned]:
        return settled(choice, self.ledger.finished, self.versions)

    def _keep_refusals(self, plans: Iterable[Planned]) -> None:
        for plan in plans:
            if plan.scanned and plan.scanned.refusal and plan.state is not State.DONE:
                self._keep(self._job(plan), self._unworked(plan), plan.scanned.signature)

    def _weighed_job(self, plan: Planned) -> Job:
        """Return the job with what it will cost, for the engine to know which not to run side by side."""
        job = self._job(plan)
        return replace(job, memory_mb=memory_mb(job.series, job.recipe))

    def _job(self, plan: Planned) -> Job:
        if plan.scanned is None:
            msg = "a series whose files are gone is no job"
            raise ValueError(msg)
        record = replace(
            plan.scanned.record, config_hash=self.recipe.config_hash, code_version=self.recipe.code_version
        )
        folder = self.output.unfinished_store(plan.series_key).absolute()
        scanned = plan.scanned
        return Job(scanned.series, record, scanned.warnings, self.recipe, str(folder), masks=scanned.masks)

    def _keep(self, job: Job, result: SeriesResult | Lost, signature: str) -> None:
        if isinstance(result, Lost):
            self.tracebacks += [result.traceback] if result.traceback else []
            result = refuse(job.record, job.series, result.reason, result.detail)
        versions, before = self.versions, self.ledger.finished.get(result.record.series_key)
        now = Finished(result.record, signature, versions.rules, result.slices, result.histogram, versions.stages)
        finished = counted(now, before, versions.retries)
        self.ledger.commit(finished, result.folder)
        self.listener.finished(finished.record)

    def _unworked(self, plan: Planned) -> SeriesResult:
        """Return what becomes of a series whose pixels were not read."""
        job, refusal = self._job(plan), plan.scanned.refusal if plan.scanned else None
        reason, detail = refusal or (Reason.CANCELLED, "the run ended before it")
        return refuse(job.record, job.series, reason, detail)

    def _publish(self, choice: Choice) -> Published:
        """Write every table; a series not reached has its row too, a gone one as long as its store is kept."""
        plans, finished = self._plans(choice), self.ledger.finished
        records = [finished[plan.series_key].record for plan in plans if is_kept(plan, finished.get(plan.series_key))]
        records += [self._unworked(plan).record for plan in plans if plan.series_key not in finished]
        published = self.publisher.run(records, choice.scan)
        self.labels = [join.told() for join in published.joins]
        for join in published.joins:
            self.listener.says(join.message)
        return published

    def _ended(
        self, records: Sequence[SeriesRecord], found: Scan, histograms: Mapping[str, Histogram] | None = None
    ) -> Outcome:
        """Write how the run ended; with histograms, the report first."""
        code = exit_code_of(records, saw_ct=found.has_ct)
        summary = self._told(records, code)
        if histograms is not None and self.config.report.enabled:
            from pipeline.report.page import write_report  # noqa: PLC0415  jinja2, Pillow, zarr: for who wants a report

            write_report(self.output, records, summary, self.config.report, histograms)
        return Outcome(code, self.output, self.chronicle.write(summary), tuple(records))

    def _told(self, records: Sequence[SeriesRecord], code: ExitCode) -> Summary:
        extra = {
            "slice_count": self.slice_count,
            "plan": self.plan,
            "splits": counts_by_split(records),
            "labels": self.labels,
            "tracebacks": self.tracebacks,
        }
        return self.chronicle.told(records, code, self.recipe.config_hash, extra)
