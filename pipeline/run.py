"""One run: scan, plan, work what is new or changed, publish, report.  Knows no CT and no Dask."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pipeline.accounts import publish_accounts
from pipeline.config import Config, check_paths, dump
from pipeline.durable import write_bytes
from pipeline.engine import Lost, open_engine
from pipeline.ledger import Finished, Ledger
from pipeline.lock import run_lock
from pipeline.output import OutputFolder
from pipeline.plan import Planned, State, planned
from pipeline.privacy import PseudonymKey
from pipeline.recipe import key_of, policy_of, recipe_of, versions_of
from pipeline.record import SeriesRecord
from pipeline.report.page import write_report
from pipeline.scan import Scan, scan
from pipeline.series import Job, SeriesResult, process, refused
from pipeline.summary import exit_code_of, summarised, write_summary
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
    check_paths(config)
    output = OutputFolder(Path(config.output.folder))
    output.prepare()
    with run_lock(output) as warning:
        if warning:
            listener.says(warning)
        return Run(config, listener, output, key_of(config, output), Ledger.open(output)).carry_out()


def scan_only(config: Config) -> dict[str, int]:
    """Read headers only, account for every file, and return what was found; raises as `run` does."""
    check_paths(config)
    output = OutputFolder(Path(config.output.folder))
    output.prepare()
    with run_lock(output):
        key = key_of(config, output)
        found = scan(config.input, policy_of(config), key, config.manifest.tags)
        publish_accounts(output, found, Ledger.open(output).finished, key)
    refused_by_headers = sum(scanned.refusal is not None for scanned in found.series)
    return {
        "files": found.n_files,
        "series": len(found.series),
        "refused by their headers": refused_by_headers,
        "files of no series": len(found.strays),
    }


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

    def carry_out(self) -> Outcome:
        """Tell the story."""
        found = scan(self.config.input, self.recipe.policy, self.key, self.config.manifest.tags)
        if not found.n_files:
            self.listener.says("The input holds no file at all (is it mounted?); nothing was changed.")
            return self._ended(())
        plans = planned(found, self.ledger.finished, self.versions)
        try:
            self._work(plans)
        finally:
            records = self._publish(plans, found)
        return self._ended(records)

    def _work(self, plans: Sequence[Planned]) -> None:
        """Record what the headers refuse, and send the rest through the engine; each result is kept at once."""
        signatures = {plan.series_key: plan.scanned.signature for plan in plans if plan.scanned}
        jobs = [self._job(plan) for plan in plans if plan.is_work]
        self.listener.begins(len(jobs), sum(plan.state is State.DONE for plan in plans))
        for plan in plans:
            if plan.scanned and plan.scanned.refusal and plan.state is not State.DONE:
                self._keep(self._job(plan), _refused_by_headers(self._job(plan), plan), plan.scanned.signature)
        if jobs:
            with open_engine(self.config.cluster, self.config.limits, len(jobs)) as engine:
                for job, result in engine.run(process, jobs):
                    self._keep(job, result, signatures[job.record.series_key])

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

    def _publish(self, plans: Sequence[Planned], found: Scan) -> tuple[SeriesRecord, ...]:
        """Write every table; a series that was not reached has its row too, a gone one as long as its store is kept."""
        finished = self.ledger.finished
        records = [finished[plan.series_key].record for plan in plans if _is_kept(plan, finished)]
        missed = [self._job(plan) for plan in plans if plan.series_key not in finished]
        records += [
            refused(job.record, job.series, Reason.CANCELLED, "the run ended before it").record for job in missed
        ]
        records = with_content_warnings(sorted(records, key=lambda record: record.series_key))
        self.ledger.publish(records, self.config.manifest.identifiers)
        publish_accounts(self.output, found, finished, self.key)
        write_bytes(self.output.config, dump(self.config, paths=False).encode())
        write_bytes(self.output.private_config, dump(self.config, paths=True).encode(), private=True)
        self.ledger.compact([record.series_key for record in records if record.series_key in finished])
        return tuple(records)

    def _ended(self, records: tuple[SeriesRecord, ...]) -> Outcome:
        extra = {"tracebacks": self.tracebacks} if self.tracebacks else {}
        summary = summarised(records, self.started, self.recipe.config_hash, extra)
        if records and self.config.report.enabled:
            write_report(self.output, records, summary, self.config.report, self.ledger.histograms())
        write_summary(self.output, summary)
        return Outcome(exit_code_of(records), self.output, summary, records)


def _refused_by_headers(job: Job, plan: Planned) -> SeriesResult:
    reason, detail = plan.scanned.refusal if plan.scanned and plan.scanned.refusal else (Reason.INTERNAL, "")
    return refused(job.record, job.series, reason, detail)


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
