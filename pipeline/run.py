"""One run: scan, plan, work what is new or changed, publish, report.  Knows no CT and no Dask."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pipeline.accounts import publish_accounts, publish_census
from pipeline.choose import Choice, slice_count_before
from pipeline.config import Config, check_ready, dump, with_absolute_paths
from pipeline.durable import write_bytes
from pipeline.engine import Engine, Lost, open_engine
from pipeline.engine.child import trace
from pipeline.errors import exit_code_for
from pipeline.ledger import Finished, Ledger
from pipeline.lock import run_lock
from pipeline.output import OutputFolder
from pipeline.plan import Planned, State, settled
from pipeline.privacy import PseudonymKey
from pipeline.recipe import choice_of, key_of, recipe_of, scan_of, versions_of
from pipeline.record import SeriesRecord
from pipeline.report.page import write_report
from pipeline.scan import Scan
from pipeline.series import Job, SeriesResult, process, refused
from pipeline.summary import exit_code_of, summarised, write_summary
from pipeline.unchanged import LastScan
from pipeline.vocabulary import ExitCode, Reason, SeriesWarning, Status


class Listener(Protocol):
    """Hears how a run goes on."""

    def begins(self, n_jobs: int, n_done: int) -> None:
        """Be told how many series are to be worked, and how many need no work."""

    def finished(self, record: SeriesRecord) -> None:
        """Be told of a series that was worked."""

    def says(self, message: str) -> None:
        """Be told what a person should know."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and the manifest as it now stands."""

    exit_code: ExitCode
    output: OutputFolder
    summary: dict[str, Any]
    records: tuple[SeriesRecord, ...] = ()


def run(config: Config, listener: Listener) -> Outcome:
    """Carry a configuration out.

    Raises UsageError where it cannot be carried out (nothing was written), LockedError where another run holds the
    output, OutputError where that is not writable or full, ClusterError where the cluster is lost.  Whatever ends it,
    what was finished is kept and recorded.
    """
    check_ready(config)
    output = OutputFolder(Path(config.output.folder))
    output.prepare()
    with run_lock(output) as warning:
        if warning:
            listener.says(warning)
        return Run(config, listener, output, key_of(config, output), Ledger.open(output)).carry_out()


def scan_only(config: Config) -> dict[str, int]:
    """Read headers only, account for every file, and return what was found; raises as `run` does."""
    check_ready(config)
    output = OutputFolder(Path(config.output.folder))
    output.prepare()
    with run_lock(output):
        last = LastScan(config, output)
        return last.counts() or _scanned(config, output, last)


def _scanned(config: Config, output: OutputFolder, last: LastScan) -> dict[str, int]:
    """Scan, and write every table that follows from headers."""
    key = key_of(config, output)
    found = scan_of(config, key, output.scan)
    publish_accounts(output, found, Ledger.open(output).finished, key)
    publish_census(output, found, keep_identifiers=config.manifest.identifiers == "keep")
    counts = {
        "files": found.n_files,
        "series": len(found.series),
        "refused by their headers": sum(scanned.refusal is not None for scanned in found.series),
        "files of no series": len(found.strays),
    }
    last.keep(found, counts)
    return counts


