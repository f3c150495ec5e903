from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import LockedError
from pipeline.sources import lease as room
from pipeline.sources.lease import LEASE, NO_CONDITIONS, hold_lease

if TYPE_CHECKING:
    from bucket_server import BucketServer


def test_one_run_at_a_time_holds_an_output(server: "BucketServer") -> None:
    bucket = server.opened("out")
    with hold_lease(bucket, "one") as lease:
        assert lease.warning is None
        with (
            pytest.raises(LockedError, match=r"another run holds the lock .* or if it was killed 1\d\d s"),
            hold_lease(bucket, "two"),
        ):
            pass
    assert server.tree("out") == {}


def test_a_lease_that_was_not_renewed_for_long_is_a_dead_runs(
    server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = server.opened("out")

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz or UTC) + timedelta(seconds=room.LASTS_SECONDS)

    with hold_lease(bucket, "dead") as dead:
        monkeypatch.setattr(room, "datetime", Later)
        with hold_lease(bucket, "next"):
            dead.renew()
            with pytest.raises(LockedError, match="lost to another run"):
                dead.check()
    assert server.tree("out") == {}


def test_who_comes_back_under_the_same_name_need_not_wait(server: "BucketServer") -> None:
    bucket = server.opened("out")
    bucket.put(LEASE, room._content("one"))
    with hold_lease(bucket, "one") as lease:
        lease.check()


def test_a_lease_is_renewed_while_it_is_held(server: "BucketServer", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RENEWED_SECONDS", 0.01)
    bucket = server.opened("out")
    with hold_lease(bucket, "one") as lease:
        first = lease.etag
        while lease.etag == first:
            lease.check()


def test_a_server_that_does_not_answer_is_asked_again_until_the_lease_has_ended(
    server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = server.opened("out")
    with hold_lease(bucket, "one") as lease:
        server.stop()
        lease.renew()
        lease.check()
        monkeypatch.setattr(room, "LASTS_SECONDS", 0)
        with pytest.raises(LockedError):
            lease.check()
        server.start()


def test_a_server_without_conditions_is_warned_of(server: "BucketServer", monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = server.opened("out")
    monkeypatch.setattr(type(bucket), "create", lambda self, name, content: self.put(name, content))
    with hold_lease(bucket, "one") as lease:
        assert lease.warning == NO_CONDITIONS
        lease.check()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}"])
def test_a_lease_that_says_nothing_is_anothers(server: "BucketServer", content: bytes) -> None:
    bucket = server.opened("out")
    bucket.put(LEASE, content)
    with pytest.raises(LockedError), hold_lease(bucket, "one"):
        pass


def test_a_server_that_wants_etags_without_quotes_renews_and_the_spelling_is_remembered(server: "BucketServer") -> None:
    server.is_ceph = True
    with hold_lease(server.opened("out"), "one") as lease:
        first = lease.etag
        lease.renew()
        lease.check()
        assert lease.etag != first
        asked = len(server.seen)
        lease.renew()
        lease.check()
        assert len(server.seen) == asked + 1


def test_a_dead_runs_lease_is_taken_over_on_such_a_server(server: "BucketServer") -> None:
    server.is_ceph = True
    bucket = server.opened("out")
    bucket.put(LEASE, room._content("one"))
    with hold_lease(bucket, "one") as lease:
        assert lease.quoted is False


def test_a_lease_that_another_run_took_is_lost_on_such_a_server_too(server: "BucketServer") -> None:
    server.is_ceph = True
    bucket = server.opened("out")
    with hold_lease(bucket, "one") as lease:
        bucket.put(LEASE, room._content("two"))
        lease.renew()
        with pytest.raises(LockedError, match="lost to another run"):
            lease.check()
    taken = bucket.read(LEASE)
    assert taken is not None
    assert room._holder(taken[0]) == "two"


def test_a_lease_that_was_written_is_held_also_where_the_answer_was_lost(server: "BucketServer") -> None:
    with hold_lease(server.opened("out"), "one") as lease:
        server.loses_answers = True
        lease.renew()
        lease.check()
        assert lease.quoted is True
