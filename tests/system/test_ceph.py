"""A real Ceph gateway, whose older versions want etags without quotes: a run into a bucket of it, and its lock."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ceph_gateway import find_missing_programs, open_gateway
from remote_runs import remote_run, two_patients

from pipeline.errors import LockedError, OutputError
from pipeline.sources import lease as room
from pipeline.sources.address import Address
from pipeline.sources.bucket import Bucket
from pipeline.sources.lease import hold_lease
from pipeline.vocabulary import ExitCode

pytestmark = pytest.mark.slow


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the name of a bucket behind a gateway that this process is a client of."""
    if missing := find_missing_programs():
        pytest.skip(f"needs {', '.join(missing)} of Ceph")
    boto3 = pytest.importorskip("boto3")
    with open_gateway(tmp_path_factory.mktemp("ceph")) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CTPREP_CACHE", str(tmp_path_factory.mktemp("cache")))
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        client.create_bucket(Bucket="prepared")
        client.close()
        yield "prepared"


def test_a_run_ends_and_the_next_has_nothing_to_do(gateway: str, tmp_path: Path) -> None:
    source = two_patients(tmp_path / "in")
    first, second = (remote_run(tmp_path, source, f"s3://{gateway}/out") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (ExitCode.OK, ExitCode.OK)
    assert (first.summary["plan"]["new"], second.summary["plan"]["done"]) == (2, 2)


def test_a_lock_is_renewed_keeps_others_out_and_is_taken_over(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket.open(Address(gateway, "locked"), OutputError)
    with hold_lease(bucket, "one") as lease:
        first = lease.etag
        lease.renew()
        lease.check()
        assert lease.etag != first
        assert lease.warning is None
        with pytest.raises(LockedError), hold_lease(bucket, "two"):
            pass
        monkeypatch.setattr(room, "LASTS_SECONDS", -1)
        with hold_lease(bucket, "two"):
            lease.renew()
            with pytest.raises(LockedError):
                lease.check()
