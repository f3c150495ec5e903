"""The processes of one run, and which engine its long jobs go to."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_jobs import Answer, identify, read_environment, remember

import pipeline.cluster.pool
from pipeline.cluster import ClusterOptions, Pool, open_pool
from pipeline.cluster.children import ChildrenEngine
from pipeline.cluster.cluster import ClusterEngine
from pipeline.cluster.pool import JOBS_WORTH_A_CLUSTER
from pipeline.errors import ClusterError
from pipeline.limits import Limits

TWO = ClusterOptions(workers=2)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.cluster.pool, "core_count", lambda: 2)


def pids_of(results: object) -> set[int]:
    return {result.pid for _, result in results if isinstance(result, Answer)}  # type: ignore[attr-defined]


def ready(pool: Pool) -> None:
    pool.start(identify)
    while not pool._children.server.is_ready:
        time.sleep(0.01)


def test_a_run_without_jobs_starts_nothing() -> None:
    with open_pool(TWO, Limits(), remember) as pool:
        assert list(pool.run_short(identify, [])) == []
        assert pool._children.server._process is None
        assert pool._ahead is None


def test_short_jobs_are_worked_here_until_there_is_somebody_else() -> None:
    with open_pool(ClusterOptions(), Limits(), remember) as pool:
        results = pool.run_short(identify, range(30))
        assert next(results)[1].pid == os.getpid()  # type: ignore[union-attr]
        ready(pool)
        rest = list(results)
        assert {job for job, _ in rest} == set(range(1, 30))
        assert os.getpid() not in pids_of(rest[1:])


def test_who_works_short_jobs_works_the_long_ones_too() -> None:
    with open_pool(ClusterOptions(), Limits(), remember) as pool:
        ready(pool)
        short = pids_of(pool.run_short(identify, range(30))) - {os.getpid()}
        assert len(short) == 2
        assert pids_of(pool.engine(30).run(identify, range(30))) == short


@pytest.mark.parametrize("options", [ClusterOptions("serial"), ClusterOptions(workers=1)])
def test_one_process_more_would_not_read_faster(options: ClusterOptions) -> None:
    with open_pool(options, Limits(), remember) as pool:
        results = pool.run_short(identify, range(10))
        next(results)
        ready(pool)
        assert pids_of(results) == {os.getpid()}


@pytest.mark.parametrize("options", [ClusterOptions("serial"), ClusterOptions(), TWO])
def test_every_long_job_finds_what_was_warmed_once(options: ClusterOptions) -> None:
    with open_pool(options, Limits(), remember) as pool:
        told = {result for _, result in pool.engine(8).run(read_environment, ["REMEMBERED_BY"] * 8)}
    assert len(told) == 1
    assert told != {None}


@pytest.mark.parametrize(
    ("options", "n_jobs", "kind"),
    [
        (ClusterOptions("serial"), 10**6, ChildrenEngine),
        (ClusterOptions(), 1, ChildrenEngine),
        (ClusterOptions(), JOBS_WORTH_A_CLUSTER - 1, ChildrenEngine),
        (ClusterOptions(), JOBS_WORTH_A_CLUSTER, ClusterEngine),
        (ClusterOptions(workers=1), 1, ClusterEngine),
    ],
)
def test_a_cluster_is_started_where_it_is_asked_for_or_pays(options: ClusterOptions, n_jobs: int, kind: type) -> None:
    with open_pool(options, Limits()) as pool:
        assert type(pool.engine(n_jobs)) is kind


def test_one_long_job_starts_one_child() -> None:
    with open_pool(ClusterOptions(), Limits()) as pool:
        list(pool.engine(1).run(identify, [1]))
        assert sum(process._child is not None for process in pool._children._processes) == 1


def test_a_cluster_that_cannot_be_started_says_so_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        msg = "no"
        raise ClusterError(msg)

    monkeypatch.setattr("pipeline.cluster.local.local_engine", refuse)
    with open_pool(TWO, Limits()) as pool:
        pool.start()
        with pytest.raises(ClusterError, match="no"):
            pool.engine(2)


def test_memory_is_the_workers_share_or_what_the_machine_has() -> None:
    asked = ClusterOptions("serial", memory_limit="1GiB")
    assert open_pool(asked, Limits())._children._room.memory_bytes == 1 << 30
    asked = ClusterOptions(workers=3, memory_limit="1GiB")
    assert open_pool(asked, Limits())._children._room.memory_bytes == 3 << 30
    assert open_pool(ClusterOptions(), Limits())._children._room.memory_bytes > 1 << 28


@pytest.mark.parametrize("options", ["kind='serial'", "kind='local'"])
def test_without_a_cluster_no_dask_is_imported(options: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys; from pipeline.cluster import *; from pipeline.limits import Limits\n"
        f"with open_pool(ClusterOptions({options}), Limits()) as pool: print(list(pool.engine(1).run(abs, [-1])))\n"
        "print(sorted({'dask', 'distributed', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert done.stdout == "[(-1, 1)]\n[]\n"
