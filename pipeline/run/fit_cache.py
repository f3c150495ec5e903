"""The cache of ``ctprep fit``: series whose voxels are counted already, by the last run or by an earlier fit."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pipeline.config import Config, config_hash, load
from pipeline.errors import UsageError
from pipeline.features.statistics import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Finished, OutputState, SeriesTable
from pipeline.run.session import Session
from pipeline.store.layout import StoreOptions
from pipeline.vocabulary import Status


def reading_config(config: Config) -> Config:
    """Return the configuration that reads the same voxels, and does nothing with them."""
    return replace(config, steps=(), store=StoreOptions(), manifest=replace(config.manifest, labels=None))


@dataclass
class FitCache:
    """Series that were read under one configuration, by key; ``by_run`` are those that the last run has read."""

    table: SeriesTable
    runs: SeriesTable
    finished: dict[str, Finished] = field(default_factory=dict)
    by_run: frozenset[str] = frozenset()

    @classmethod
    def open(cls, session: Session) -> "FitCache":
        """Return what was read as the session's configuration reads; the caller holds the output's lock.

        What a run has read since, or was read otherwise, is forgotten.
        """
        wanted = config_hash(reading_config(session.config))
        table, runs = SeriesTable(session.database, "fit"), SeriesTable(session.database)
        by_run = dict(_of_last_run(session))
        known = table.read()
        own = {key: one for key, one in known.items() if one.record.config_hash == wanted and key not in by_run}
        table.remove(known.keys() - own.keys())
        return cls(table, runs, own | by_run, frozenset(by_run))

    def keep(self, found: Finished) -> None:
        """Remember a series; it is on disk when this returns."""
        key = found.record.series_key
        self.table.write([found])
        self.finished[key] = replace(found, histogram=None)

    def histogram_of(self, series_key: str) -> Histogram | None:
        """Return the histogram of a series, None where it has none."""
        return (self.runs if series_key in self.by_run else self.table).histogram_of(series_key)


def _of_last_run(session: Session) -> Iterator[tuple[str, Finished]]:
    """Yield the series with a store whose pixels the last run would read as the session's configuration does.

    config.yaml is the last run's, and run.json holds its config_hash: how others were read is not known.
    """
    made_by = _hash_of_last_run(session.output, session.config)
    if made_by is None:
        return
    wanted = config_hash(reading_config(session.config))
    for key, found in OutputState.load(session.output, session.database).finished.items():
        if found.record.status is Status.OK and found.record.config_hash == made_by:
            yield key, replace(found, record=replace(found.record, config_hash=wanted))


def _hash_of_last_run(output: OutputFolder, config: Config) -> str | None:
    try:
        last = load(output.private_config)
        made_by: str | None = json.loads(output.run.read_bytes())["config_hash"]
    except (OSError, UsageError, ValueError, KeyError):
        return None
    return made_by if config_hash(reading_config(last)) == config_hash(reading_config(config)) else None
