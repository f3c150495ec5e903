import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Config, config_hash, dump, load
from pipeline.features.statistics import Histogram
from pipeline.output.state import Finished, SeriesTable
from pipeline.record import SeriesRecord
from pipeline.run.fit_cache import FitCache, reading_config
from pipeline.run.session import NoListener, Session, open_session
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
def session(config: Config) -> Iterator[Session]:
    with open_session(config, NoListener(), needs_statistics=False) as session:
        yield session


def finished(key: str, made_by: str, status: Status = Status.OK, histogram: Histogram | None = COUNTED) -> Finished:
    reason = None if status is Status.OK else Reason.SLICE_GAP
    record = SeriesRecord(series_key=key, status=status, reason=reason, config_hash=made_by, content_hash=f"c{key}")
    return Finished(record, "signature", "rules", histogram=histogram, stages="stages")


def publish(session: Session, *entries: Finished) -> None:
    """Leave what a run would: its configuration, its summary, its state."""
    output, config = session.output, session.config
    output.private_config.write_text(dump(config, paths=True))
    output.run.write_text(json.dumps({"config_hash": config_hash(config)}))
    SeriesTable(session.database).write(entries)


def test_a_reading_has_no_steps(config: Config) -> None:
    assert reading_config(config).steps == ()
    assert config_hash(reading_config(config)) == config_hash(reading_config(replace(config, steps=())))


def test_what_is_kept_is_found_again(session: Session) -> None:
    wanted = config_hash(reading_config(session.config))
    before = FitCache.open(session)
    before.keep(finished("a", wanted))
    before.keep(finished("b", wanted, Status.REJECTED, None))
    after = FitCache.open(session)
    assert after.finished == before.finished
    assert (after.finished["a"].signature, after.by_run) == ("signature", frozenset())
    histogram = after.histogram_of("a")
    assert histogram is not None
    assert (histogram.first_bin_hu, histogram.counts.tolist()) == (-3, [1, 0, 5])
    assert after.histogram_of("b") is None


def test_what_was_read_otherwise_is_not(session: Session) -> None:
    FitCache.open(session).keep(finished("a", "another hash"))
    assert FitCache.open(session).finished == {}


def test_what_the_last_run_has_counted_is_known_whatever_its_steps(session: Session) -> None:
    made_by = config_hash(session.config)
    publish(session, finished("a", made_by), finished("b", made_by, Status.REJECTED), finished("old", "before"))
    found = FitCache.open(replace(session, config=replace(session.config, steps=())))
    assert found.finished.keys() == {"a"} == found.by_run
    assert found.finished["a"].record.config_hash == config_hash(reading_config(session.config))
    histogram = found.histogram_of("a")
    assert histogram is not None
    assert histogram.counts.tolist() == [1, 0, 5]


def test_what_the_last_run_has_read_otherwise_is_not(session: Session) -> None:
    publish(session, finished("a", config_hash(session.config)))
    config = session.config
    other = replace(config, hounsfield=replace(config.hounsfield, padding_hu=-2000))
    assert FitCache.open(replace(session, config=other)).finished == {}


def test_of_what_a_run_has_nothing_is_kept_twice(session: Session) -> None:
    wanted = config_hash(reading_config(session.config))
    cache = FitCache.open(session)
    cache.keep(finished("a", wanted))
    cache.keep(finished("b", wanted))
    publish(session, finished("a", config_hash(session.config)))
    assert FitCache.open(session).finished.keys() == {"a", "b"}
    assert SeriesTable(session.database, "fit").read().keys() == {"b"}
