"""Cohort statistics: HU histograms of the training split, counted where they are not known yet, made figures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import __version__
from pipeline.cluster import Lost, Pool, open_pool
from pipeline.cohort.cohort import Cohort, counts_by_split
from pipeline.config import Config, check_ready_to_read, fit_parts
from pipeline.errors import NoInputError, UsageError
from pipeline.features.histogram import Histogram
from pipeline.features.statistics import USUAL_PERCENTILES, Statistics, format_percent
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.state import Finished
from pipeline.plan.estimate import memory_mb
from pipeline.plan.plan import Planned, in_turns, settled
from pipeline.plan.recipe import choice_of, key_of, recipe_of, scan_of, shared_folders, versions_of
from pipeline.plan.selection import Choice
from pipeline.prepare.job import Job, SeriesResult, refuse
from pipeline.prepare.measure import measure
from pipeline.prepare.series import warm
from pipeline.record import SeriesRecord
from pipeline.run.fit_cache import Readings, reading_of
from pipeline.run.run import Listener
from pipeline.run.session import working_copy
from pipeline.scan.series import Scan
from pipeline.steps.cohort import list_percentiles
from pipeline.vocabulary import ExitCode, Status

Bins = NDArray[np.int64]
Foreground = tuple[int, int]
"""The lowest and the highest HU that count."""


@dataclass(frozen=True)
class FitOutcome:
    """What was found, where it was written, how it ended, and what was read: ``records`` know their split."""

    statistics: Statistics | None
    path: Path
    exit_code: ExitCode
    records: tuple[SeriesRecord, ...]

    @property
    def splits(self) -> dict[str, int]:
        """How many series each split has."""
        return counts_by_split(self.records)

    @property
    def n_failed(self) -> int:
        """How many series failed, and may be read the next time."""
        return sum(record.status is Status.FAILED for record in self.records)


def fit(config: Config, listener: Listener, foreground: Foreground | None = None) -> FitOutcome:
    """Find the statistics of the training split, and write them to statistics.json; without a split, of all series.

    Every series is read that no run and no earlier call has read as ``config`` does, those held out too: only content
    tells which patients belong together.  Raises as `run` does; NoInputError where nothing is left to count.
    """
    check_ready_to_read(config)
    with working_copy(config, listener.says) as work:
        return _fit(work.config, work.output, listener, foreground)


def _fit(config: Config, output: OutputFolder, listener: Listener, foreground: Foreground | None) -> FitOutcome:
    check_ready_to_read(config)  # an output in a bucket shows only now all that is asked of it
    output.prepare()
    with run_lock(output) as warning:
        if warning:
            listener.says(warning)
        with open_pool(config.cluster, config.limits, warm, shared_folders(config, output)) as pool:
            return Fit(config, listener, output, pool).carry_out(foreground)


@dataclass
class Fit:
    """One call, into one output, whose lock is held."""

    config: Config
    listener: Listener
    output: OutputFolder
    pool: Pool

    def __post_init__(self) -> None:
        self.key, self.cohort = key_of(self.config, self.output), Cohort.open(self.config.manifest, self.output)
        self.readings, reading = Readings.open(self.output, self.config), reading_of(self.config)
        self.recipe, self.versions = recipe_of(reading, self.key), versions_of(reading)

    def carry_out(self, foreground: Foreground | None) -> FitOutcome:
        """Read what is not known yet, split the patients, and count the training split."""
        found = scan_of(self.config, self.key, self.output.scan, self.pool)
        choice = choice_of(self.config, found, self.output)
        self._read(choice)
        records = self._records(choice, found)
        training = [record for record in records if _trains(record, self.config)]
        code = ExitCode.FAILED if any(record.status is Status.FAILED for record in records) else ExitCode.OK
        if code is ExitCode.OK and not training:
            msg = "no series of the training split could be read: there is nothing to count"
            raise NoInputError(msg)
        statistics = self._statistics(training, foreground) if training else None
        if statistics:
            statistics.write(self.output.statistics)
        self.readings.compact()
        return FitOutcome(statistics, self.output.statistics, code, tuple(records))

    def _read(self, choice: Choice) -> None:
        """Read the series that are not known, and those that follow where one is refused, until none does."""
        plans = self._plans(choice)
        jobs = [plan for plan in plans if plan.is_work]
        n_known = sum(plan.scanned is not None and not plan.is_work and not plan.scanned.refusal for plan in plans)
        self.listener.begins(len(jobs), n_known)
        if not jobs:
            return
        engine = self.pool.engine(len(jobs))
        for turn in in_turns(jobs, lambda: self._plans(choice)):
            signatures = {plan.series_key: plan.scanned.signature for plan in turn if plan.scanned}
            for job, result in engine.run(measure, self._jobs(turn)):
                self._keep(job, result, signatures[job.record.series_key])

    def _plans(self, choice: Choice) -> list[Planned]:
        return settled(choice, self.readings.finished, self.versions)

    def _jobs(self, plans: Iterable[Planned]) -> Iterator[Job]:
        for scanned in (plan.scanned for plan in plans if plan.scanned):
            record = replace(scanned.record, config_hash=self.recipe.config_hash, code_version=__version__)
            job = Job(scanned.series, record, scanned.warnings, self.recipe, folder="")
            yield replace(job, memory_mb=memory_mb(job.series, job.recipe))

    def _keep(self, job: Job, result: SeriesResult | Lost, signature: str) -> None:
        if isinstance(result, Lost):
            result = refuse(job.record, job.series, result.reason, result.detail)
        rules, stages = self.versions.rules, self.versions.stages
        self.readings.keep(Finished(result.record, signature, rules, histogram=result.histogram, stages=stages))
        self.listener.finished(result.record)

    def _records(self, choice: Choice, found: Scan) -> list[SeriesRecord]:
        """Return the records of the series that are there and chosen, with their splits."""
        keys = [plan.series_key for plan in self._plans(choice) if plan.scanned and not plan.scanned.refusal]
        records = [self.readings.finished[key].record for key in keys if key in self.readings.finished]
        return list(self.cohort.completed(records, found).records)

    def _statistics(self, training: Sequence[SeriesRecord], foreground: Foreground | None) -> Statistics:
        histograms = (self.readings.finished[record.series_key].histogram for record in training)
        total = reduce(Histogram.merge, filter(None, histograms), Histogram.empty())
        return Statistics(
            **figures_of(total, foreground, {*USUAL_PERCENTILES, *list_percentiles(self.config.steps)}),
            foreground_hu=foreground,
            n_series=len(training),
            n_patients=len({record.patient for record in training}),
            series_keys=tuple(sorted(record.series_key for record in training)),
            fitted_on=fit_parts(self.config),
            fitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
            code_version=__version__,
        )


def figures_of(histogram: Histogram, foreground: Foreground | None, percents: Iterable[float]) -> dict[str, Any]:
    """Return number, mean, standard deviation, limits and percentiles of the voxels counted.

    Law: what numpy says of the voxels themselves (``percentile`` by its default, linear), if they are whole HU.  Raises
    UsageError where fewer than two values are left.
    """
    low, high = foreground or (histogram.first_bin_hu, histogram.first_bin_hu + histogram.counts.size - 1)
    bins, counts = np.arange(low, high + 1), histogram.count_between(low, high + 1)
    bins, counts = bins[counts > 0], counts[counts > 0]
    if bins.size < 2:
        msg = "fewer than two different values are left to count: choose another --foreground"
        raise UsageError(msg)
    n = int(counts.sum())
    mean = sum(int(hu) * int(count) for hu, count in zip(bins, counts, strict=True)) / n
    return {
        "n_voxels": n,
        "mean_hu": mean,
        "std_hu": sqrt(float(np.square(bins - mean) @ counts) / n),
        "min_hu": float(bins[0]),
        "max_hu": float(bins[-1]),
        "percentiles_hu": {format_percent(percent): _percentile(bins, counts, percent) for percent in sorted(percents)},
    }


def _percentile(bins: Bins, counts: Bins, percent: float) -> float:
    """Return the value at a share of the way from the lowest voxel to the highest, between two of them by a line."""
    ends = counts.cumsum()
    place = (int(ends[-1]) - 1) * (percent / 100)
    before = int(place)
    low, high = (float(bins[np.searchsorted(ends, min(rank, ends[-1] - 1), "right")]) for rank in (before, before + 1))
    return low + (high - low) * (place - before)


def _trains(record: SeriesRecord, config: Config) -> bool:
    return record.status is Status.OK and (config.manifest.split is None or record.split == "train")