@dataclass
class Run:
    """A run of one configuration into one output, whose lock is held."""

    config: Config
    listener: Listener
    output: OutputFolder
    key: PseudonymKey
    ledger: Ledger
    tracebacks: list[str] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.versions = versions_of(self.config)
        self.recipe = recipe_of(self.config, self.key)
        self.slice_count = slice_count_before(self.output)

    def carry_out(self) -> Outcome:
        """Tell the story; whatever ends it early, what was finished is published before the error goes on."""
        found = scan_of(self.config, self.key, self.output.scan)
        if not found.n_files:
            self.listener.says("The input holds no file at all (is it mounted?); nothing was changed.")
            return self._ended([known.record for known in self.ledger.finished.values()], found)
        choice = choice_of(self.config, found, self.output)
        self.slice_count = choice.slice_count
        try:
            self._work(choice)
        except BaseException as error:
            self.tracebacks.append(trace(error))
            self._ended(self._publish(choice), found, exit_code_for(error))
            raise
        records = self._publish(choice)
        if self.config.report.enabled:
            self._report(records, found)
        return self._ended(records, found)

    def _work(self, choice: Choice) -> None:
        """Record what the headers refuse, send the rest through the engine, and record what was left out for it.

        Each result is kept at once.  Where one is a refusal, the next best series of its study is worked too.
        """
        plans = self._plans(choice)
        jobs = [plan for plan in plans if plan.is_work]
        self.listener.begins(len(jobs), sum(plan.state is State.DONE for plan in plans))
        self._keep_refusals(plan for plan in plans if not plan.is_left_out)
        if jobs:
            with open_engine(self.config.cluster, self.config.limits, len(jobs)) as engine:
                self._exhaust(engine, jobs, choice)
        self._keep_refusals(self._plans(choice))

    def _exhaust(self, engine: Engine, jobs: Sequence[Planned], choice: Choice) -> None:
        """Work jobs, and those that follow from their results, until none does."""
        worked: set[str] = set()
        while jobs:
            signatures = {plan.series_key: plan.scanned.signature for plan in jobs if plan.scanned}
            for job, result in engine.run(process, map(self._job, jobs)):
                self._keep(job, result, signatures[job.record.series_key])
            worked |= signatures.keys()
            jobs = [plan for plan in self._plans(choice) if plan.is_work and plan.series_key not in worked]

    def _plans(self, choice: Choice) -> list[Planned]:
        return settled(choice, self.ledger.finished, self.versions)

    def _keep_refusals(self, plans: Iterable[Planned]) -> None:
        for plan in plans:
            if plan.scanned and plan.scanned.refusal and plan.state is not State.DONE:
                self._keep(self._job(plan), self._unworked(plan), plan.scanned.signature)

    def _job(self, plan: Planned) -> Job:
        if plan.scanned is None:
            msg = "a series whose files are gone is no job"
            raise ValueError(msg)
        record = replace(
            plan.scanned.record, config_hash=self.recipe.config_hash, code_version=self.recipe.code_version
        )
        folder = self.output.unfinished_store(plan.series_key).absolute()
        return Job(plan.scanned.series, record, plan.scanned.warnings, self.recipe, str(folder))

    def _keep(self, job: Job, result: SeriesResult | Lost, signature: str) -> None:
        if isinstance(result, Lost):
            self.tracebacks += [result.traceback] if result.traceback else []
            result = refused(job.record, job.series, result.reason, result.detail)
        self.ledger.commit(Finished(result.record, signature, self.versions.rules, result.slices, result.histogram))
        self.listener.finished(result.record)

    def _unworked(self, plan: Planned) -> SeriesResult:
        """Return what becomes of a series whose pixels were not read."""
        job, refusal = self._job(plan), plan.scanned.refusal if plan.scanned else None
        reason, detail = refusal or (Reason.CANCELLED, "the run ended before it")
        return refused(job.record, job.series, reason, detail)

    def _publish(self, choice: Choice) -> list[SeriesRecord]:
        """Write every table; a series not reached has its row too, a gone one as long as its store is kept."""
        plans, finished = self._plans(choice), self.ledger.finished
        records = [finished[plan.series_key].record for plan in plans if _is_kept(plan, finished)]
        records += [self._unworked(plan).record for plan in plans if plan.series_key not in finished]
        records = with_content_warnings(sorted(records, key=lambda record: record.series_key))
        self.ledger.publish(records, self.config.manifest.identifiers)
        publish_accounts(self.output, choice.scan, finished, self.key)
        publish_census(self.output, choice.scan, keep_identifiers=self.config.manifest.identifiers == "keep")
        write_bytes(self.output.config, dump(self.config, paths=False).encode())
        resolved = dump(with_absolute_paths(self.config), paths=True)
        write_bytes(self.output.private_config, resolved.encode(), private=True)
        self.ledger.compact([record.series_key for record in records if record.series_key in finished])
        return records

    def _report(self, records: Sequence[SeriesRecord], found: Scan) -> None:
        summary = self._summary(records, exit_code_of(records, saw_ct=found.has_ct))
        write_report(self.output, records, summary, self.config.report, self.ledger.histograms())

    def _summary(self, records: Sequence[SeriesRecord], code: ExitCode) -> dict[str, Any]:
        extra = {name: told for name, told in self._extras().items() if told}
        return summarised(records, code, self.started, self.recipe.config_hash, extra)

    def _extras(self) -> dict[str, Any]:
        return {"slice_count": self.slice_count, "tracebacks": self.tracebacks}

    def _ended(self, records: Sequence[SeriesRecord], found: Scan, code: ExitCode | None = None) -> Outcome:
        code = exit_code_of(records, saw_ct=found.has_ct) if code is None else code
        summary = self._summary(records, code)
        write_summary(self.output, summary)
        return Outcome(code, self.output, summary, tuple(records))


def _is_kept(plan: Planned, finished: dict[str, Finished]) -> bool:
    found = finished.get(plan.series_key)
    return found is not None and (plan.state is not State.GONE or found.record.status is Status.OK)


def with_content_warnings(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """Return the records, those whose slices another series holds too with W_DUPLICATE_CONTENT."""
    counts = Counter(record.content_hash for record in records if record.content_hash)
    repeated = {content_hash for content_hash, n in counts.items() if n > 1}
    return [
        replace(record, warnings=tuple(sorted({*record.warnings, SeriesWarning.W_DUPLICATE_CONTENT})))
        if record.content_hash in repeated
        else record
        for record in records
    ]
