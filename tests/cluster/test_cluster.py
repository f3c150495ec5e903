"""An engine on a Dask cluster, wherever that is."""

import logging

import dask
import pytest
from clusters import small_cluster
from engine_jobs import rest

from pipeline.cluster.cluster import SETTINGS
from pipeline.errors import ClusterError


def test_a_lost_cluster_is_an_error_of_its_own() -> None:
    with small_cluster(1) as engine:
        running = engine.run(rest, [0.0, *[1.0] * 9])
        next(running)
        engine._client.cluster.close()
        with pytest.raises(ClusterError, match="lost"):
            list(running)


def test_closing_is_quiet_and_leaves_logging_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("distributed").level
    with small_cluster(1) as engine:
        next(engine.run(rest, [0.0, *[1.0] * 3]))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("distributed").level == level


def test_what_dask_is_told_holds_while_the_engine_is_open() -> None:
    before = {key: dask.config.get(key) for key in SETTINGS}
    with small_cluster(1):
        assert {key: dask.config.get(key) for key in SETTINGS} == SETTINGS
    assert {key: dask.config.get(key) for key in SETTINGS} == before
