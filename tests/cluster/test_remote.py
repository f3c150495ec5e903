"""Workers on other machines: reached, checked, and replaced where they die."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_jobs import QUICK, identify, kill_worker, rest, task_of
from clusters import Certificate, Programs, dispatcher, programs

import pipeline.cluster.dispatcher
import pipeline.cluster.remote
from pipeline.cluster.dispatcher import Dispatcher
from pipeline.cluster.jobs import JobFailure
from pipeline.cluster.options import ClusterOptions, Folders
from pipeline.cluster.remote import await_worker, check_versions
from pipeline.errors import ClusterError
from pipeline.vocabulary import Reason

NOWHERE = "127.0.0.1:1"
OURS = {"python": "3.11.7.final.0", "distributed": "2026.8.0", "numpy": "2.4.6", "ctprep": "0.1.0"}


class Empty:
    """A client of a cluster that no worker comes to."""

    def wait_for_workers(self, _n_workers: int, timeout: float) -> None:
        raise TimeoutError(timeout)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Programs]:
    with programs(2) as started:
        yield started


@pytest.fixture
def opened(cluster: Programs) -> Iterator[Dispatcher]:
    with dispatcher("address", address=cluster.address, wait_seconds=60) as one:
        yield one


def first_result(opened: Dispatcher) -> object:
    return next(opened.run(task_of(identify), [1]))


@pytest.mark.parametrize("package", list(OURS))
def test_a_worker_of_another_version_is_named(package: str) -> None:
    theirs = {"tcp://a": OURS, "tcp://b": OURS | {package: "0.0.1"}}
    with pytest.raises(ClusterError, match=f"tcp://b has {package} 0.0.1, and this is {package} {OURS[package]}"):
        check_versions(OURS, theirs.items())


def test_a_worker_without_ctprep_has_none() -> None:
    with pytest.raises(ClusterError, match="has ctprep none"):
        check_versions(OURS, [("tcp://a", OURS | {"ctprep": None})])


def test_waiting_in_vain_ends_with_advice() -> None:
    client: Any = Empty()
    with pytest.raises(ClusterError, match="within 0 seconds; ask the queue"):
        await_worker(client, 0.01, "ask the queue")


def test_waiting_ends_where_it_cannot_succeed() -> None:
    def give_up() -> None:
        msg = "the queue is closed"
        raise ClusterError(msg)

    client: Any = Empty()
    with pytest.raises(ClusterError, match="closed"):
        await_worker(client, 1000, "", give_up)


def test_an_address_without_a_scheduler_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.cluster.remote, "CONNECT_SECONDS", 1)
    expected = r"cannot be reached .*no scheduler answers"
    with dispatcher("address", address=NOWHERE) as opened, pytest.raises(ClusterError, match=expected):
        first_result(opened)


def test_a_scheduler_without_workers_is_waited_for_no_longer_than_asked() -> None:
    expected = r"no worker came .* within 1 seconds; start one with: dask worker tcp"
    with (
        programs(0) as started,
        dispatcher("address", address=started.address, wait_seconds=1) as opened,
        pytest.raises(ClusterError, match=expected),
    ):
        first_result(opened)


def test_jobs_run_over_tls_where_all_folders_are_seen(tmp_path: Path) -> None:
    certificate = Certificate.made(tmp_path / "tls")
    tls = {"ca": certificate.ca, "cert": certificate.cert, "key": certificate.key}
    with programs(1, certificate) as started:
        options = ClusterOptions("address", address=started.address, tls=tls)

        def open_folders(*read: Path) -> Dispatcher:
            return Dispatcher(options, QUICK, (), Folders(read, tmp_path), lambda _: None)

        with open_folders(tmp_path) as opened:
            assert len(list(opened.run(task_of(identify), range(5)))) == 5
        with open_folders(tmp_path / "nowhere") as opened, pytest.raises(ClusterError, match=r"does not see .*nowhere"):
            first_result(opened)
    assert not list(tmp_path.glob(".seen-*"))


def test_a_worker_that_is_killed_costs_no_job(opened: Dispatcher, cluster: Programs) -> None:
    running = opened.run(task_of(rest), [0.0, *[0.2] * 9])
    next(running)
    cluster.worker_processes()[0].kill()
    assert [result for _, result in running] == [0.2] * 9


def test_a_job_that_kills_its_workers_fails_alone(opened: Dispatcher) -> None:
    results = dict(opened.run(task_of(kill_worker), [*"abcdefgh", "kill", *"ijkl"]))
    failure = results.pop("kill")
    assert isinstance(failure, JobFailure)
    assert failure.reason == Reason.WORKER_LOST
    assert sorted(map(str, results.values())) == list("abcdefghijkl")


def test_short_jobs_travel_together_and_a_deadly_one_among_them_fails_alone(
    opened: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.cluster.dispatcher, "SECONDS_PER_TASK", 60.0)
    first_result(opened)
    client = opened._client
    assert client is not None
    jobs = [*map(str, range(300)), "kill", *map(str, range(300, 330))]
    sizes: list[int] = []
    submit = client.submit

    def count_and_submit(function: Any, run: str, name: str, packed: Sequence[bytes], **how: Any) -> Any:
        sizes.append(len(packed))
        return submit(function, run, name, packed, **how)

    monkeypatch.setattr(client, "submit", count_and_submit)
    results = dict(opened.run(task_of(kill_worker), jobs))
    assert max(sizes) > 8
    assert isinstance(results.pop("kill"), JobFailure)
    assert results == {job: job for job in jobs if job != "kill"}


def test_a_cluster_that_has_lost_all_its_workers_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.cluster.dispatcher, "LOOK_SECONDS", 0.2)
    with programs(1) as started, dispatcher("address", address=started.address, wait_seconds=60) as opened:
        first_result(opened)
        opened._options = replace(opened._options, wait_seconds=1)
        running = opened.run(task_of(rest), [0.0, *[2.0] * 9])
        next(running)
        holder = started.worker_processes()
        started.workers[0].kill()  # first what would start it again
        for process in holder:
            process.kill()
        with pytest.raises(ClusterError, match="no worker for 1 seconds"):
            list(running)


def test_header_batches_of_one_run_do_not_reach_the_children_of_another(cluster: Programs) -> None:
    with (
        dispatcher("address", address=cluster.address) as one,
        dispatcher("address", address=cluster.address) as other,
    ):
        pids = [{result.pid for _, result in each.run(task_of(identify), range(20))} for each in (one, other)]  # type: ignore[union-attr]
    assert not pids[0] & pids[1]
