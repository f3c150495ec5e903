"""Whether a cluster can be asked for here and now."""

from pathlib import Path

import pytest

import pipeline.cluster.ready
from pipeline.cluster import ClusterOptions, check_cluster, script_of
from pipeline.errors import UsageError
from pipeline.limits import Limits

QUEUES = ("slurm", "pbs", "lsf", "sge")


@pytest.mark.parametrize("kind", ["local", "serial", *QUEUES])
def test_every_kind_can_be_asked_for(kind: str) -> None:
    check_cluster(ClusterOptions(kind))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", QUEUES)
def test_without_the_extra_a_queue_is_refused_with_the_line_that_installs_it(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.cluster.ready, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=rf"kind: {kind}.*pip install 'ctprep\[hpc\]'"):
        check_cluster(ClusterOptions(kind))  # type: ignore[arg-type]


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "there.pem").touch()
    tls = {"ca": str(tmp_path / "there.pem"), "cert": str(tmp_path / "gone.pem"), "key": str(tmp_path / "there.pem")}
    with pytest.raises(UsageError, match=r"cluster\.tls\.cert: .*gone\.pem cannot be read"):
        check_cluster(ClusterOptions("address", address="tls://10.0.0.1:8786", tls=tls))


def test_an_option_that_the_queue_does_not_know_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="quueue"):
        check_cluster(ClusterOptions("slurm", options={"quueue": "short"}))


def test_only_a_queue_has_a_script() -> None:
    assert script_of(ClusterOptions(), Limits()) is None
    assert "#SBATCH" in str(script_of(ClusterOptions("slurm"), Limits()))
