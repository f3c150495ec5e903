"""Cohort statistics: HU histograms of the training split, counted where they are not known yet, made figures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial, reduce
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline import __version__
from pipeline.cohort.cohort import counts_by_split
from pipeline.config import Config
from pipeline.errors import NoInputError, UsageError
from pipeline.features.statistics import USUAL_PERCENTILES, Histogram, Statistics, format_percent
from pipeline.output.state import Finished
from pipeline.plan.plan import PlannedSeries, Versions, plan_series
from pipeline.plan.recipe import build_recipe, fit_terms, select_series, versions_of, write_statistics
from pipeline.plan.selection import Selection
from pipeline.prepare import PRELOAD
from pipeline.prepare.job import MEASURE, Recipe
from pipeline.record import SeriesRecord
from pipeline.run.fit_cache import FitCache, reading_config
from pipeline.run.processing import ProcessedSeries, build_job, process_series
from pipeline.run.session import Listener, Session, open_session
from pipeline.steps.cohort import list_percentiles
from pipeline.vocabulary import ExitCode, Status

if TYPE_CHECKING:
    from pipeline.cluster.dispatcher import Dispatcher

Bins = NDArray[np.int64]
Foreground = tuple[int, int]
"""The lowest and the highest HU that count."""

Weighing = Literal["voxels", "cases"]

CASE_WEIGHT = 1 << 40
"""The weight of a case where cases count alike: a bin's share is kept to a millionth of a millionth."""


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


def fit(
    config: Config, listener: Listener, foreground: Foreground | None = None, weighed_by: Weighing = "voxels"
) -> FitOutcome:
    """Find the statistics of the training split, and write them to statistics.json; without a split, of all series.

    Every series is read that no run and no earlier call has read as ``config`` does, those held out too: only content
    tells which patients belong together.  Raises as `run` does; NoInputError where nothing is left to count.
    """
    with open_session(config, listener, needs_statistics=False) as session, session.open_cluster(PRELOAD) as dispatcher:
        return _Fit.of(session, dispatcher).carry_out(foreground, weighed_by)


@dataclass(frozen=True)
class _Fit:
    """What stays the same while one call goes on; only ``cache`` grows, a series at a time."""

    session: Session
    dispatcher: "Dispatcher"
    cache: FitCache
    recipe: Recipe
    versions: Versions

    @classmethod
    def of(cls, session: Session, dispatcher: "Dispatcher") -> "_Fit":
        reading, cache = reading_config(session.config), FitCache.open(session)
        return cls(session, dispatcher, cache, build_recipe(reading, session.key), versions_of(reading))

    def carry_out(self, foreground: Foreground | None, weighed_by: Weighing) -> FitOutcome:
        """Read what is not known yet, split the patients, and count the training split."""
        config, path = self.session.config, self.session.output.statistics
        found = self.session.scan(self.dispatcher, self.session.list_files())
        selection = select_series(config, found, self.session.output)
        for processed in self._read(selection):
            self._keep(processed)
        records = self._records(selection)
        training = [record for record in records if _trains(record, config)]
        code = ExitCode.FAILED if any(record.status is Status.FAILED for record in records) else ExitCode.OK
        if code is ExitCode.OK and not training:
            msg = "no series of the training split could be read: there is nothing to count"
            raise NoInputError(msg)
        statistics = self._statistics(training, foreground, weighed_by) if training else None
        if statistics:
            write_statistics(path, statistics)
        return FitOutcome(statistics, path, code, tuple(records))

    def _read(self, selection: Selection) -> Iterator[ProcessedSeries]:
        """Yield the series that are not known, and those that follow where one is refused; the caller keeps each."""
        plans = self._plans(selection)
        n_known = sum(plan.scanned is not None and not plan.is_work and not plan.scanned.refusal for plan in plans)
        self.session.listener.begins(sum(plan.is_work for plan in plans), n_known)
        job_of = partial(build_job, recipe=self.recipe)
        yield from process_series(self.dispatcher, MEASURE, job_of, partial(self._plans, selection))

    def _plans(self, selection: Selection) -> list[PlannedSeries]:
        return plan_series(selection, self.cache.finished, self.versions)

    def _keep(self, processed: ProcessedSeries) -> None:
        result, versions = processed.result, self.versions
        self.cache.keep(
            Finished(
                result.record,
                processed.signature,
                versions.rules,
                histogram=result.histogram,
                stages=versions.stages,
            )
        )
        self.session.listener.finished(result.record)

    def _records(self, selection: Selection) -> list[SeriesRecord]:
        """Return the records of the series that are there and chosen, with their splits."""
        keys = [plan.series_key for plan in self._plans(selection) if plan.scanned and not plan.scanned.refusal]
        records = [self.cache.finished[key].record for key in keys if key in self.cache.finished]
        return list(self.session.cohort.complete(records, selection.scan).records)

    def _statistics(
        self, training: Sequence[SeriesRecord], foreground: Foreground | None, weighed_by: Weighing
    ) -> Statistics:
        config = self.session.config
        histograms = filter(None, (self.cache.histogram_of(record.series_key) for record in training))
        percents = {*USUAL_PERCENTILES, *list_percentiles(config.steps)}
        return Statistics(
            **compute_figures(histograms, foreground, percents, weighed_by),
            foreground_hu=foreground,
            weighed_by=weighed_by,
            n_series=len(training),
            n_patients=len({record.patient for record in training}),
            series_keys=tuple(sorted(record.series_key for record in training)),
            fitted_on=fit_terms(config),
            fitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
            code_version=__version__,
        )


def compute_figures(
    histograms: Iterable[Histogram], foreground: Foreground | None, percents: Iterable[float], weighed_by: Weighing
) -> dict[str, Any]:
    """Return the figures of all voxels together, each voxel alike or each histogram alike.

    The second is what samples of the same number from every case would say, however many voxels each has.
    """
    if weighed_by == "voxels":
        return figures_of(reduce(Histogram.merge, histograms, Histogram.empty()), foreground, percents)
    n_voxels, total = 0, Histogram.empty()
    for histogram in histograms:
        low, high = foreground or (histogram.first_bin_hu, histogram.first_bin_hu + histogram.counts.size - 1)
        n_voxels += int(histogram.count_between(low, high + 1).sum())
        total = total.merge(histogram.weigh(low, high, CASE_WEIGHT))
    return figures_of(total, foreground, percents) | {"n_voxels": n_voxels}


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
