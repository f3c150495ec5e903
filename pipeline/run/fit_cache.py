"""The cache of ``ctprep fit``: series whose voxels are counted already, by the last run or by an earlier fit."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Config, config_hash, load
from pipeline.errors import UsageError
from pipeline.features.statistics import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Entry, Finished, Journal, OutputState
from pipeline.record import from_json, to_json
from pipeline.store.layout import StoreOptions
from pipeline.vocabulary import Status


def reading_config(config: Config) -> Config:
    """Return the configuration that reads the same voxels, and does nothing with them."""
    return replace(config, steps=(), store=StoreOptions(), manifest=replace(config.manifest, labels=None))


@dataclass
class FitCache:
    """Series that were read under one configuration, by key; ``own`` are those that no run has read."""

    output: OutputFolder
    finished: dict[str, Finished] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, output: OutputFolder, config: Config) -> "FitCache":
        """Return what was read as ``config`` reads; the caller holds the output's lock."""
        wanted = config_hash(reading_config(config))
        entries = Journal(_path(output)).entries()
        own = {key: found for key, found in map(_finished, entries) if found.record.config_hash == wanted}
        by_run = dict(_of_last_run(output, config))
        return cls(output, own | by_run, own.keys() - by_run.keys())

    def keep(self, found: Finished) -> None:
        """Remember a series; it is on disk when this returns."""
        key = found.record.series_key
        Journal(_path(self.output)).append(_entry(found))
        self.finished[key] = found
        self.own.add(key)

    def compact(self) -> None:
        """Leave on disk one line a series, and none for those that the tables of a run hold."""
        Journal(_path(self.output)).compact(_entry(self.finished[key]) for key in sorted(self.own))


def _path(output: OutputFolder) -> Path:
    return output.private / "fit.jsonl"


def _of_last_run(output: OutputFolder, config: Config) -> Iterator[tuple[str, Finished]]:
    """Yield the series with a store whose pixels the last run would read as ``config`` does.

    config.yaml is the last run's, and run.json holds its config_hash: how others were read is not known.
    """
    made_by = _hash_of_last_run(output, config)
    if made_by is None:
        return
    state, wanted = OutputState.read(output), config_hash(reading_config(config))
    histograms = state.histograms()
    for key, found in state.finished.items():
        if found.record.status is Status.OK and found.record.config_hash == made_by and key in histograms:
            record = replace(found.record, config_hash=wanted)
            yield key, replace(found, record=record, slices=None, histogram=histograms[key])


def _hash_of_last_run(output: OutputFolder, config: Config) -> str | None:
    try:
        last = load(output.private_config)
        made_by: str | None = json.loads(output.run.read_bytes())["config_hash"]
    except (OSError, UsageError, ValueError, KeyError):
        return None
    return made_by if config_hash(reading_config(last)) == config_hash(reading_config(config)) else None


def _entry(found: Finished) -> Entry:
    """Return a series as a line of the cache's journal."""
    histogram = found.histogram or Histogram.empty()
    return {
        "record": to_json(found.record),
        "source": found.signature,
        "rules": found.rules,
        "stages": found.stages,
        "first_bin_hu": histogram.first_bin_hu,
        "counts": histogram.counts.tolist(),
    }


def _finished(entry: Entry) -> tuple[str, Finished]:
    record, counts = from_json(entry["record"]), np.array(entry["counts"], np.int64)
    terms: dict[str, Any] = {"signature": entry["source"], "rules": entry["rules"], "stages": entry["stages"]}
    return record.series_key, Finished(record, histogram=Histogram(entry["first_bin_hu"], counts), **terms)
