import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Config, config_hash, dump, load
from pipeline.features.statistics import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Finished, Journal, OutputState
from pipeline.record import SeriesRecord
from pipeline.run.fit_cache import FitCache, reading_config
from pipeline.vocabulary import Reason, Status

STEPS = "steps: [{clip: {low_hu: -1000, high_hu: 400}}]\n"
COUNTED = Histogram(-3, np.array([1, 0, 5], np.int64))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "in").mkdir()
    path = tmp_path / "config.yaml"
    path.write_text(STEPS)
    return load(path, inputs=[tmp_path / "in"], output=tmp_path / "out")


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    return output


def finished(key: str, made_by: str, status: Status = Status.OK, histogram: Histogram | None = COUNTED) -> Finished:
    reason = None if status is Status.OK else Reason.SLICE_GAP
    record = SeriesRecord(series_key=key, status=status, reason=reason, config_hash=made_by, content_hash=f"c{key}")
    return Finished(record, "signature", "rules", histogram=histogram, stages="stages")


def publish(output: OutputFolder, config: Config, *entries: Finished) -> None:
    """Leave what a run would: its configuration, its summary, its state."""
    output.private_config.write_text(dump(config, paths=True))
    output.run.write_text(json.dumps({"config_hash": config_hash(config)}))
    state = OutputState(output, {one.record.series_key: one for one in entries})
    state.publish([one.record for one in entries], "pseudonym")
    state.compact(state.finished)


def test_a_reading_has_no_steps(config: Config) -> None:
    assert reading_config(config).steps == ()
    assert config_hash(reading_config(config)) == config_hash(reading_config(replace(config, steps=())))


def test_what_is_kept_is_found_again(output: OutputFolder, config: Config) -> None:
    wanted = config_hash(reading_config(config))
    before = FitCache.open(output, config)
    before.keep(finished("a", wanted))
    before.keep(finished("b", wanted, Status.REJECTED, None))
    after = FitCache.open(output, config)
    assert after.own == {"a", "b"}
    assert after.finished["a"].record == before.finished["a"].record
    assert after.finished["a"].signature == "signature"
    histogram = after.finished["a"].histogram
    assert histogram is not None
    assert (histogram.first_bin_hu, histogram.counts.tolist()) == (-3, [1, 0, 5])


def test_what_was_read_otherwise_is_not(output: OutputFolder, config: Config) -> None:
    FitCache.open(output, config).keep(finished("a", "another hash"))
    assert FitCache.open(output, config).finished == {}


def test_what_the_last_run_has_counted_is_known_whatever_its_steps(output: OutputFolder, config: Config) -> None:
    made_by = config_hash(config)
    publish(output, config, finished("a", made_by), finished("b", made_by, Status.REJECTED), finished("old", "before"))
    found = FitCache.open(output, replace(config, steps=()))
    assert found.finished.keys() == {"a"}
    assert found.finished["a"].record.config_hash == config_hash(reading_config(config))
    assert found.own == set()


def test_what_the_last_run_has_read_otherwise_is_not(output: OutputFolder, config: Config) -> None:
    publish(output, config, finished("a", config_hash(config)))
    other = replace(config, hounsfield=replace(config.hounsfield, padding_hu=-2000))
    assert FitCache.open(output, other).finished == {}


def test_of_what_a_run_has_nothing_is_kept_twice(output: OutputFolder, config: Config) -> None:
    wanted = config_hash(reading_config(config))
    cache = FitCache.open(output, config)
    cache.keep(finished("a", wanted))
    cache.keep(finished("b", wanted))
    publish(output, config, finished("a", config_hash(config)))
    cache = FitCache.open(output, config)
    cache.compact()
    entries = Journal(output.private / "fit.jsonl").entries()
    assert [entry["record"]["series_key"] for entry in entries] == ["b"]
    assert FitCache.open(output, config).finished.keys() == {"a", "b"}
